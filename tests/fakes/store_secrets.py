"""Secrets in the fake store: what the triggers of ``schema/005_secrets.sql`` do, and the keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from controller.store.base import Seal
from controller.store.postgres.recording import gone
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.sealed import SealingKey, is_sealed, is_ticket
from resources.secret.in_force import in_force
from resources.secret.problems import value_gone
from tests.fakes.store_client import FakeClient
from tests.fakes.store_database import FakeDatabase

MAX_SPEC = 262144
_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")


def invalid(message: str, hint: str, code: str = "CONFIGURATION_INVALID_SPEC") -> UserError:
    return UserError(code, message, suggestions=[hint])


def received(database: FakeDatabase, key: Key, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with tickets where plain values stood."""
    if key.kind != "Secret" or "data" not in spec:
        return spec
    if text_size(spec) > MAX_SPEC:
        raise invalid("spec is too large", "put large content into a volume or an image")
    _check_plain(spec)
    values = dict(spec.get("sealedData") or {})
    for name, value in spec["data"].items():
        ticket = f"inbox:{database.new_uid()}"
        database.inbox[ticket] = (key, name, value)
        values[name] = ticket
    return {**{k: v for k, v in spec.items() if k != "data"}, "sealedData": values}


def _check_plain(spec: Mapping[str, Any]) -> None:
    data = spec["data"]
    if not isinstance(data, Mapping):
        raise invalid(
            "data of a Secret must be a JSON object", 'write {"data": {"PASSWORD": "..."}}'
        )
    if not all(isinstance(value, str) for value in data.values()):
        raise invalid("data of a Secret must have strings as values", 'write numbers as "5432"')
    if not all(_KEY.fullmatch(name) for name in data):
        raise invalid(
            'a key of data is not 1 to 253 letters, digits, "-", "_" and "."', "rename the key"
        )
    if not isinstance(spec.get("sealedData", {}), Mapping):
        raise invalid(
            "sealedData of a Secret must be a JSON object",
            "leave it out, or seal the values with skyctl seal",
        )


def text_size(value: Any) -> int:
    """Bytes of PostgreSQL's rendering of jsonb: a space after each comma and colon."""
    return len(orjson.dumps(value)) + _gaps(value)


def _gaps(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(1 + _gaps(v) for v in value.values()) + max(0, len(value) - 1)
    if isinstance(value, list | tuple):
        return sum(_gaps(v) for v in value) + max(0, len(value) - 1)
    return 0


def check_secret(spec: Mapping[str, Any]) -> None:
    if spec.keys() - {"sealedData"}:
        raise invalid(
            "a Secret has no other fields than data and sealedData",
            'write {"data": {"PASSWORD": "..."}}',
        )
    values = spec.get("sealedData", {})
    if not isinstance(values, Mapping) or not all(
        is_sealed(v) or is_ticket(v) for v in values.values()
    ):
        raise invalid(
            "sealedData of a Secret has a value that is not sealed",
            "write plain values under data, or seal them with skyctl seal",
            "SECRET_NOT_SEALED",
        )


def empty_inbox(database: FakeDatabase, key: Key) -> None:
    """What no ticket means any more is gone."""
    entry = database.entries.get(key)
    values = entry.resource.spec.get("sealedData", {}) if entry is not None else {}
    for ticket, (owner, name, _) in list(database.inbox.items()):
        if owner == key and values.get(name) != ticket:
            del database.inbox[ticket]


class FakeSealing(FakeClient):
    async def seal_inbox(self, uid: str, seal: Seal, *, epoch: int) -> Entry | None:
        async with self.operation("seal_inbox", uid) as database:
            self.lead(epoch)
            entry = database.by_uid(uid)
            if entry is None:
                raise gone(uid)
            sealed = self._seal(database, entry, seal)
            if sealed is None:
                return entry
            resource = entry.resource
            changed = replace(
                entry,
                resource=replace(
                    resource,
                    spec={**resource.spec, "sealedData": sealed},
                    generation=resource.generation + 1,
                    updated_at=database.after(resource.updated_at),
                ),
            )
            database.put(changed)
            database.revise(changed, "skyctl")
            empty_inbox(database, entry.key)
            database.notify(entry.key)
            return changed

    @staticmethod
    def _seal(database: FakeDatabase, entry: Entry, seal: Seal) -> dict[str, Any] | None:
        before = entry.resource.spec.get("sealedData") or {}
        tickets = {name: text for name, text in before.items() if is_ticket(text)}
        if not tickets:
            return None
        plain = {
            ticket: value
            for ticket, (owner, name, value) in database.inbox.items()
            if owner == entry.key and tickets.get(name) == ticket
        }
        if lost := sorted(name for name, ticket in tickets.items() if ticket not in plain):
            raise value_gone(lost)
        current = in_force(entry) or {}
        return before | {k: seal(k, plain[t], current.get(k)) for k, t in tickets.items()}

    async def sealing_key(self) -> SealingKey | None:
        async with self.operation("sealing_key") as database:
            return database.sealing_keys.get(database.sealing_key_id or "")

    async def anything_sealed(self) -> bool:
        async with self.operation("anything_sealed") as database:
            return any(
                revision.spec.get("sealedData")
                for entry in database.entries.values()
                if entry.key.kind == "Secret"
                for revision in database.revisions.get(entry.resource.uid, {}).values()
            )

    async def bind_sealing_key(self, key: SealingKey, *, adopt: bool = False) -> SealingKey:
        sealed = await self.anything_sealed()
        async with self.operation("bind_sealing_key") as database:
            if database.sealing_key_id is None or adopt or not sealed:
                database.sealing_keys[key.id] = key
                database.sealing_key_id = key.id
            return database.sealing_keys[database.sealing_key_id]
