"""The reading half of the fake: hooks, listing, listening, the guard, identity, leadership."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.store.base import (
    Change,
    Deposed,
    Event,
    Held,
    Lease,
    Revision,
    StoreUnavailable,
)
from controller.store.unread import Unread
from resources.context import Retained
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.quota import Admission
from resources.share import in_force
from tests.fakes.store_database import FakeDatabase, Sign
from tests.fakes.store_lease import FakeLease

Hook = Callable[..., Awaitable[None]]


async def nothing(op: str, *what: Any) -> None:
    """The hook that does nothing."""


class FakeClient:
    """One client of a FakeDatabase. available: this client's own connection."""

    def __init__(
        self,
        database: FakeDatabase | None = None,
        *,
        before: Hook = nothing,
        after: Hook = nothing,
        event_retention: float = 7 * 86400.0,
    ) -> None:
        self.database = database or FakeDatabase()
        self.before = before
        self.after = after
        self.available = True
        self.event_retention = event_retention
        self._unread: list[Unread] = []

    @asynccontextmanager
    async def operation(self, op: str, *what: Any) -> AsyncIterator[FakeDatabase]:
        await self.before(op, *what)
        self.check()
        yield self.database
        await self.after(op, *what)

    def check(self) -> None:
        if not (self.available and self.database.available):
            raise StoreUnavailable("the fake database is switched off")

    def lead(self, epoch: int) -> None:
        if epoch != self.database.epoch:
            raise Deposed(f"epoch {self.database.epoch} leads, not {epoch}")

    def disconnect(self, reason: str = "the listening connection was lost") -> None:
        """This client's listeners fail."""
        for unread in self._unread:
            unread.fail(StoreUnavailable(reason))

    # -- reading

    async def entries(self) -> Sequence[Entry]:
        async with self.operation("entries") as database:
            return list(database.entries.values())

    async def entry(self, key: Key) -> Entry | None:
        async with self.operation("entry", key) as database:
            return database.entries.get(key)

    async def entries_of(self, keys: Sequence[Key]) -> Sequence[Entry]:
        async with self.operation("entries_of", *keys) as database:
            return [database.entries[key] for key in keys if key in database.entries]

    async def members(self, organization: str) -> tuple[int, int]:
        async with self.operation("members", organization) as database:
            found = [database.entries[key] for key in database.members.get(organization, ())]
        return len(found), sum(not entry.resource.deleting for entry in found)

    async def admissions(self, organization: str) -> Mapping[str, Admission]:
        async with self.operation("admissions", organization) as database:
            found = [database.entries[key] for key in database.members.get(organization, ())]
        return {e.resource.uid: admission for e in found if (admission := in_force(e))}

    async def retained(self) -> Sequence[Retained]:
        async with self.operation("retained") as database:
            found = [retained for retained, _ in database.retained.values()]
        return sorted(found, key=lambda r: (r.organization, r.engine_name))

    async def subnets(self) -> Mapping[str, str]:
        async with self.operation("subnets") as database:
            return {uid: str(network) for uid, network in database.subnets.by_uid.items()}

    async def revisions(self, uid: str) -> Sequence[Revision]:
        async with self.operation("revisions", uid) as database:
            found = database.revisions.get(uid, {})
            rollouts = database.rollouts.get(uid, {})
            ready = database.was_ready.get(uid, {})
        return [
            replace(
                found[generation],
                outcome=rollouts[generation].outcome if generation in rollouts else None,
                was_ready=generation in ready,
            )
            for generation in sorted(found)
        ]

    async def events(
        self,
        *,
        uid: str | None = None,
        organization: str | None = None,
        since: datetime | None = None,
        limit: int = 500,
    ) -> Sequence[Event]:
        async with self.operation("events") as database:
            found = [
                event
                for event in database.events.values()
                if (uid is None or event.uid == uid)
                and (organization is None or _in(event.key, organization))
                and (since is None or (event.at is not None and event.at > since))
            ]
        return found[-limit:]

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return self._changes()

    @asynccontextmanager
    async def _changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        async with self.operation("changes") as database:
            unread = Unread()
            database.listen(unread)
            self._unread.append(unread)
        try:
            yield unread.read()
        finally:
            database.unlisten(unread)
            self._unread.remove(unread)

    # -- the guard

    async def held(self) -> Sequence[Held]:
        async with self.operation("held") as database:
            return list(database.held.values())

    async def hold(
        self, source: str, items: Sequence[str], total: int, fingerprint: str, *, epoch: int
    ) -> Held:
        async with self.operation("hold", source) as database:
            self.lead(epoch)
            for held in database.held.values():
                if (held.source, held.fingerprint) == (source, fingerprint):
                    break
            else:
                id_ = database.new_uid()
                held = Held(id_, source, tuple(items), total, "held", database.now(), fingerprint)
                database.held[id_] = held
        return held

    async def decide(self, id_: str, state: str, *, actor: str | None = None) -> Held:
        if state not in ("approved", "discarded"):
            raise ValueError(state)
        async with self.operation("decide", id_) as database:
            held = database.held.get(id_)
            if held is None:
                raise UserError("RESOURCE_NOT_FOUND", f"the guard holds no batch {id_}")
            if held.state not in ("held", state):
                raise UserError("RESOURCE_CONFLICT", f"batch {id_} is {held.state} already")
            held = database.held[id_] = replace(held, state=state)
            database.decided(state)
        return held

    async def drop_held(self, source: str, *, keep: str | None, epoch: int) -> None:
        async with self.operation("drop_held", source) as database:
            self.lead(epoch)
            for held in list(database.held.values()):
                if held.source == source and held.fingerprint != keep:
                    del database.held[held.id]

    # -- identity and leadership

    async def instance(self) -> str:
        async with self.operation("instance") as database:
            return database.instance

    async def engine_id(self) -> str | None:
        async with self.operation("engine_id") as database:
            return database.engine_id

    async def bind_engine(self, engine_id: str, *, adopt: bool = False) -> str:
        async with self.operation("bind_engine") as database:
            if adopt or database.engine_id is None:
                database.engine_id = engine_id
            return database.engine_id

    async def heartbeat(
        self,
        *,
        process: str,
        version: str,
        leader: bool,
        epoch: int,
        engine_state: str,
        engine_version: str,
    ) -> None:
        async with self.operation("heartbeat") as database:
            if leader:
                for sign in database.controllers.values():
                    sign.leader = sign.leader and sign.epoch >= epoch
            database.controllers[process] = Sign(
                version, leader, epoch, database.now(), engine_state, engine_version
            )

    async def epoch(self) -> int:
        async with self.operation("epoch") as database:
            return database.epoch

    def leadership(self, process: str) -> Lease:
        return FakeLease(self, process)

    async def close(self) -> None:
        """Nothing is held."""
        await asyncio.sleep(0)


def _in(key: Key, organization: str) -> bool:
    return key.organization == organization or (
        key.kind == "Organization" and key.name == organization
    )
