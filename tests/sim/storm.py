"""The storm: users, vandals and faults, each with its own random source, until it is over."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from resources.errors import UserError
from resources.meta import ANNOTATION_PAUSED, ANNOTATION_RESTARTED_AT, Key
from tests.sim.clockwork import neutral
from tests.sim.disturb import Vandal, make_way
from tests.sim.harness import Simulation
from tests.sim.story import Story
from tests.sim.universe import KEYS, Author, Spec, organization_key


class Storm:
    def __init__(self, sim: Simulation, story: Story) -> None:
        self.sim = sim
        self.story = story
        self.random = random.Random(sim.random.getrandbits(64))
        self.author = Author(random.Random(self.random.getrandbits(64)))
        self.vandal = Vandal(sim, random.Random(self.random.getrandbits(64)))

    async def rage(self) -> None:
        for _ in range(self.story.controllers):
            self.sim.launch()
        people = [neutral(self._users()), neutral(self._vandals())]
        faults = [neutral(self._scheduled(name, act)) for name, act in _SCHEDULED.items()]
        rescue = neutral(self._resurrection())
        await asyncio.sleep(self.story.seconds)
        self.sim.trace.note("fault", "everything calms down")
        self.sim.faults.active = False
        await self._end(people)
        await asyncio.wait(faults, timeout=70.0)
        await self._end([*faults, rescue])
        await self._calm()

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _calm(self) -> None:
        """What only stands in the way is put aside, as people do who read the status."""
        sim = self.sim
        sim.deaf = False
        while len(sim.processes) < self.story.controllers:
            sim.launch()
        make_way(sim)
        for key in KEYS:
            if key in sim.database.entries and key.kind == "Service":
                await sim.user.annotate(key, {ANNOTATION_PAUSED: None})

    # -- people
    async def _users(self) -> None:
        mean = self.story.seconds / self.story.actions
        while True:
            await self._user_acts()
            await asyncio.sleep(self.random.expovariate(1.0 / mean))

    async def _user_acts(self) -> None:
        key = self.random.choice(KEYS)
        entry = self.sim.database.entries.get(key)
        try:
            if entry is None:
                await self._create(key)
            elif self.random.random() < (0.04 if key.kind == "Organization" else 0.15):
                await self.sim.delete(key)
            elif key.kind == "Service" and self.random.random() < 0.12:
                await self._annotate(key)
            else:
                await self.sim.apply(key, self.author.changed(key, entry.resource.spec))
        except UserError as error:
            self.sim.trace.note("user", "refused", error.code)

    async def _create(self, key: Key) -> None:
        """Mostly an organization first, and what it refers to."""
        home = organization_key(key.organization)
        if key.organization and home not in self.sim.database.entries and self._often():
            await self.sim.apply(home, self.author.spec(home))
        spec = self._adopting(key, self.author.spec(key))
        for mount in spec.get("volumes", ()):
            volume = Key("Volume", key.organization, mount["volume"])
            if volume not in self.sim.database.entries and self._often():
                await self.sim.apply(volume, self.author.spec(volume))
        await self.sim.apply(key, spec)

    def _adopting(self, key: Key, spec: Spec) -> Spec:
        """Perhaps with the data of a volume that was deleted before."""
        retained = [
            r.uid
            for r, _ in self.sim.database.retained.values()
            if r.organization == key.organization
        ]
        if key.kind == "Volume" and retained and self.random.random() < 0.4:
            return {**spec, "adopt": self.random.choice(retained)}
        return spec

    def _often(self) -> bool:
        return self.random.random() < 0.85

    async def _annotate(self, key: Key) -> None:
        changes: dict[str, str | None] = self.random.choice(
            (
                {ANNOTATION_RESTARTED_AT: str(self.random.randrange(1000))},
                {ANNOTATION_PAUSED: "somebody looks at it"},
                {ANNOTATION_PAUSED: None},
            )
        )
        self.sim.trace.note("user", f"annotate {key} {changes}")
        await self.sim.user.annotate(key, changes)

    async def _vandals(self) -> None:
        while self.story.vandalism:
            await asyncio.sleep(self.random.expovariate(1.0 / self.story.vandalism))
            self.vandal.act()

    async def _scheduled(self, name: str, act: Any) -> None:
        while (pause := self.sim.faults.pause(name)) is not None:
            await asyncio.sleep(pause)
            if self.sim.faults.active:
                self.sim.faults.injected[name] += 1
                await act(self)

    # -- faults
    async def crash(self) -> None:
        if self.sim.processes:
            victim = self.random.choice(self.sim.processes)
            self.sim.kill(victim, "by chance", lock_stays=self.random.random() < 0.3)

    async def freeze(self) -> None:
        if self.sim.processes:
            self.sim.freeze(self.random.choice(self.sim.processes))

    async def outage(self) -> None:
        await self.sim.outage(self.random.choice((2.0, 10.0, 40.0)) * self.random.random())

    async def restart(self) -> None:
        seconds = self.random.uniform(0.5, 8.0)
        self.sim.trace.note("fault", f"the engine restarts in {seconds:.1f} s")
        await self.sim.engine.hand.restart_engine(seconds)
        self.sim.trace.note("fault", "the engine is back")

    async def gap(self) -> None:
        self.sim.trace.note("fault", "the event streams end")
        self.sim.engine.stream.end(broken=self.random.random() < 0.5)

    async def deaf(self) -> None:
        """Streams stay open, and nothing comes."""
        seconds = self.random.uniform(1.0, 60.0)
        self.sim.trace.note("fault", f"no event is heard for {seconds:.1f} s")
        self.sim.deaf = True
        await asyncio.sleep(seconds)
        self.sim.deaf = False

    async def _resurrection(self) -> None:
        """Somebody starts what died."""
        while True:
            await asyncio.sleep(self.random.uniform(0.1, 8.0))
            if len(self.sim.processes) < self.story.controllers:
                self.sim.launch()


_SCHEDULED = {
    "crash": Storm.crash,
    "freeze": Storm.freeze,
    "outage": Storm.outage,
    "restart": Storm.restart,
    "gap": Storm.gap,
    "deaf": Storm.deaf,
}
