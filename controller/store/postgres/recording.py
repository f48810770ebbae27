"""What the leader writes: records, status, events. Each write proves its epoch.

``record`` is one transaction; its steps are a table from type to statement. The row is locked
first, so two writers of one resource cannot interleave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from controller.store.base import Event
from controller.store.document import printable, storable
from controller.store.postgres import admitting, claiming
from controller.store.postgres.connection import Session
from controller.store.postgres.rows import ENTRY, NO_UID, entry_of
from controller.store.postgres.writing import Writing
from resources.errors import UserError
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import FINALIZER, Entry
from resources.store_steps import (
    Accept,
    AdoptVolume,
    BeginRollout,
    Claim,
    EndRollout,
    Finalize,
    Hold,
    RecordPreDeploy,
    RecordVolume,
    RequestDeletion,
    ReserveSubnet,
    RetainVolume,
    Settle,
    StoreStep,
)

REVISIONS_KEPT = 20  # of each resource, beside those that are still needed
EVENTS_KEPT = 200  # of each resource
EMIT_ATTEMPTS = 5
CONTROLLERS_KEPT = "1 day"


def conflict(message: str) -> UserError:
    return UserError("RESOURCE_CONFLICT", message, retryable=True)


def gone(uid: str) -> UserError:
    return UserError("RESOURCE_NOT_FOUND", f"the row with uid {uid} is gone", retryable=True)


class Recording(Writing):
    async def record(self, uid: str, steps: Sequence[StoreStep], *, epoch: int) -> Entry | None:
        """Raises UserError RESOURCE_NOT_FOUND when the row is gone (ending it twice is fine),
        RESOURCE_CONFLICT when the facts contradict a step; then nothing is written."""
        lasting = not all(map(_repeatable, steps))
        async with self._database.leading(epoch, lasting=lasting) as session:
            row = await session.fetchrow(
                "SELECT kind, organization, name, deletion_requested_at FROM skyctl.resource_rows"
                " WHERE uid = $1 FOR UPDATE",
                uid,
            )
            if row is None:
                if all(isinstance(step, Finalize | RetainVolume) for step in steps):
                    return None
                raise gone(uid)
            for step in steps:
                await _STEPS[type(step)](session, uid, row, step)
            after = await session.fetchrow(ENTRY + "WHERE r.uid = $1", uid)
        return entry_of(after) if after is not None else None

    async def write_status(
        self, uid: str, observed_generation: int, status: Mapping[str, Any], *, epoch: int
    ) -> bool:
        async with self._database.session() as session:
            return bool(
                await session.fetchval(
                    "SELECT skyctl.write_status($1, $2, $3, $4)",
                    uid,
                    observed_generation,
                    storable(status),
                    epoch,
                )
            )

    async def emit(self, events: Sequence[Event], *, epoch: int) -> None:
        """Not sorted against deadlocks, for their order is what happened: tried again instead."""
        if not events:
            return
        for attempt in range(EMIT_ATTEMPTS):
            try:
                await self._emit(events, epoch)
            except UserError as error:
                if not error.retryable or attempt == EMIT_ATTEMPTS - 1:
                    raise
            else:
                return

    async def _emit(self, events: Sequence[Event], epoch: int) -> None:
        async with self._database.session() as session:
            await session.execute(
                _EMIT,
                epoch,
                [event.uid or NO_UID for event in events],
                [event.key.kind for event in events],
                [event.key.organization for event in events],
                [event.key.name for event in events],
                [event.type for event in events],
                [event.reason for event in events],
                [printable(event.message) for event in events],
            )

    async def claim_expired(self, uid: str, *, epoch: int) -> bool:
        """The window shrinks to nothing, so that no clock which is set back opens it again."""
        async with self._database.leading(epoch) as session:
            answer = await session.execute(
                "UPDATE skyctl.retained_volumes SET expires_at = least(expires_at, retained_at)"
                " WHERE uid = $1 AND expires_at <= clock_timestamp()",
                uid,
            )
        return str(answer) != "UPDATE 0"

    async def release_retained(self, uid: str, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute("DELETE FROM skyctl.retained_volumes WHERE uid = $1", uid)

    async def expire_retained(self, uid: str, *, actor: str | None = None) -> None:
        """Raises UserError RESOURCE_NOT_FOUND."""
        async with self._database.transaction(source="*", actor=actor) as session:
            row = await session.fetchrow(
                "UPDATE skyctl.retained_volumes SET expires_at = least(expires_at, now()),"
                " purged_by = coalesce(purged_by, $2) WHERE uid = $1 RETURNING organization, name",
                uid,
                actor or "",
            )
            if row is None:
                raise UserError("RESOURCE_NOT_FOUND", f"no volume with uid {uid} is retained")
            await session.execute(
                "SELECT skyctl.record_event($1, 'Volume', $2, $3, 'Normal', 'PurgeRequested', $4)",
                uid,
                row["organization"],
                row["name"],
                f"purge requested by {actor or 'skyctl'}",
            )
            await session.execute("SELECT pg_notify('skyctl_guard', 'retained')")

    async def housekeeping(self, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(_EXPIRE_EVENTS, self._database.settings.event_retention)
            await session.execute(_TRIM_EVENTS, EVENTS_KEPT)
            await session.execute(_TRIM_REVISIONS, REVISIONS_KEPT)
            await session.execute(_TRIM_ROLLOUTS)
            await session.execute(_TRIM_PRE_DEPLOYS)
            await session.execute(_TRIM_INBOX)
            await session.execute(
                "DELETE FROM skyctl.controllers"
                f" WHERE heartbeat_at < now() - interval '{CONTROLLERS_KEPT}'"
            )


# One statement is one transaction; it is proved, and alone in recording events in a row, before the
# first of them. Events that a crash of the server takes away are no loss.
_EMIT = """
WITH proof AS MATERIALIZED (
  SELECT skyctl.check_epoch($1), pg_advisory_xact_lock(7563641, 4),
         set_config('synchronous_commit', 'off', true))
SELECT skyctl.record_event(e.uid, e.kind, e.organization, e.name, e.type, e.reason, e.message)
FROM proof, unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[]) AS e (uid, kind, organization, name, type, reason, message)
"""
# Never trimmed: the newest accepted, the newest that was Ready, any with containers.
_TRIM_REVISIONS = """
DELETE FROM skyctl.revisions AS v USING (
  SELECT uid, generation,
         row_number() OVER (PARTITION BY uid ORDER BY generation DESC) AS place,
         max(generation) FILTER (WHERE accepted) OVER (PARTITION BY uid) AS newest_accepted
  FROM skyctl.revisions) AS n
WHERE v.uid = n.uid AND v.generation = n.generation AND n.place > $1
  AND v.generation IS DISTINCT FROM n.newest_accepted
  AND v.generation IS DISTINCT FROM
      (SELECT max(generation) FROM skyctl.rollouts WHERE uid = v.uid AND was_ready)
  AND NOT EXISTS (
    SELECT FROM skyctl.resource_status AS s
    WHERE s.uid = v.uid AND jsonb_path_exists(
      s.status, 'lax $.containers[*].generation ? (@ == $g)',
      jsonb_build_object('g', v.generation)))
"""
_TRIM_ROLLOUTS = """
DELETE FROM skyctl.rollouts AS o WHERE NOT EXISTS (
  SELECT FROM skyctl.revisions AS v WHERE v.uid = o.uid AND v.generation = o.generation)
"""
_TRIM_PRE_DEPLOYS = """
DELETE FROM skyctl.pre_deploys AS p WHERE NOT EXISTS (
  SELECT FROM skyctl.revisions AS v WHERE v.uid = p.uid AND v.generation = p.generation)
"""
# Values for which no Secret has a ticket: of writes that were given up (ON CONFLICT DO NOTHING). A
# ticket is committed together with the row that holds it.
_TRIM_INBOX = """
DELETE FROM skyctl.secret_inbox AS i WHERE NOT EXISTS (
  SELECT FROM skyctl.resource_rows AS r
  WHERE r.kind = 'Secret' AND r.organization = i.organization AND r.name = i.name
    AND r.spec -> 'sealedData' ->> i.key = 'inbox:' || i.ticket)
"""
# Events that somebody is just counting are left for the next time: waiting for them could be a
# deadlock, and they are not old any more.
_EXPIRE_EVENTS = """
DELETE FROM skyctl.events WHERE id IN (
  SELECT id FROM skyctl.events WHERE at < now() - make_interval(secs => $1)
  FOR UPDATE SKIP LOCKED)
"""
_TRIM_EVENTS = """
DELETE FROM skyctl.events WHERE id IN (
  SELECT e.id FROM skyctl.events AS e JOIN (
    SELECT id, row_number() OVER (PARTITION BY uid ORDER BY at DESC, id DESC) AS place
    FROM skyctl.events) AS n ON n.id = e.id
  WHERE n.place > $1
  FOR UPDATE OF e SKIP LOCKED)
"""


def _repeatable(step: StoreStep) -> bool:
    """The next pass would record the same again, from what it finds in the world."""
    return isinstance(step, Accept | BeginRollout) or (
        isinstance(step, EndRollout) and step.outcome in ("ready", "rolledBack")
    )


async def _accept(session: Session, uid: str, row: Any, step: Accept) -> None:
    if step.claims is not None and step.terms is not None:
        await admitting.lock(session, step.terms)
        organization = step.terms.organization
        await admitting.hold(session, uid, organization, step.generation, step.claims)
    found = await session.fetchval(
        "WITH marked AS (UPDATE skyctl.resource_rows SET finalizers = finalizers || $3::text"
        " WHERE uid = $1 AND NOT $3::text = ANY (finalizers))"
        " UPDATE skyctl.revisions SET accepted = true WHERE uid = $1 AND generation = $2"
        " RETURNING true",
        uid,
        step.generation,
        FINALIZER,
    )
    if not found:
        raise conflict(f"generation {step.generation} is no longer kept")


async def _begin_rollout(session: Session, uid: str, row: Any, step: BeginRollout) -> None:
    """Beginning again what is under way changes nothing: its deadline runs from the first."""
    await session.execute(
        "INSERT INTO skyctl.rollouts AS o (uid, generation, revision) VALUES ($1, $2, $3)"
        " ON CONFLICT (uid, generation) DO UPDATE SET revision = EXCLUDED.revision,"
        " started_at = now(), ready_at = NULL, outcome = '', reason = '', failure = NULL"
        " WHERE o.revision <> EXCLUDED.revision OR o.outcome <> ''",
        uid,
        step.generation,
        step.revision,
    )


async def _end_rollout(session: Session, uid: str, row: Any, step: EndRollout) -> None:
    """What fails right after it was ready never was, if another generation was."""
    await session.execute(
        "INSERT INTO skyctl.rollouts AS o (uid, generation, outcome, reason, ready_at, was_ready,"
        " ready_restarted_at, failure)"
        " VALUES ($1, $2, $3, $4, CASE WHEN $3 = 'ready' THEN now() END, $3 = 'ready',"
        " CASE WHEN $3 = 'ready' THEN $5::text END, $6)"
        " ON CONFLICT (uid, generation) DO UPDATE SET outcome = EXCLUDED.outcome,"
        " reason = EXCLUDED.reason, ready_at = coalesce(EXCLUDED.ready_at, o.ready_at),"
        " was_ready = EXCLUDED.was_ready OR (o.was_ready AND NOT"
        " (o.outcome = 'ready' AND EXCLUDED.outcome = 'failed' AND EXISTS (SELECT FROM"
        " skyctl.rollouts WHERE uid = $1 AND was_ready AND generation <> $2))),"
        " ready_restarted_at = CASE WHEN EXCLUDED.was_ready THEN EXCLUDED.ready_restarted_at"
        " ELSE o.ready_restarted_at END,"
        " failure = coalesce(EXCLUDED.failure, o.failure)",
        uid,
        step.generation,
        step.outcome,
        printable(step.reason),
        printable(step.restarted_at),
        None if step.failure is None else storable(step.failure),
    )


async def _record_pre_deploy(session: Session, uid: str, row: Any, step: RecordPreDeploy) -> None:
    await session.execute(
        "INSERT INTO skyctl.pre_deploys (uid, generation, result) VALUES ($1, $2, $3)"
        " ON CONFLICT (uid, generation) DO UPDATE SET result = EXCLUDED.result, at = now()",
        uid,
        step.generation,
        printable(step.result),
    )


async def _reserve_subnet(session: Session, uid: str, row: Any, step: ReserveSubnet) -> None:
    await session.execute(
        "INSERT INTO skyctl.subnets (uid, subnet) VALUES ($1, $2)"
        " ON CONFLICT (uid) DO UPDATE SET subnet = EXCLUDED.subnet, at = now()"
        " WHERE subnets.subnet <> EXCLUDED.subnet",
        uid,
        step.subnet,
    )


async def _record_volume(session: Session, uid: str, row: Any, step: RecordVolume) -> None:
    await session.execute(
        "INSERT INTO skyctl.volume_records (uid, engine_name) VALUES ($1, $2)"
        " ON CONFLICT (uid) DO UPDATE SET engine_name = EXCLUDED.engine_name",
        uid,
        step.engine_name,
    )


async def _retain_volume(session: Session, uid: str, row: Any, step: RetainVolume) -> None:
    """The row goes in the same moment."""
    await session.execute(
        "INSERT INTO skyctl.retained_volumes"
        " (uid, engine_name, organization, name, label_uid, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))",
        uid,
        step.engine_name,
        row["organization"],
        row["name"],
        "" if step.label_uid == uid else step.label_uid,
        step.seconds,
    )
    await _remove(session, uid, row)


async def _adopt_volume(session: Session, uid: str, row: Any, step: AdoptVolume) -> None:
    """Not past its window: its removal may be under way. By the time that it is now, not when we
    began: we may have waited for the row."""
    taken = await session.execute(
        "DELETE FROM skyctl.retained_volumes WHERE uid = $1 AND engine_name = $2"
        " AND organization = $3 AND (expires_at IS NULL OR expires_at > clock_timestamp())",
        step.retained_uid,
        step.engine_name,
        row["organization"],
    )
    if taken == "DELETE 0":
        raise conflict(
            f"organization {row['organization']} retains no volume {step.retained_uid} (any more)"
        )
    await session.execute(
        "INSERT INTO skyctl.volume_records (uid, engine_name, label_uid) VALUES ($1, $2, $3)"
        " ON CONFLICT (uid) DO UPDATE"
        " SET engine_name = EXCLUDED.engine_name, label_uid = EXCLUDED.label_uid",
        uid,
        step.engine_name,
        step.label_uid or step.retained_uid,
    )


async def _request_deletion(session: Session, uid: str, row: Any, step: RequestDeletion) -> None:
    """What is protected stays until it no longer is."""
    await session.execute(
        "UPDATE skyctl.resource_rows SET deletion_requested_at = now()"
        " WHERE organization = $1 AND deletion_requested_at IS NULL"
        " AND NOT skyctl.is_protected(annotations)",
        step.organization,
    )


async def _finalize(session: Session, uid: str, row: Any, step: Finalize) -> None:
    await _remove(session, uid, row)


async def _remove(session: Session, uid: str, row: Any) -> None:
    if row["deletion_requested_at"] is None:
        raise conflict(f"{row['kind']}/{row['name']} is not being deleted")
    if row["kind"] == "Organization" and await session.fetchval(
        "SELECT count(*) FROM skyctl.resource_rows WHERE organization = $1", row["name"]
    ):
        raise conflict(f"Organization/{row['name']} still has resources")
    await session.execute("DELETE FROM skyctl.resource_rows WHERE uid = $1", uid)


_STEPS: Mapping[type[StoreStep], Callable[[Session, str, Any, Any], Awaitable[None]]] = {
    Accept: _accept,
    BeginRollout: _begin_rollout,
    EndRollout: _end_rollout,
    RecordPreDeploy: _record_pre_deploy,
    ReserveSubnet: _reserve_subnet,
    RecordVolume: _record_volume,
    RetainVolume: _retain_volume,
    AdoptVolume: _adopt_volume,
    RequestDeletion: _request_deletion,
    Finalize: _finalize,
    Claim: admitting.claim,
    Hold: admitting.held,
    Settle: admitting.settled,
    ClaimHostname: claiming.claim,
    ReleaseHostnames: claiming.release,
}
