"""Keeps in the live world what is published and what the proxies serve.

The shelf is read back every second, and at once after a write of ours. Proxies are asked for
everything every two seconds; while a version waits to be served they are asked for its marker
alone, often, and for everything when it has come. All of it is bounded by what it costs: a look
that takes long is taken more rarely.

A failed look changes nothing that is known; ``problem`` says that it may be old.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from controller.clock import Clock
from controller.ingress.base import Changed, Proxies, Publisher, Shelved, Sight
from controller.ingress.connections import Emptied
from controller.ingress.leaf import OWN
from controller.ingress.served import (
    REMEMBERED,
    SETTLING,
    Names,
    counted,
    draining,
    is_served,
    owned,
    serving,
    settled,
)
from controller.metrics import METRICS
from controller.store.base import Deposed
from resources.errors import UserError
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.world import World

log = structlog.get_logger("ingress")

FAST, SHELF, EMPTY, IDLE, RETRY = 0.08, 1.0, 5.0, 2.0, 0.5
"""Seconds between: two questions for what is awaited, two readings of the shelf, and of an empty
one, two looks, two looks that fail."""
HASTE = 30.0
"""Seconds for which a version is awaited eagerly."""
SHARE, EAGER_SHARE = 20.0, 4.0
"""What was looked at or read is not before this many times its own duration has passed; the second:
a look, while much is awaited."""
LONGEST = 10.0
EAGER = 8
"""Documents asked for one by one; with more of them everything is looked at."""
SILENT, IGNORED = 10.0, 20.0
"""Seconds without an answer from the proxies, and for which they do not serve what is published,
after which they will not do so by themselves."""
LIMIT = REMEMBERED.total_seconds()
NOT_YET = "the proxies have not been asked yet"

_Version = tuple[str, str]
"""Name of a document and the digest that is to be served; '': it shall be gone."""


class Mirror:
    """world: the live one. changed: told the uid whose part of it changed. troubled: told when
    ``problem`` changes. epoch: of our leadership, None while we do not lead. drain: seconds that
    the owner waits for a server that left, until its requests have ended."""

    def __init__(
        self,
        publisher: Publisher,
        proxies: Proxies,
        world: Callable[[], World],
        clock: Clock,
        changed: Changed,
        troubled: Callable[[], None] = lambda: None,
        epoch: Callable[[], int | None] = lambda: 0,
        drain: Callable[[str], float] = lambda _uid: LIMIT,
    ) -> None:
        self._publisher = publisher
        self._proxies = proxies
        self._world = world
        self._clock = clock
        self._changed = changed
        self._troubled = troubled
        self._epoch = epoch
        self._drain = drain
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._shelf: Mapping[str, Shelved] = {}
        self._sights: Sequence[Sight] = ()
        self._seen_with: Mapping[str, Shelved] | None = None
        self._told: dict[str, frozenset[str]] = {}
        """By uid: servers that were published, and replaced since the last look."""
        self._awaited: dict[_Version, float] = {}
        self._shelf_due = 0.0
        self._looked, self._took = float("-inf"), 0.0
        self._drains = False
        self._emptied = Emptied()
        self._began = float("inf")
        self._silent_since = float("inf")
        self.problem = NOT_YET
        self.unread = True
        """Nothing is known yet of what is published."""

    # -- what is published
    @property
    def shelf(self) -> Mapping[str, Shelved]:
        """By the owner's uid, as last read or written. Another object when anything changed."""
        return self._shelf

    async def publish(self, step: PublishRoutes) -> None:
        """Raises UserError, Deposed."""
        async with self._turn():
            shelved = await self._publisher.publish(step)
            self._place({**self._shelf, shelved.published.uid: shelved})

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """Raises UserError, Deposed."""
        async with self._turn():
            await self._publisher.withdraw(step)
            shelf = {uid: one for uid, one in self._shelf.items() if uid != step.uid}
            self._place(shelf, withdrawn=step.uid)

    async def prepare(self) -> None:
        with contextlib.suppress(UserError):
            await self.read_shelf()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Alone, and in the term in which it was asked for."""
        epoch = self._epoch()
        async with self._lock:
            if epoch is None or self._epoch() != epoch:
                raise Deposed("not the leader any more")
            yield

    async def read_shelf(self) -> None:
        """Raises UserError."""
        async with self._lock:
            began = self._clock.monotonic()
            found = await self._publisher.shelf()
            first, self.unread = self.unread, False
            self._place(found if found != self._shelf else self._shelf)
            if first:
                self._troubled()
            now = self._clock.monotonic()
            often = SHELF if found else EMPTY
            self._shelf_due = now + min(LONGEST, max(often, SHARE * (now - began)))

    def _place(self, shelf: Mapping[str, Shelved], withdrawn: str = "") -> None:
        """withdrawn: what we took away ourselves; whatever else is gone was removed."""
        known, serving = self._world().published, self._world().serving
        touched = [uid for uid, one in shelf.items() if known.get(uid) != one.published]
        gone = known.keys() - shelf.keys()
        self._shelf = shelf
        for uid in (*touched, *gone):
            if uid in known:
                self._told[uid] = self._told.get(uid, frozenset()) | known[uid].servers
        for uid in touched:
            known[uid] = shelf[uid].published
        for uid in gone:
            del known[uid]
            if uid in serving and uid != withdrawn:
                serving[uid] = replace(serving[uid], removed=True)
        METRICS.ingress.documents.set(len(shelf))
        if touched or gone:
            if self._sights:
                self._seen(shelf, self._sights, {})
                self._seen_with = None  # what was loaded in between, the next look finds out
            self._news.set()
        for uid in (*touched, *gone):
            self._changed(uid)

    # -- what is served
    async def run(self) -> None:
        """For ever."""
        self._began = self._silent_since = self._clock.monotonic()
        while True:
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._news.wait()
            self._news.clear()

    async def turn(self) -> None:
        """Whatever is due."""
        try:
            if self._clock.monotonic() >= self._shelf_due:
                await self.read_shelf()
            if self._clock.monotonic() >= self._look_due() or await self._arrived():
                await self.look()
        except UserError as error:
            self._looked = self._clock.monotonic()
            self._trouble(error.message)
        await self._count()

    def hurry(self) -> None:
        """Something happened to a proxy."""
        self._looked = float("-inf")
        self._news.set()

    async def look(self) -> None:
        """At everything. Raises UserError."""
        began, told = self._clock.monotonic(), dict(self._told)
        sights = await self._proxies.look()
        shelf = self._shelf
        self._looked = self._clock.monotonic()
        self._took = self._looked - began
        METRICS.ingress.look.observe(self._took)
        if shelf is not self._seen_with or [*map(id, sights)] != [*map(id, self._sights)]:
            self._seen(shelf, sights, told)
        self._trouble("")

    def _look_due(self) -> float:
        if self.problem:
            return self._looked + RETRY
        if len(self._eager()) > EAGER:
            return self._looked + max(4 * FAST, EAGER_SHARE * self._took)
        return self._looked + min(LONGEST, max(IDLE, SHARE * self._took))

    def _seen(
        self,
        shelf: Mapping[str, Shelved],
        sights: Sequence[Sight],
        told: Mapping[str, frozenset[str]],
    ) -> None:
        """told: what it was when the look began; what came later is the next look's."""
        self._sights, self._seen_with = sights, shelf
        known, now = self._world().serving, self._clock.now()
        owners = owned(shelf, sights)
        for uid in owners.keys() | known.keys():
            before, names = known.get(uid), owners.get(uid)
            earlier = told.get(uid, frozenset())
            after = serving(uid, names or Names(), shelf.get(uid), sights, before, now, earlier)
            if after.current and self._told.get(uid) == earlier:
                self._told.pop(uid, None)
            if names is None and not after.left:
                del known[uid]
            elif after != before:
                known[uid] = after
            else:
                continue
            self._changed(uid)
        self._await()

    def _await(self) -> None:
        """What is published and not served, or served and published no more."""
        now = self._clock.monotonic()
        versions: set[_Version] = {
            (one.published.name, one.published.digest)
            for one in self._shelf.values()
            if one.published.digest and not all(is_served(one, sight) for sight in self._sights)
        }
        shelved = {one.published.name for one in self._shelf.values()}
        for sight in self._sights:
            strays = (name for name in sight.documents if name not in shelved and name != OWN)
            versions.update((name, "") for name in strays)
        for come in self._awaited.keys() - versions:
            METRICS.ingress.acknowledge.observe(now - self._awaited.pop(come))
        for version in versions - self._awaited.keys():
            self._awaited[version] = now

    def _eager(self) -> list[_Version]:
        now = self._clock.monotonic()
        return [version for version, since in self._awaited.items() if now - since < HASTE]

    async def _arrived(self) -> bool:
        """Has anything that is awaited come? Raises UserError."""
        eager = self._eager()
        if len(eager) > EAGER:
            return False
        owners = {one.published.name: uid for uid, one in self._shelf.items()}
        for name, digest in eager:
            marker = self._shelf[owners[name]].marker if digest and name in owners else None
            if await self._proxies.serve(name, marker):
                return True
        return False

    async def _count(self) -> None:
        """Connections to servers that left."""
        known, now = self._world().serving, self._clock.now()
        limits = {
            uid: timedelta(seconds=min(LIMIT, self._drain(uid))) + SETTLING
            for uid, one in known.items()
            if one.left
        }
        leaving = {
            uid: urls for uid, limit in limits.items() if (urls := draining(known[uid], now, limit))
        }
        self._drains = False
        if not leaving:
            return
        wanted: frozenset[str] = frozenset().union(*leaving.values())
        found = await self._proxies.open_connections(wanted)
        self._drains = bool(found)
        ripe = set().union(*(settled(one, now) for one in known.values() if one.left))
        sure = self._emptied.sure({url: n for url, n in found.items() if url in ripe})
        for uid in leaving.keys() & known.keys():
            before = known[uid]
            after = counted(before, sure, now, limits[uid])
            if after is not before:
                known[uid] = after
                self._changed(uid)

    def _pause(self) -> float:
        if self._drains or self._eager():
            return FAST
        due = min(self._shelf_due, self._look_due())
        return max(FAST, due - self._clock.monotonic())

    def _trouble(self, problem: str) -> None:
        if problem == self.problem:
            return
        if not problem:
            self._silent_since = float("inf")
        elif not self.problem:
            self._silent_since = self._clock.monotonic()
        self.problem = problem
        METRICS.ingress.up.set(not problem)
        if problem:
            log.warning("proxies", problem=problem)
        else:
            log.info("proxies answer", documents=len(self._shelf))
        self._troubled()

    @property
    def settled(self) -> bool:
        """Nothing is about to change by itself, or not any more."""
        tried = self._clock.monotonic() - self._began
        return not self._eager() and (not self.problem or tried > HASTE)

    @property
    def informed(self) -> bool:
        """It is known what is published, and what is served, or nobody will tell it soon."""
        tried = self._clock.monotonic() - self._began
        return not self.unread and (not self.problem or tried > HASTE)

    @property
    def deaf(self) -> bool:
        """Do the proxies no longer hear what is published?"""
        now = self._clock.monotonic()
        oldest = min(self._awaited.values(), default=now)
        return now - self._silent_since > SILENT or now - oldest > IGNORED

    def rest(self) -> None:
        """Nobody asks the proxies any more: what is known may be old, and another controller may
        publish and start proxies before the next time."""
        self.problem, self._silent_since = NOT_YET, float("inf")
        self.unread = True
        self._began = float("inf")
        self._shelf_due, self._looked, self._took = 0.0, float("-inf"), 0.0
        self._sights, self._seen_with, self._drains = (), None, False
        self._awaited.clear()
        self._told.clear()
        METRICS.ingress.up.set(0)
