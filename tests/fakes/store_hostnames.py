"""Hostnames of the fake: as ``controller/store/postgres/claiming`` decides, on the shared state."""

from __future__ import annotations

from dataclasses import replace

from resources.hostname_claims import Claimant, ClaimHostname, ReleaseHostnames, decide, holder
from resources.meta import FINALIZER, Entry, HostnameClaim
from tests.fakes.store_database import FakeDatabase


def claim(database: FakeDatabase, entry: Entry, step: ClaimHostname) -> None:
    key, uid = entry.key, entry.resource.uid
    claims = database.hostnames.setdefault((step.hostname, uid), {})
    now = database.now()
    mine = claims.setdefault(step.path, Claimant(uid, key.organization, key.name, step.path, now))
    free = holder(_claimants(database, step.hostname)) in (None, key.organization)
    verified = (mine.verified_at or now) if step.verified and free else None
    claims[step.path] = replace(mine, verified_at=verified)
    finalizers = tuple(dict.fromkeys((*entry.resource.finalizers, FINALIZER)))
    database.put(replace(entry, resource=replace(entry.resource, finalizers=finalizers)))
    _decide(database, step.hostname, uid)


def release(database: FakeDatabase, entry: Entry, step: ReleaseHostnames) -> None:
    uid = entry.resource.uid
    for hostname in sorted(name for name, owner in database.hostnames if owner == uid):
        claims = database.hostnames[hostname, uid]
        for path in [path for path in claims if (hostname, path) != step.keep]:
            del claims[path]
        if not claims:
            del database.hostnames[hostname, uid]
        _decide(database, hostname, uid)


def _claimants(database: FakeDatabase, hostname: str) -> list[Claimant]:
    return [
        claim
        for (name, _), claims in database.hostnames.items()
        if name == hostname
        for claim in claims.values()
    ]


def _decide(database: FakeDatabase, hostname: str, asker: str) -> None:
    outcome = decide(_claimants(database, hostname))
    for uid in dict.fromkeys((asker, *(uid for uid, _ in outcome))):
        entry = database.by_uid(uid)
        assert entry is not None
        kept = [c for c in entry.record.hostnames if c.hostname != hostname]
        for path, claimed in database.hostnames.get((hostname, uid), {}).items():
            conflict = outcome[uid, path]
            proven = claimed.verified_at is not None
            kept.append(HostnameClaim(hostname, path, proven, conflict))
        claims = tuple(sorted(kept, key=lambda c: (c.hostname, c.path)))
        if claims != entry.record.hostnames:
            database.put(replace(entry, record=replace(entry.record, hostnames=claims)))
            if uid != asker:
                database.notify(entry.key)
