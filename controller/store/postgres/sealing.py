"""The inbox of plain values that came by SQL, and the keys that values are sealed for.

The triggers of 005_secrets.sql put a ticket where a value stood; here the ticket becomes the sealed
value. That the inbox is then empty of it is the triggers' doing as well: in the same transaction.
"""

from __future__ import annotations

from typing import Any

from controller.store.base import Seal
from controller.store.postgres.connection import Session
from controller.store.postgres.guarding import Guarding
from controller.store.postgres.recording import gone
from controller.store.postgres.rows import ENTRY, entry_of
from resources.meta import Entry
from resources.sealed import SealingKey, is_ticket
from resources.secret.in_force import in_force
from resources.secret.problems import value_gone

_VALUES = """
SELECT 'inbox:' || ticket AS ticket, value FROM skyctl.secret_inbox
WHERE organization = $1 AND name = $2
"""


class Sealing(Guarding):
    async def seal_inbox(self, uid: str, seal: Seal, *, epoch: int) -> Entry | None:
        async with self._database.leading(epoch) as session:
            await session.execute("SELECT set_config('skyctl.source', '*', true)")
            if not await session.fetchval(
                "SELECT true FROM skyctl.resource_rows WHERE uid = $1 FOR NO KEY UPDATE", uid
            ):
                raise gone(uid)
            entry = entry_of(await session.fetchrow(ENTRY + "WHERE r.uid = $1", uid))
            if (values := await self._sealed(session, entry, seal)) is None:
                return entry
            await session.execute(
                "UPDATE skyctl.resource_rows SET spec = jsonb_set(spec, '{sealedData}', $2)"
                " WHERE uid = $1",
                uid,
                values,
            )
            after = await session.fetchrow(ENTRY + "WHERE r.uid = $1", uid)
        return entry_of(after) if after is not None else None

    async def _sealed(self, session: Session, entry: Entry, seal: Seal) -> dict[str, Any] | None:
        """sealedData without tickets; None when it has none."""
        before: dict[str, Any] = entry.resource.spec.get("sealedData") or {}
        tickets = {key: text for key, text in before.items() if is_ticket(text)}
        if not tickets:
            return None
        rows = await session.fetch(_VALUES, entry.key.organization, entry.key.name)
        plain = {row["ticket"]: row["value"] for row in rows}
        if lost := sorted(key for key, ticket in tickets.items() if ticket not in plain):
            raise value_gone(lost)
        current = in_force(entry) or {}
        sealed = {k: seal(k, plain[ticket], current.get(k)) for k, ticket in tickets.items()}
        return before | sealed

    async def sealing_key(self) -> SealingKey | None:
        async with self._database.session() as session:
            row = await session.fetchrow(
                "SELECT k.id, k.public_key FROM skyctl.sealing_keys AS k"
                " JOIN skyctl.identity AS i ON i.sealing_key_id = k.id"
            )
        return None if row is None else SealingKey(row["id"], row["public_key"])

    async def anything_sealed(self) -> bool:
        async with self._database.session() as session:
            return bool(await session.fetchval("SELECT skyctl.anything_sealed()"))

    async def bind_sealing_key(self, key: SealingKey, *, adopt: bool = False) -> SealingKey:
        async with self._database.session() as session:
            row = await session.fetchrow(
                "SELECT * FROM skyctl.bind_sealing_key($1, $2, $3)", key.id, key.public, adopt
            )
        return SealingKey(row["id"], row["public_key"])
