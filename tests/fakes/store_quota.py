"""Quotas of the fake: as ``controller/store/postgres/admitting`` decides, on the shared state."""

from __future__ import annotations

from dataclasses import replace

from controller.store.postgres.recording import conflict
from resources.meta import Entry, Key
from resources.quota import Admission, Asking, Request, Terms, settle, total, union
from resources.share import in_force
from resources.store_steps import Claim, Hold, Settle
from tests.fakes.store_database import FakeDatabase

NOTHING = Admission(0)


def check(database: FakeDatabase, terms: Terms) -> None:
    organization = database.entries.get(Key("Organization", "", terms.organization))
    if organization is None or organization.resource.generation != terms.generation:
        raise conflict(f"Organization/{terms.organization} has changed meanwhile")


def claim(database: FakeDatabase, entry: Entry, step: Claim) -> None:
    check(database, step.terms)
    for member in members(database, step.terms.organization):
        record = member.record
        uncounted = record.accepted_generation is not None and record.admission is None
        if uncounted and not member.resource.deleting and member.key.kind in ("Service", "Volume"):
            name = step.terms.organization
            raise conflict(f"others in organization {name} are to be counted first")
    since = database.revisions[entry.resource.uid][step.generation].at
    request = Request(step.generation, dict(step.claims), since)
    before = entry.record.admission or NOTHING
    put(database, entry, replace(before, waiting=request))
    _decide(database, step.terms, entry.resource.uid)


def hold(database: FakeDatabase, entry: Entry, step: Hold) -> None:
    before = entry.record.admission or NOTHING
    put(database, entry, Admission(step.generation, dict(step.claims), before.waiting))


def settled(database: FakeDatabase, entry: Entry, step: Settle) -> None:
    check(database, step.terms)
    _decide(database, step.terms, entry.resource.uid)


def _decide(database: FakeDatabase, terms: Terms, asker: str) -> None:
    found = {m.resource.uid: m for m in members(database, terms.organization)}
    held = {u: m.record.admission for u, m in found.items() if m.record.admission is not None}
    waiting = {u: a.waiting for u, m in found.items() if (a := in_force(m)) and a.waiting}
    asking = [Asking(uid, held[uid].claims, request) for uid, request in waiting.items()]
    used = total(admission.claims for admission in held.values())
    for uid, lacking in settle(terms.limits, used, asking).items():
        before, request = held[uid], waiting[uid]
        if lacking and lacking == request.lacking:
            continue
        after = replace(before, waiting=replace(request, lacking=lacking))
        if not lacking:
            claims = union(before.claims, request.claims)
            after = Admission(request.generation, claims)
        put(database, found[uid], after)
        if uid != asker:
            database.notify(found[uid].key)


def members(database: FakeDatabase, organization: str) -> list[Entry]:
    return [database.entries[key] for key in database.members.get(organization, ())]


def put(database: FakeDatabase, entry: Entry, admission: Admission) -> None:
    database.put(replace(entry, record=replace(entry.record, admission=admission)))
