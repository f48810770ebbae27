"""The live index: a ``World`` kept current by the engine's events.

Theory: subscribe, then list, then inspect. Whatever happens between subscribing and listing is
noted by the reader, which does nothing else, and inspected afterwards; so nothing is missed.
Events carry no truth, they only say what to look at: an object noted any number of times is
looked at once. Every end of the stream is a gap, and after a gap everything is listed again.

Invariants:
- Own containers (those with our instance's label) are only ever held inspected. The rest is held
  for its name, networks and mounts; its state may be old.
- What a listing says about an object is dropped when the object was noted or looked at since the
  listing was asked for: a newer answer is there or under way.
- ``on_change`` is called once the index holds what it tells of, and never for what is equal.
- When the stream is lost ``synced`` turns False at once; the old world stays readable.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from controller.engine.agreement import Thing, agrees, things
from controller.engine.base import Engine, EngineEvent
from controller.engine.deaths import Deaths
from controller.engine.dirty import Dirty, Ref
from controller.engine.holdings import Holdings, OnChange, ignore
from controller.engine.images import Images
from controller.engine.round_robin import RoundRobin
from controller.engine.subscription import Beside, follow
from resources.errors import UserError
from resources.labels import is_ours
from resources.observed import Container
from resources.world import Scope, World

INSPECTORS = 16
"""Objects looked at at once. An engine answers about a container that it is just starting only when
it has started, so there are more than starts under way."""
LATER = 0.8
"""Seconds after which a container is looked at that was made: it is usually started at once, and
that is the moment to look."""
RETRY_BASE, RETRY_CAP = 0.2, 15.0
"""Seconds between two attempts to connect: up to base * 2^n, never over the cap."""
UNREACHABLE = "CONFIGURATION_ENGINE_UNREACHABLE"

FOREIGN_ACTIONS = frozenset({"create", "rename"})
STATE_ACTIONS = FOREIGN_ACTIONS | frozenset(
    {"start", "restart", "die", "oom", "stop", "pause", "unpause", "update", "health_status"}
)
"""What can change a container's inspection. A ``kill`` alone changes nothing."""
GONE_ACTIONS = frozenset({"destroy", "remove"})


class EngineIndex:
    """instance: the value of ``io.skypanel.controller`` on what is ours. on_relist: told why
    everything was listed: start, ended, error, resync."""

    def __init__(
        self,
        engine: Engine,
        *,
        instance: str,
        random_: random.Random,
        on_change: OnChange = ignore,
        on_relist: Callable[[str], None] = ignore,
    ) -> None:
        self.world = World()
        self.state = "disconnected"
        """connected | disconnected (will be tried again) | error (will not get better alone)"""
        self.last_error = ""
        self._engine = engine
        self._instance = instance
        self._random = random_
        self._on_change = on_change
        self._holdings = Holdings(self.world, on_change)
        self._on_relist = on_relist
        self._synced = asyncio.Event()
        self._dirty = Dirty()
        self._postponed: dict[Ref, asyncio.TimerHandle] = {}
        self._sessions = 0
        self._turns = RoundRobin(self._own_ids)
        self._images = Images(engine, self.world)
        self.deaths = Deaths()

    # -- for readers
    @property
    def synced(self) -> bool:
        """Subscribed, listed and inspected; what is held lags no more than events do."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def ensure_images(self, references: Iterable[str]) -> None:
        """Makes ``world.image`` tell the truth about them. Raises UserError."""
        for reference in references:
            await self._images.ensure(reference)

    def forget_images(self) -> None:
        """Any may be another by now: each reference is asked for anew before it is relied on."""
        self._images.forget()

    async def read(self, scope: Scope) -> World:
        """The engine's own answer. What it says of own containers is held as well, unless
        something newer is known or under way, so that who acted on it finds it here. Raises
        UserError."""
        session = self._sessions
        with self._holdings.asking() as newer:
            found = await self._engine.read(scope)
        if self.synced and session == self._sessions:
            self._learn(scope, found, newer)
        return found

    def _learn(self, scope: Scope, found: World, newer: set[Ref]) -> None:
        for id_, container in found.containers.items():
            ref, own = Ref("container", id_), self._own(container.labels)
            if own and container.inspected and ref not in newer:
                self._holdings.hold(ref, container)
        for uid in scope.uids | scope.containers_of:
            for held in self.world.containers_of(uid):
                ref = Ref("container", held.id)
                if held.id not in found.containers and ref not in newer:
                    self._holdings.hold(ref, None)

    async def relist(self) -> None:
        """Lists everything again; done when all of that is held. Raises UserError."""
        self._require()
        doubtful = await self._list()
        self._require()
        for ref in doubtful:
            self._dirty.add(ref, urgent=False)
        try:
            await self._dirty.settled(doubtful)
        except ConnectionResetError:
            self._require()
            raise
        self._doubt_images()
        self._on_relist("resync")

    def _doubt_images(self) -> None:
        for reference in self.world.images:
            self._dirty.add(Ref("image", reference), urgent=False)

    def look_again(self, share: float) -> list[Ref]:
        """Inspects this share of the own containers, in turn, when there is nothing more urgent:
        a list shows neither limits nor aliases. Fractions are kept for the next time. Which."""
        if not self.synced:
            return []
        refs = [Ref("container", id_) for id_ in self._turns.take(share, self.world.containers)]
        for ref in refs:
            self._dirty.add(ref, urgent=False)
        return refs

    def _own_ids(self) -> list[str]:
        return [i for i, c in self.world.containers.items() if self._own(c.labels)]

    def _require(self) -> None:
        if not self.synced:
            raise UserError(
                UNREACHABLE,
                self.last_error or "the engine is not connected",
                suggestions=["see 'skyctl doctor'"],
                retryable=True,
            )

    # -- lifetime
    async def run(self) -> None:
        """For ever. An engine that fails is tried again; anything unforeseen is raised."""
        attempt, reason, stood = 0, "start", False
        while True:
            failure = await follow(self._engine, self._note, self._beside(reason))
            stood, attempt = stood or self.synced, 0 if self.synced else attempt + 1
            self._lost(failure)
            if stood:
                reason = "error" if failure is not None else "ended"
            longest = min(RETRY_CAP, RETRY_BASE * 2 ** min(attempt, 16))
            await asyncio.sleep(self._random.uniform(longest / 4, longest))

    def _lost(self, failure: UserError | None) -> None:
        self._synced.clear()
        self._sessions += 1
        for ref in list(self._postponed):
            self._hasten(ref)
        self._dirty.abandon()
        self._images.forget()
        self.last_error = failure.message if failure else "the engine ended the event stream"
        self.state = "error" if failure is not None and not failure.retryable else "disconnected"

    def _beside(self, reason: str) -> list[Beside]:
        return [*[self._inspect] * INSPECTORS, partial(self._start, reason)]

    async def _start(self, reason: str) -> None:
        """The first listing of a session. What seems unchanged since before a gap is trusted for
        now, and looked at when there is nothing more urgent."""
        doubtful = await self._list()
        for ref in doubtful:
            self._dirty.add(ref)
        await self._dirty.settled(doubtful)
        self.state, self.last_error = "connected", ""
        self._synced.set()
        self._on_relist(reason)
        self._doubt_images()
        fresh = set(doubtful)
        for id_, container in self.world.containers.items():
            ref = Ref("container", id_)
            if self._own(container.labels) and ref not in fresh:
                self._dirty.add(ref, urgent=False)

    # -- events
    def _note(self, event: EngineEvent) -> None:
        ref = Ref(event.type, event.name if event.type == "volume" else event.id)
        if event.type == "image":
            self._images.forget()
            for reference in self._images.named(event):
                self._touch(Ref("image", reference))
        elif event.action in GONE_ACTIONS:
            self._gone(ref)
        elif event.type == "container":
            own = self._own(event.labels)
            if own:
                self.deaths.heard(event)
            if own and event.action == "create":
                self._postpone(ref)
            elif event.action in (STATE_ACTIONS if own else FOREIGN_ACTIONS):
                self._touch(ref, urgent=own)
        elif event.type == "network" and event.container:
            ref = Ref("container", event.container)
            held = self.world.containers.get(event.container)
            if ref not in self._postponed:
                self._touch(ref, urgent=held is not None and self._own(held.labels))
        elif event.action == "create":
            self._touch(ref, urgent=True)

    def _touch(self, ref: Ref, *, urgent: bool = True) -> None:
        self._hasten(ref)
        self._holdings.outdate(ref)
        self._dirty.add(ref, urgent=urgent)

    def _postpone(self, ref: Ref) -> None:
        self._holdings.outdate(ref)
        if ref not in self._postponed:
            loop = asyncio.get_running_loop()
            self._postponed[ref] = loop.call_later(LATER, self._touch, ref)

    def _gone(self, ref: Ref) -> None:
        self._hasten(ref)
        self._dirty.discard(ref)
        self._holdings.hold(ref, None)

    def _hasten(self, ref: Ref) -> None:
        """It is looked at now, or need not be any more."""
        if (timer := self._postponed.pop(ref, None)) is not None:
            timer.cancel()

    # -- looking
    async def _inspect(self) -> None:
        while True:
            ref = await self._dirty.get()
            # A look that fails ends the session, and then everything dirty is abandoned.
            await self._look(ref)
            self._dirty.done(ref)

    async def _look(self, ref: Ref) -> None:
        """An engine that cannot be reached ends the session; one that cannot answer about this
        object leaves it as it was, for the next listing."""
        self._holdings.outdate(ref)
        try:
            if ref.type != "image":
                self._holdings.hold(ref, await self._asked(ref))
            elif await self._images.look(ref.id):
                self._on_change(None, ref.id, ref.type)
        except UserError as error:
            if error.code == UNREACHABLE:
                raise
            self.last_error = error.message

    async def _asked(self, ref: Ref) -> Thing | None:
        match ref.type:
            case "container":
                return await self._engine.inspect_container(ref.id)
            case "network":
                return await self._engine.inspect_network(ref.id)
            case _:
                return await self._engine.inspect_volume(ref.id)

    # -- listing
    async def _list(self) -> list[Ref]:
        """Merges a complete listing; returns own containers that it contradicts."""
        with self._holdings.asking() as newer:
            listed = await self._engine.list()
        doubtful = []
        for ref, thing in things(listed):
            if ref in newer:
                continue
            if not isinstance(thing, Container) or not self._own(thing.labels):
                self._holdings.hold(ref, thing)
            elif not agrees(self.world.containers.get(ref.id), thing):
                doubtful.append(ref)
        newer.update(ref for ref, _ in things(listed))
        for ref in [ref for ref, _ in things(self.world) if ref not in newer]:
            self._holdings.hold(ref, None)
        return doubtful

    def _own(self, labels: Mapping[str, str]) -> bool:
        return is_ours(labels, self._instance)
