"""The mass-change guard's batches, and who this store is."""

from __future__ import annotations

from collections.abc import Sequence

from controller.store.base import Held
from controller.store.postgres.recording import Recording
from controller.store.postgres.rows import held_of
from resources.errors import UserError


class Guarding(Recording):
    async def held(self) -> Sequence[Held]:
        """All batches, decided ones too, oldest first; ``drop_held`` ends their life."""
        async with self._database.session() as session:
            rows = await session.fetch("SELECT * FROM skyctl.guard_batches ORDER BY at, id")
        return [held_of(row) for row in rows]

    async def hold(
        self, source: str, items: Sequence[str], total: int, fingerprint: str, *, epoch: int
    ) -> Held:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "INSERT INTO skyctl.guard_batches (source, items, total, fingerprint)"
                " VALUES ($1, $2, $3, $4) ON CONFLICT (source, fingerprint) DO NOTHING",
                source,
                list(items),
                total,
                fingerprint,
            )
            row = await session.fetchrow(
                "SELECT * FROM skyctl.guard_batches WHERE source = $1 AND fingerprint = $2",
                source,
                fingerprint,
            )
        return held_of(row)

    async def decide(self, id_: str, state: str, *, actor: str | None = None) -> Held:
        """state: approved | discarded. Wakes the controller. Raises UserError
        RESOURCE_NOT_FOUND, and RESOURCE_CONFLICT when it was decided otherwise already."""
        if state not in ("approved", "discarded"):
            raise ValueError(state)
        async with self._database.transaction(source="*", actor=actor) as session:
            row = await session.fetchrow(
                "SELECT * FROM skyctl.guard_batches WHERE id::text = $1 FOR UPDATE", id_
            )
            if row is None:
                raise UserError("RESOURCE_NOT_FOUND", f"the guard holds no batch {id_}")
            if row["state"] not in ("held", state):
                raise UserError("RESOURCE_CONFLICT", f"batch {id_} is {row['state']} already")
            row = await session.fetchrow(
                "UPDATE skyctl.guard_batches SET state = $2, decided_at = now(), decided_by = $3"
                " WHERE id = $1 RETURNING *",
                row["id"],
                state,
                actor,
            )
            await session.execute("SELECT pg_notify('skyctl_guard', $1)", state)
        return held_of(row)

    async def drop_held(self, source: str, *, keep: str | None, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "DELETE FROM skyctl.guard_batches"
                " WHERE source = $1 AND fingerprint IS DISTINCT FROM $2::text",
                source,
                keep,
            )

    async def instance(self) -> str:
        async with self._database.session() as session:
            return str(await session.fetchval("SELECT instance FROM skyctl.identity"))

    async def engine_id(self) -> str | None:
        async with self._database.session() as session:
            value = await session.fetchval("SELECT engine_id FROM skyctl.identity")
        return None if value is None else str(value)

    async def bind_engine(self, engine_id: str, *, adopt: bool = False) -> str:
        async with self._database.session() as session:
            return str(
                await session.fetchval(
                    "UPDATE skyctl.identity SET engine_id ="
                    " CASE WHEN $2 THEN $1 ELSE coalesce(engine_id, $1) END RETURNING engine_id",
                    engine_id,
                    adopt,
                )
            )

    async def epoch(self) -> int:
        async with self._database.session() as session:
            return int(await session.fetchval("SELECT epoch FROM skyctl.identity"))

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
        """A leader's sign of life ends every other row's claim to lead."""
        async with self._database.session() as session:
            await session.execute(
                "WITH former AS (UPDATE skyctl.controllers SET leader = false"
                "  WHERE $3 AND leader AND instance <> $1 AND epoch < $4)"
                " INSERT INTO skyctl.controllers"
                " (instance, version, leader, epoch, engine_state, engine_version)"
                " VALUES ($1, $2, $3, $4, $5, $6)"
                " ON CONFLICT (instance) DO UPDATE SET version = EXCLUDED.version,"
                " leader = EXCLUDED.leader, epoch = EXCLUDED.epoch, heartbeat_at = now(),"
                " engine_state = EXCLUDED.engine_state, engine_version = EXCLUDED.engine_version",
                process,
                version,
                leader,
                epoch,
                engine_state,
                engine_version,
            )
