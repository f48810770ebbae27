"""What the controller does with sealed values: seals what arrives, opens what is used.

The store says which key values are sealed for, the keyring which ones can be opened here. A key is
made only where nothing can be lost by it: when the store knows none yet, or has nothing sealed. A
missing key stops nobody but those who need it: each such value says so at its Secret.

No plain value outlives the call that needed it, and none stands in an exception, an event or a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from controller.sealing.box import PrivateKey, Unreadable, opened, seal
from controller.sealing.keyring import Keyring
from controller.store.base import Store
from resources.errors import UserError
from resources.finding import Path
from resources.memo import Memo
from resources.meta import Entry, Manifest, Resource
from resources.sealed import Sealed, SealingKey, sealed_values
from resources.secret import problems
from resources.validate import validate

log = structlog.get_logger("sealing")

KIND = "Secret"


class Vault:
    """keys: ids of those that we can open for. problem: why what is sealed in this store cannot be
    opened, as far as that is known."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring
        self._ring: Mapping[str, PrivateKey] = {}
        self._bound: SealingKey | None = None
        self._unreadable: Memo[Mapping[str, UserError]] = Memo()
        self.keys: frozenset[str] = frozenset()
        self.problem: UserError | None = None

    # -- keys
    def load(self) -> None:
        """Reads the keyring. A file that cannot be used is a problem, not an end."""
        self.problem = None
        try:
            self._ring = self._keyring.load()
        except UserError as error:
            self._ring = {}
            self._trouble(error)
        self.keys = frozenset(self._ring)

    def refresh(self) -> bool:
        """Looks whether the key file has come, gone or changed. True: other keys than before. What
        was read stays known when the file goes: values in use are not cut off by that."""
        if not self._keyring.changed():
            return False
        before = self._ring
        self.load()
        if before and not self._ring:
            self._ring, self.keys = before, frozenset(before)
            if self.problem is None:
                self._trouble(problems.file_gone(self._keyring.place))
        self._judge()
        return self._ring.keys() != before.keys()

    async def prepare(self) -> None:
        """When we begin to lead: the store has a key, and we know whether it is ours. Raises
        StoreUnavailable."""
        self.load()
        bound = await self._store.sealing_key()
        if bound is None or await self._replaceable(bound):
            bound = await self._bind(bound)
        self._bound = bound
        self._judge()

    async def _replaceable(self, bound: SealingKey) -> bool:
        """It is not ours, and nothing is lost with it."""
        return bound.id not in self._ring and not await self._store.anything_sealed()

    async def _bind(self, bound: SealingKey | None) -> SealingKey | None:
        if self.problem is not None:
            return bound  # the file is there, but unusable: nothing is made in its place
        try:
            key = next(iter(self._ring.values()), None) or self._made()
        except UserError as error:
            self._trouble(error)
            return bound
        return await self._store.bind_sealing_key(key.public)

    def _made(self) -> PrivateKey:
        key = PrivateKey.generate()
        self._keyring.add(key)
        self.load()
        log.info("a key for secrets was made", key=key.id, file=self._keyring.place)
        return key

    async def renew(self) -> SealingKey:
        """Another key from now on, by a person's decision; the former ones stay in the keyring.
        Raises UserError, StoreUnavailable."""
        self.load()
        key = self._made()
        self._bound = await self._store.bind_sealing_key(key.public, adopt=True)
        log.warning("another key for secrets", key=key.id, file=self._keyring.place)
        self._judge()
        return self._bound

    def _judge(self) -> None:
        if self._bound is None or self._bound.id in self._ring or self.problem is not None:
            return
        self._trouble(problems.key_lost(self._bound.id, self._keyring.place))

    def _trouble(self, error: UserError) -> None:
        self.problem = error
        log.error(error.message, code=error.code, suggestions=list(error.suggestions))

    async def sealing_key(self) -> SealingKey:
        """The one to seal for. Raises UserError SECRET_KEY_MISSING, StoreUnavailable."""
        key = await self._store.sealing_key()
        if key is None:
            raise problems.no_key()
        return key

    # -- sealing
    async def sealed(self, manifest: Manifest, before: Resource | None) -> Manifest:
        """A Secret's manifest without plain values. before: the row as it is; a value that is
        sealed there already stays as it is, so that nobody is restarted for it. Raises UserError:
        also for a Secret that is not valid, which nobody may store."""
        if manifest.key.kind != KIND:
            return manifest
        validate(KIND, manifest.spec)
        if "data" not in manifest.spec:
            return manifest
        key = await self.sealing_key()
        values = dict(manifest.spec.get("sealedData") or {})
        known = sealed_values(before.key, before.spec) if before is not None else {}
        for name, value in (manifest.spec["data"] or {}).items():
            values[name] = self._kept(known.get(name), value) or seal(
                key, manifest.key.organization, manifest.key.name, name, value
            )
        spec = {name: item for name, item in manifest.spec.items() if name != "data"}
        return replace(manifest, spec={**spec, "sealedData": values})

    def _kept(self, known: Sealed | None, value: str) -> str | None:
        """The sealed text that already means this value."""
        if known is None or known.key_id not in self._ring:
            return None
        try:
            return known.text if opened(self._ring[known.key_id], known) == value else None
        except Unreadable:
            return None

    async def fill(self, entry: Entry, epoch: int) -> Entry | None:
        """Seals what waits in the inbox for a Secret; the row as it is then. Raises UserError,
        StoreUnavailable, Deposed."""
        key, (_, organization, name) = await self.sealing_key(), entry.key

        def sealing(item: str, value: str, current: Sealed | None) -> str:
            return self._kept(current, value) or seal(key, organization, name, item, value)

        return await self._store.seal_inbox(entry.resource.uid, sealing, epoch=epoch)

    # -- opening
    def unreadable(self, entry: Entry) -> Mapping[str, UserError]:
        """What is wrong with the values of a Secret's row, by key. Nothing for other kinds."""
        if entry.key.kind != KIND:
            return {}
        row = entry.resource
        return self._unreadable.get(row.uid, (row.spec, self.keys), lambda: self._faults(row))

    def _faults(self, resource: Resource) -> Mapping[str, UserError]:
        found: dict[str, UserError] = {}
        for name, sealed in sealed_values(resource.key, resource.spec).items():
            try:
                self._open(sealed, ("spec", "sealedData", name))
            except UserError as error:
                found[name] = error
        return found

    def open(self, sealed: Sealed) -> str:
        """The value. Raises UserError SECRET_KEY_MISSING, SECRET_UNREADABLE."""
        return self._open(sealed, (f"Secret/{sealed.secret}", sealed.key))

    def _open(self, sealed: Sealed, path: Path) -> str:
        key = self._ring.get(sealed.key_id)
        if key is None:
            raise problems.key_missing(path, sealed.key_id)
        try:
            return opened(key, sealed)
        except Unreadable as error:
            raise problems.unreadable(path, str(error)) from None
