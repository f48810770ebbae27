"""The state behind ``FakeStore``: what PostgreSQL holds and decides, in memory.

Several FakeStores (controllers) share one FakeDatabase. Everything is deterministic: the clock
and the seed of the ids are arguments. Entries are immutable; one that did not change keeps its
identity.
"""

from __future__ import annotations

import asyncio
import bisect
import ipaddress
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.store.base import Event, Held, Pulled, Revision
from controller.store.unread import Unread
from resources.context import Retained
from resources.hostname_claims import Claimant
from resources.image_access import ImageAccess
from resources.meta import Entry, Key, Rollout
from resources.sealed import SealingKey

TICK = timedelta(microseconds=1)
Deliver = Callable[[Key], Iterable[tuple[float, Key]]]


def at_once(key: Key) -> Iterable[tuple[float, Key]]:
    """The default delivery: once, without delay."""
    return ((0.0, key),)


@dataclass
class Sign:
    """One row of ``controllers``."""

    version: str
    leader: bool
    epoch: int
    at: datetime
    engine_state: str
    engine_version: str


@dataclass
class Subnets:
    """Reserved networks: disjoint, so sorted by start they can only overlap their neighbours."""

    by_uid: dict[str, ipaddress.IPv4Network] = field(default_factory=dict)
    _starts: list[tuple[int, int, str]] = field(default_factory=list)

    def overlaps(self, network: ipaddress.IPv4Network, but: str) -> bool:
        first, last = int(network.network_address), int(network.broadcast_address)
        place = bisect.bisect_left(self._starts, (first, 0, ""))
        around = self._starts[max(0, place - 2) : place + 3]
        return any(s <= last and e >= first and uid != but for s, e, uid in around)

    def put(self, uid: str, network: ipaddress.IPv4Network) -> None:
        self.drop(uid)
        self.by_uid[uid] = network
        span = (int(network.network_address), int(network.broadcast_address), uid)
        bisect.insort(self._starts, span)

    def drop(self, uid: str) -> None:
        network = self.by_uid.pop(uid, None)
        if network is not None:
            self._starts.remove((int(network.network_address), int(network.broadcast_address), uid))


class FakeDatabase:
    """available: False makes every operation of every client fail. deliver: what becomes of a
    notification (drop: nothing, duplicate: several, delay and reorder: seconds)."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seed: int = 0,
        deliver: Deliver = at_once,
        leader_timeout: float = 5.0,
        leader_beat: float = 1.0,
    ) -> None:
        self.now = now
        self.deliver = deliver
        self.available = True
        self.leader_timeout = leader_timeout
        self.leader_beat = leader_beat
        self._random = random.Random(seed)
        self.entries: dict[Key, Entry] = {}
        self.keys: dict[str, Key] = {}
        self.members: dict[str, dict[Key, None]] = {}
        self.revisions: dict[str, dict[int, Revision]] = {}
        self.rollouts: dict[str, dict[int, Rollout]] = {}
        self.was_ready: dict[str, dict[int, str]] = {}
        self.retained: dict[str, tuple[Retained, Key]] = {}
        self.subnets = Subnets()
        self.hostnames: dict[tuple[str, str], dict[str, Claimant]] = {}
        """By hostname and uid, then by path."""
        self.events: dict[tuple[Any, ...], Event] = {}
        self.held: dict[str, Held] = {}
        self.pulled: dict[Pulled, None] = {}
        self.allowed: set[tuple[Pulled, str]] = set()
        self.access = ImageAccess()
        self.controllers: dict[str, Sign] = {}
        self.instance = self.new_uid()
        self.engine_id: str | None = None
        self.inbox: dict[str, tuple[Key, str, str]] = {}
        self.sealing_keys: dict[str, SealingKey] = {}
        self.sealing_key_id: str | None = None
        self.epoch = 0
        self.lock: Any = None
        self.status_writes = 0
        self._listeners: list[Unread] = []

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def after(self, earlier: datetime | None) -> datetime:
        """Now, but later than that: updated_at never goes back."""
        now = self.now()
        return now if earlier is None else max(now, earlier + TICK)

    # -- rows

    def put(self, entry: Entry) -> None:
        key = entry.key
        self.entries[key] = entry
        self.keys[entry.resource.uid] = key
        if key.organization:
            self.members.setdefault(key.organization, {})[key] = None

    def drop(self, entry: Entry) -> None:
        """The row and what belongs to it; events and retained volumes stay."""
        key, uid = entry.key, entry.resource.uid
        del self.entries[key], self.keys[uid]
        if key.organization:
            members = self.members[key.organization]
            members.pop(key)
            if not members:
                del self.members[key.organization]
        for related in (self.revisions, self.rollouts, self.was_ready):
            related.pop(uid, None)
        self.subnets.drop(uid)
        for claimed in [place for place in self.hostnames if place[1] == uid]:
            del self.hostnames[claimed]
        for ticket in [t for t, (owner, *_) in self.inbox.items() if owner == key]:
            del self.inbox[ticket]
        self.notify(key)

    def by_uid(self, uid: str) -> Entry | None:
        key = self.keys.get(uid)
        return self.entries.get(key) if key is not None else None

    def revise(self, entry: Entry, by: str | None) -> None:
        resource = entry.resource
        self.revisions.setdefault(resource.uid, {})[resource.generation] = Revision(
            resource.generation, resource.spec, self.now(), by, False
        )

    def request_deletion(self, entry: Entry, actor: str) -> None:
        resource = entry.resource
        if resource.deleting:
            return
        self.put(
            replace(
                entry,
                resource=replace(
                    resource,
                    deletion_requested_at=self.now(),
                    updated_at=self.after(resource.updated_at),
                ),
            )
        )
        self.event(
            Event(
                resource.uid,
                entry.key,
                "Normal",
                "DeletionRequested",
                f"deletion requested by {actor}",
            )
        )
        self.notify(entry.key)

    # -- events

    def event(self, event: Event, now: datetime | None = None) -> None:
        """now: of the transaction; None: it is its only write."""
        mark = (event.uid, event.key, event.type, event.reason, event.message)
        before = self.events.pop(mark, None)  # seen last comes last
        now = now or self.now()
        self.events[mark] = replace(
            event,
            at=now,
            first_at=before.first_at if before else now,
            count=before.count + 1 if before else 1,
        )

    # -- listeners

    def listen(self, unread: Unread) -> None:
        self._listeners.append(unread)

    def unlisten(self, unread: Unread) -> None:
        self._listeners.remove(unread)

    def notify(self, key: Key) -> None:
        if not self._listeners:
            return
        for delay, heard in self.deliver(key):
            if delay <= 0:
                self._tell(heard)
            else:
                asyncio.get_running_loop().call_later(delay, self._tell, heard)

    def _tell(self, key: Key) -> None:
        for unread in self._listeners:
            unread.heard(key)

    def decided(self, reason: str) -> None:
        for unread in self._listeners:
            unread.missed(f"guard: {reason}")

    def break_listeners(self, failure: Exception) -> None:
        """As when the server restarts."""
        for unread in self._listeners:
            unread.fail(failure)  # type: ignore[arg-type]
