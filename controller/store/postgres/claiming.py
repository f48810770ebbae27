"""Hostnames in the database: one decision at a time for each.

A transaction that decides holds the hostname's lock from before it reads who claims it until it
commits, so two organizations can never both become its holder. No row of another resource is
locked: only claims change, and who is concerned is told.
"""

from __future__ import annotations

from typing import Any

from controller.store.postgres.connection import Session
from resources.hostname_claims import Claimant, ClaimHostname, ReleaseHostnames, decide, holder
from resources.meta import FINALIZER

_CLAIMANTS = """
SELECT c.uid, c.organization, c.path, c.at, c.verified_at, c.conflict, r.name
FROM skyctl.domain_claims AS c JOIN skyctl.resource_rows AS r ON r.uid = c.uid
WHERE c.hostname = $1
"""


async def claim(session: Session, uid: str, row: Any, step: ClaimHostname) -> None:
    """The finalizer is put on the row, so that it does not go without ``release``."""
    await _lock(session, step.hostname)
    place = (uid, step.hostname, step.path)
    await session.execute(
        "INSERT INTO skyctl.domain_claims (uid, hostname, path, organization)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *place,
        row["organization"],
    )
    await session.execute(
        "UPDATE skyctl.resource_rows SET finalizers = finalizers || $2::text"
        " WHERE uid = $1 AND NOT $2::text = ANY (finalizers)",
        uid,
        FINALIZER,
    )
    if not step.verified:
        change = "verified_at = NULL"
    elif holder(await _claimants(session, step.hostname)) in (None, row["organization"]):
        change = "verified_at = coalesce(verified_at, now())"
    else:
        change = "verified_at = NULL"
    await session.execute(
        f"UPDATE skyctl.domain_claims SET {change} WHERE uid = $1 AND hostname = $2 AND path = $3",
        *place,
    )
    await _decide(session, step.hostname, uid)


async def release(session: Session, uid: str, row: Any, step: ReleaseHostnames) -> None:
    hostname, path = step.keep or ("", "")
    found = await session.fetch(
        "SELECT DISTINCT hostname FROM skyctl.domain_claims"
        " WHERE uid = $1 AND (hostname, path) <> ($2, $3) ORDER BY hostname",
        uid,
        hostname,
        path,
    )
    for given_up in found:
        await _lock(session, given_up["hostname"])
        await session.execute(
            "DELETE FROM skyctl.domain_claims"
            " WHERE uid = $1 AND hostname = $2 AND (hostname, path) <> ($3, $4)",
            uid,
            given_up["hostname"],
            hostname,
            path,
        )
        await _decide(session, given_up["hostname"], uid)


async def _lock(session: Session, hostname: str) -> None:
    await session.execute("SELECT pg_advisory_xact_lock(7563643, hashtext($1))", hostname)


async def _claimants(session: Session, hostname: str) -> list[Claimant]:
    return [_claimant(row) for row in await session.fetch(_CLAIMANTS, hostname)]


def _claimant(row: Any) -> Claimant:
    return Claimant(
        row["uid"], row["organization"], row["name"], row["path"], row["at"], row["verified_at"]
    )


async def _decide(session: Session, hostname: str, asker: str) -> None:
    rows = await session.fetch(_CLAIMANTS, hostname)
    outcome = decide(map(_claimant, rows))
    for row in rows:
        conflict = outcome[row["uid"], row["path"]]
        if conflict == row["conflict"]:
            continue
        await session.execute(
            "UPDATE skyctl.domain_claims SET conflict = $4"
            " WHERE uid = $1 AND hostname = $2 AND path = $3",
            row["uid"],
            hostname,
            row["path"],
            conflict,
        )
        if row["uid"] != asker:
            key = f"Domain/{row['organization']}/{row['name']}"
            await session.execute("SELECT pg_notify('skyctl_resources', $1)", key)
