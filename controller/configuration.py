"""What this process runs by: flags and environment over the CaasConfiguration over defaults.

The row is read before anything else is built, from the store and not in a pass, so that it can say
where the engine is. One that cannot be taken (invalid, a Secret missing) takes nothing away: what
it said when it was last accepted holds, or what was given. Its plan says why.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from controller.configured import (
    DOCKER_HOST,
    ENVIRONMENT,
    DockerAccess,
    Named,
    declared,
    engine,
    variables,
)
from controller.sealing import Vault
from controller.settings import Settings, over
from controller.store.base import Store, StoreUnavailable
from resources.configuration.judging import NAME, refusal
from resources.configuration.spec import CaasConfigurationSpec
from resources.effective import accepted, effective
from resources.errors import UserError
from resources.installation import NOTHING, InForce
from resources.meta import Entry, Key
from resources.secret.in_force import in_force

log = structlog.get_logger("configuration")

KEY = Key("CaasConfiguration", "", NAME)
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Effective:
    """What to build from. configured: names of the settings that the row says. secrets: marks of
    what it took from Secrets, so that it differs where one of them does. in_force: of which row."""

    settings: Settings
    docker: DockerAccess = ENVIRONMENT
    configured: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    in_force: InForce = field(default=NOTHING, compare=False)


class Configuration:
    """given: flags and environment. current: what the process is built from; its ``in_force``
    follows the row also where nothing has to be built anew. coming: what is to be built next."""

    def __init__(self, store: Store, given: Settings, vault: Vault) -> None:
        self._store = store
        self._given = given
        self._vault = vault
        self._doubt = asyncio.Event()
        self._secrets: frozenset[Key] = frozenset()
        self.current = self.coming = Effective(given)

    @property
    def in_force(self) -> InForce:
        return self.current.in_force

    def heard(self, key: Key) -> None:
        """A row changed, or was looked at."""
        if key == KEY or key in self._secrets:
            self._doubt.set()

    async def load(self) -> None:
        """Before anything is built. Raises StoreUnavailable."""
        self.current = self.coming = await self._read()

    async def changed(self, noted: Callable[[], None]) -> None:
        """Until something else is to be built: that is coming then. noted: it is another row by
        now, or not taken for another reason, yet nothing is to be built anew."""
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            try:
                found = await self._read()
            except StoreUnavailable:
                self._doubt.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.coming = found
            if found != self.current:
                return
            if found.in_force != self.current.in_force:
                self.begun()
                noted()

    async def differs(self) -> bool:
        """Is something else to be built? Then that is coming. Raises StoreUnavailable."""
        self.coming = await self._read()
        return self.coming != self.current

    def begun(self) -> None:
        """What was coming is what the process is built from now."""
        self.current = self.coming
        if (problem := self.in_force.problem) is not None:
            log.warning("the CaasConfiguration is not taken", reason=problem.message)

    async def _read(self) -> Effective:
        entry = await self._store.entry(KEY)
        self._secrets = frozenset()
        if entry is None or entry.resource.deleting:
            return Effective(self._given)
        newest = effective(entry)
        refused = newest.rejection or refusal(entry.resource, newest.spec)
        if refused is not None:
            return await self._earlier(entry, refused)
        try:
            return await self._taken(entry, newest.spec, newest.generation)
        except UserError as error:
            return await self._earlier(entry, error)

    async def _earlier(self, entry: Entry, problem: UserError) -> Effective:
        """What was accepted last, where that can still be taken."""
        generation, spec = entry.record.accepted_generation, accepted(entry)
        if spec is not None and generation not in (None, entry.resource.generation):
            try:
                return await self._taken(entry, spec, generation, problem)
            except UserError as error:
                log.warning("nor is the one accepted before", reason=error.message)
        return Effective(self._given, in_force=InForce(problem=problem))

    async def _taken(
        self,
        entry: Entry,
        spec: CaasConfigurationSpec,
        generation: int,
        problem: UserError | None = None,
    ) -> Effective:
        """Raises UserError where something is missing or does not fit together."""
        self._secrets |= {Key("Secret", "", name) for name in spec.secrets}
        named = Named({name: await self._sealed(name) for name in spec.secrets}, self._vault.open)
        said, given = declared(spec), self._given.model_fields_set
        overruled = {f.pointer: f.variable for f in said if f.setting in given}
        docker = ENVIRONMENT
        if spec.docker is not None and os.environ.get(DOCKER_HOST):
            overruled["/spec/docker"] = DOCKER_HOST
        elif spec.docker is not None:
            docker = await engine(spec.docker, named, self._given.state_dir)
        values: dict[str, Any] = {f.setting: f.value for f in said}
        values |= await variables(spec.ingress.acme, named, self._given.ingress_dir)
        rulers = tuple(sorted(overruled.items()))
        return Effective(
            over(values, self._given),
            docker,
            frozenset(values) - given,
            named.marks,
            InForce(entry.resource.uid, generation, rulers, problem),
        )

    async def _sealed(self, name: str) -> Mapping[str, Any]:
        entry = await self._store.entry(Key("Secret", "", name))
        values = in_force(entry) if entry is not None else None
        if values is None:
            raise UserError("SECRET_NOT_FOUND", f"the platform has no Secret {name} yet")
        self._vault.refresh()
        return values
