"""From what lies on the shelf and what each proxy shows to what is served for one owner. Pure.

Names belong to whose document defines them. A document that was withdrawn is still served for a
moment, and a controller that starts then finds it only at the proxies: what they show is its
owner's by the eight digits of the uid that every name of ours carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.ingress.base import Marker, Shelved, Sight
from controller.ingress.leaf import OWN
from resources.routing.world import OUTDATED, Serving

REMEMBERED = timedelta(hours=1)
"""For how long it is known when a server left."""
SETTLING = timedelta(seconds=1)
"""How long after a server left its connections are counted: a request that was already under way
to it may only now connect."""
_TOKEN = re.compile(r"[-_]([0-9a-f]{8})(?=[-_]|$)")


@dataclass(frozen=True, slots=True)
class Names:
    routers: frozenset[str] = frozenset()
    backends: frozenset[str] = frozenset()


def owned(shelf: Mapping[str, Shelved], sights: Sequence[Sight]) -> dict[str, Names]:
    """By the owner's uid: everyone who has something on the shelf or at a proxy."""
    routers = {uid: set(one.routers) for uid, one in shelf.items()}
    backends = {uid: set(one.backends) for uid, one in shelf.items()}
    known_routers = {name for names in routers.values() for name in names}
    known_backends = {name for names in backends.values() for name in names}
    for sight in sights:
        by_token = _tokens(sight.documents)
        for uid in by_token.values():
            routers.setdefault(uid, set())
        for name in sight.routers.keys() - known_routers:
            for uid in _claimants(name, by_token):
                routers.setdefault(uid, set()).add(name)
        for name in sight.backends.keys() - known_backends:
            for uid in _claimants(name, by_token):
                backends.setdefault(uid, set()).add(name)
    return {
        uid: Names(frozenset(names), frozenset(backends.get(uid, ())))
        for uid, names in routers.items()
    }


def _tokens(documents: Mapping[str, Marker]) -> dict[str, str]:
    return {marker.uid[:8]: marker.uid for name, marker in documents.items() if name != OWN}


def _claimants(name: str, by_token: Mapping[str, str]) -> Iterable[str]:
    found = _TOKEN.findall(name)
    return [by_token[token] for token in found[-1:] if token in by_token]


def serving(
    uid: str,
    names: Names,
    shelved: Shelved | None,
    sights: Sequence[Sight],
    before: Serving | None,
    now: datetime,
    told: frozenset[str] = frozenset(),
) -> Serving:
    """before: what was served when it was last looked at; ``open`` is carried over from it. told:
    servers that were published and replaced since, which nobody may have seen served."""
    everywhere, anywhere = {}, {}
    for name in names.backends:
        servers = [sight.backends.get(name) for sight in sights]
        present = [found for found in servers if found is not None]
        if present:
            anywhere[name] = frozenset().union(*present)
            everywhere[name] = frozenset.intersection(*(found or frozenset() for found in servers))
    urls = frozenset().union(*anywhere.values())
    current = shelved is None or all(is_served(shelved, sight) for sight in sights)
    published = shelved.published.servers if shelved is not None else frozenset()
    left = _left(before, urls, (told - published) if current else frozenset(), now)
    return Serving(
        uid=uid,
        since=before.since if before is not None else now,
        routers=_routers(names, shelved, sights),
        everywhere=everywhere,
        anywhere=anywhere,
        left=left,
        open={
            url: n
            for url, n in (before.open if before else {}).items()
            if before is not None and left.get(url) == before.left.get(url, now)
        },
        used=_used(names, sights),
        current=current,
        removed=shelved is None and before is not None and before.removed,
    )


def _used(names: Names, sights: Sequence[Sight]) -> frozenset[str]:
    """Of its backends, those to which somebody else's router leads."""
    return frozenset(
        backend
        for sight in sights
        for router, backend in sight.uses.items()
        if backend in names.backends and router not in names.routers
    )


def _routers(names: Names, shelved: Shelved | None, sights: Sequence[Sight]) -> dict[str, str]:
    found = {}
    for name in names.routers:
        if sights and all(name in sight.routers for sight in sights):
            faults = (sight.routers[name] or _outdated(shelved, sight) for sight in sights)
            found[name] = next(filter(None, faults), "")
    return found


def _outdated(shelved: Shelved | None, sight: Sight) -> str:
    return "" if shelved is None or is_served(shelved, sight) else OUTDATED


def is_served(shelved: Shelved, sight: Sight) -> bool:
    """This very version of the document."""
    return sight.documents.get(shelved.published.name) == shelved.marker


def _left(
    before: Serving | None, urls: frozenset[str], told: frozenset[str], now: datetime
) -> dict[str, datetime]:
    if before is None:
        return dict.fromkeys(sorted(told - urls), now)
    earlier = told.union(*before.anywhere.values())
    kept = before.left.items()
    left = {url: at for url, at in kept if url not in urls | told and now - at < REMEMBERED}
    return left | {url: now for url in sorted(earlier - urls) if url not in left}


def draining(one: Serving, now: datetime, limit: timedelta = REMEMBERED) -> frozenset[str]:
    """Servers that left, and may have requests under way. limit: after that nobody waits for them
    any more; whoever is connected to such an address may be another one's visitor."""
    return frozenset(
        url for url, at in one.left.items() if one.open.get(url) != 0 and now - at < limit
    )


def settled(one: Serving, now: datetime) -> frozenset[str]:
    """Servers that left so long ago that nobody connects to them any more."""
    return frozenset(url for url, at in one.left.items() if now - at >= SETTLING)


def counted(
    one: Serving, open_: Mapping[str, int], now: datetime, limit: timedelta = REMEMBERED
) -> Serving:
    """With what is known of open connections to servers that left."""
    known = dict(one.open)
    for url in draining(one, now, limit):
        if url in open_:
            known[url] = open_[url]
    return one if known == one.open else replace(one, open=known)
