"""Reading. All or nothing: a listing comes from one snapshot of one database, ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from controller.store.base import Event, Revision, StoreUnavailable
from controller.store.postgres.connection import Database, Session
from controller.store.postgres.rows import (
    ENTRY,
    admission_of,
    entry_of,
    event_of,
    retained_of,
    revision_of,
)
from resources.context import Retained
from resources.meta import Entry, Key
from resources.quota import Admission

_THESE = """
WHERE (r.kind, r.organization, r.name) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
"""
BATCH = 500  # rows decoded at a time: the event loop breathes in between


class Reading:
    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance

    async def entries(self) -> Sequence[Entry]:
        """Raises StoreUnavailable also when the database has become another one: an empty or
        replaced store must not look like an emptied one."""
        found: list[Entry] = []
        async with (
            self._database.session() as session,
            session.transaction(isolation="repeatable_read", readonly=True),
        ):
            await self._same_store(session)
            cursor = await session.cursor(ENTRY)
            while rows := await cursor.fetch(BATCH):
                found.extend(entry_of(row) for row in rows)
        return found

    async def _same_store(self, session: Session) -> None:
        instance = await session.fetchval("SELECT instance FROM skyctl.identity")
        if instance != self._instance:
            raise StoreUnavailable(
                f"the database is not the one we started with: instance {instance},"
                f" not {self._instance}"
            )

    async def entry(self, key: Key) -> Entry | None:
        async with self._database.session() as session:
            row = await session.fetchrow(
                ENTRY + "WHERE r.kind = $1 AND r.organization = $2 AND r.name = $3", *key
            )
            if row is None:
                await self._same_store(session)
                return None
            return entry_of(row)

    async def entries_of(self, keys: Sequence[Key]) -> Sequence[Entry]:
        """Raises StoreUnavailable as ``entries`` does."""
        columns = list(zip(*keys, strict=True)) or [(), (), ()]
        async with self._database.session() as session:
            rows = await session.fetch(ENTRY + _THESE, *columns)
            if len(rows) < len(keys):
                await self._same_store(session)
            return [entry_of(row) for row in rows]

    async def members(self, organization: str) -> tuple[int, int]:
        """Raises StoreUnavailable as ``entries`` does: that there are none ends an organization."""
        async with self._database.session() as session:
            members, undeleted = await session.fetchrow(
                "SELECT count(*), count(*) FILTER (WHERE deletion_requested_at IS NULL)"
                " FROM skyctl.resource_rows WHERE organization = $1",
                organization,
            )
            if members == 0:
                await self._same_store(session)
        return members, undeleted

    async def admissions(self, organization: str) -> Mapping[str, Admission]:
        async with self._database.session() as session:
            rows = await session.fetch(
                "SELECT d.uid, d.generation AS admitted_generation, d.claims, d.since, d.lacking,"
                " d.wanted_generation,"
                " CASE WHEN d.wanted_generation = r.generation"
                "  AND r.deletion_requested_at IS NULL THEN d.wanted END AS wanted"
                " FROM skyctl.admissions AS d JOIN skyctl.resource_rows AS r ON r.uid = d.uid"
                " WHERE d.organization = $1",
                organization,
            )
        return {row["uid"]: admission for row in rows if (admission := admission_of(row))}

    async def retained(self) -> Sequence[Retained]:
        async with self._database.session() as session:
            rows = await session.fetch(
                "SELECT * FROM skyctl.retained_volumes ORDER BY organization, engine_name"
            )
        return [retained_of(row) for row in rows]

    async def subnets(self) -> Mapping[str, str]:
        async with self._database.session() as session:
            rows = await session.fetch("SELECT uid, subnet FROM skyctl.subnets ORDER BY subnet")
        return {row["uid"]: row["subnet"] for row in rows}

    async def revisions(self, uid: str) -> Sequence[Revision]:
        """Oldest first."""
        async with self._database.session() as session:
            rows = await session.fetch(
                "SELECT v.*, o.outcome, o.was_ready FROM skyctl.revisions AS v"
                " LEFT JOIN skyctl.rollouts AS o USING (uid, generation)"
                " WHERE v.uid = $1 ORDER BY v.generation",
                uid,
            )
        return [revision_of(row) for row in rows]

    async def events(
        self,
        *,
        uid: str | None = None,
        organization: str | None = None,
        since: datetime | None = None,
        limit: int = 500,
    ) -> Sequence[Event]:
        """Those seen last come last; the newest ``limit`` of them. since: exclusive. An
        Organization's own events count as in it."""
        conditions = {
            "uid = $": uid,
            "$ IN (organization, CASE kind WHEN 'Organization' THEN name END)": organization,
            "at > $": since,
        }
        values = [value for value in conditions.values() if value is not None]
        asked = (text for text, value in conditions.items() if value is not None)
        given = [text.replace("$", f"${number}") for number, text in enumerate(asked, 1)]
        async with self._database.session() as session:
            rows = await session.fetch(
                "SELECT * FROM skyctl.events"
                + (" WHERE " + " AND ".join(given) if given else "")
                + f" ORDER BY at DESC, id DESC LIMIT {limit:d}",
                *values,
            )
        return [event_of(row) for row in reversed(rows)]
