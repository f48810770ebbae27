"""Quotas in the database: one decision at a time for each organization.

A transaction that decides holds the organization's lock from before it reads what is used until
it commits, so two can never both take the last share. The organization's row is not locked: a
user's open transaction must not hold up everybody else's services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from controller.store.postgres.connection import Session
from resources.errors import UserError
from resources.quota import Asking, Claims, Request, Shortfall, Terms, settle, union
from resources.store_steps import Claim, Hold, Settle

UNCOUNTED = """
SELECT EXISTS (
  SELECT FROM skyctl.resource_rows AS r
  WHERE r.organization = $1 AND r.kind IN ('Service', 'Volume')
    AND r.deletion_requested_at IS NULL
    AND NOT EXISTS (SELECT FROM skyctl.admissions WHERE uid = r.uid)
    AND EXISTS (SELECT FROM skyctl.revisions WHERE uid = r.uid AND accepted))
"""
USED = """
SELECT c.key, sum(c.value::numeric)::bigint AS amount
FROM skyctl.admissions AS d, jsonb_each_text(d.claims) AS c
WHERE d.organization = $1 GROUP BY c.key
"""
WAITING = """
SELECT d.uid, d.claims, d.wanted, d.wanted_generation, d.since, d.lacking,
       r.kind, r.organization, r.name
FROM skyctl.admissions AS d JOIN skyctl.resource_rows AS r ON r.uid = d.uid
WHERE d.organization = $1 AND d.wanted IS NOT NULL AND d.wanted_generation = r.generation
  AND r.deletion_requested_at IS NULL
"""


async def hold(
    session: Session, uid: str, organization: str, generation: int, what: Claims
) -> None:
    """A request that waits goes on waiting."""
    await session.execute(
        "INSERT INTO skyctl.admissions AS a (uid, organization, generation, claims)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (uid) DO UPDATE"
        " SET generation = EXCLUDED.generation, claims = EXCLUDED.claims, at = now()"
        " WHERE (a.generation, a.claims) IS DISTINCT FROM (EXCLUDED.generation, EXCLUDED.claims)",
        uid,
        organization,
        generation,
        dict(what),
    )


async def lock(session: Session, terms: Terms) -> None:
    await session.execute("SELECT skyctl.lock_quota($1, $2)", terms.organization, terms.generation)


async def claim(session: Session, uid: str, row: Any, step: Claim) -> None:
    await lock(session, step.terms)
    if await session.fetchval(UNCOUNTED, step.terms.organization):
        raise UserError(
            "RESOURCE_CONFLICT",
            f"others in organization {step.terms.organization} are to be counted first",
            retryable=True,
        )
    await session.execute(
        "INSERT INTO skyctl.admissions AS a"
        " (uid, organization, generation, wanted, wanted_generation, since)"
        " SELECT $1, $2, 0, $4, $3, at FROM skyctl.revisions WHERE uid = $1 AND generation = $3"
        " ON CONFLICT (uid) DO UPDATE SET wanted = EXCLUDED.wanted, since = EXCLUDED.since,"
        " wanted_generation = EXCLUDED.wanted_generation, lacking = NULL",
        uid,
        step.terms.organization,
        step.generation,
        dict(step.claims),
    )
    await _decide(session, step.terms, uid)


async def settled(session: Session, uid: str, row: Any, step: Settle) -> None:
    await lock(session, step.terms)
    await _decide(session, step.terms, uid)


async def held(session: Session, uid: str, row: Any, step: Hold) -> None:
    await hold(session, uid, row["organization"], step.generation, step.claims)


async def _decide(session: Session, terms: Terms, asker: str) -> None:
    """Others that are concerned are told."""
    used = {r["key"]: r["amount"] for r in await session.fetch(USED, terms.organization)}
    waiting = {r["uid"]: r for r in await session.fetch(WAITING, terms.organization)}
    outcome = settle(terms.limits, used, map(_asking, waiting.values()))
    for uid, lacking in outcome.items():
        row = waiting[uid]
        if lacking:
            if row["lacking"] == [list(astuple(each)) for each in lacking]:
                continue
            await _keep_waiting(session, uid, lacking)
        else:
            await _grant(session, uid, row)
        if uid != asker:
            key = f"{row['kind']}/{row['organization']}/{row['name']}"
            await session.execute("SELECT pg_notify('skyctl_resources', $1)", key)


def _asking(row: Mapping[str, Any]) -> Asking:
    request = Request(row["wanted_generation"], row["wanted"], row["since"])
    return Asking(row["uid"], row["claims"], request)


async def _grant(session: Session, uid: str, row: Mapping[str, Any]) -> None:
    await session.execute(
        "UPDATE skyctl.admissions SET claims = $2, generation = wanted_generation, at = now(),"
        " wanted = NULL, wanted_generation = NULL, since = NULL, lacking = NULL WHERE uid = $1",
        uid,
        union(row["claims"], row["wanted"]),
    )


async def _keep_waiting(session: Session, uid: str, lacking: tuple[Shortfall, ...]) -> None:
    await session.execute(
        "UPDATE skyctl.admissions SET lacking = $2 WHERE uid = $1",
        uid,
        [list(astuple(each)) for each in lacking],
    )
