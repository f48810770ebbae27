"""One seed: users, vandals and faults for a while; then quiet; then the oracles."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.errors import UserError
from resources.meta import ANNOTATION_PAUSED, ANNOTATION_RESTARTED_AT, Key
from resources.naming import volume_identity
from resources.world import L_CONTROLLER
from tests.sim import oracles
from tests.sim.clockwork import neutral
from tests.sim.disturb import STRANGER, Vandal, make_way
from tests.sim.faults import CALM, Rates
from tests.sim.harness import Controlled, Simulation, simulate
from tests.sim.universe import KEYS, Author, is_good, organization_key, repaired

BOUND = 600.0
"""Virtual seconds after the last fault until everything must be as declared: backoff, five
resyncs (a lost ``update`` event is healed within those), a rollout of slow images."""
QUIET_RESYNCS = 3
ENOUGH = 20.0
"""Virtual seconds in which a job has run and a replica has become healthy."""
Specs = Mapping[Key, Mapping[str, Any]]


@dataclass
class Story:
    """What a seed decides about the whole run, and what came of it."""

    seed: int
    rates: Rates = CALM
    vandalism: float = 0.0
    controllers: int = 1
    repair: bool = True
    seconds: float = 60.0
    actions: int = 10
    injected: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    settled_after: float = 0.0
    trace: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int) -> Story:
        source = random.Random(f"story {seed}")
        calm = source.random() < 0.1
        return cls(
            seed,
            rates=CALM if calm else Rates.drawn(source),
            vandalism=source.choice((0.0, 0.0, 5.0, 15.0)),
            controllers=source.choice((1, 1, 2)),
            repair=source.random() < 0.7,
            seconds=source.uniform(20.0, 150.0),
            actions=source.randrange(5, 40),
        )


def play(story: Story) -> Story:
    """Raises AssertionError with seed and trace when an oracle is not content."""
    sim = Simulation(story.seed, story.rates)
    end = simulate(sim, lambda s: _Play(s, story).run())
    story.injected, story.trace = sim.faults.injected, sim.trace.lines()
    if end is not None:
        specs, foreign, keys, state = end
        expected = undisturbed(story.seed, specs, keys, foreign)
        found = oracles.difference(state, expected)
        if found:
            told = "\n  ".join(found)
            shown = "\n".join(sim.trace.lines()[-400:])
            raise AssertionError(
                f"seed {story.seed}: the end differs from an undisturbed run's "
                f"(here / undisturbed):\n  {told}\n\n{story}\n{shown}"
            )
    return story


End = tuple[Specs, Mapping[Key, Mapping[str, str]], frozenset[Key], oracles.Normal]


def undisturbed(
    seed: int, specs: Specs, keys: frozenset[Key], annotations: Mapping[Key, Mapping[str, str]]
) -> oracles.Normal:
    """The end state of the same declarations, made at once in a perfect world."""

    async def scenario(sim: Simulation) -> oracles.Normal:
        for key, spec in specs.items():
            await sim.apply(key, spec, annotations=annotations.get(key, {}))
        sim.launch()
        poor = [key for key in specs if key not in keys]
        await sim.until(
            lambda: not oracles.faults_of(sim, poor),
            600.0,
            lambda: f"an undisturbed run settles: {oracles.faults_of(sim, poor)}",
        )
        await asyncio.sleep(ENOUGH)
        return oracles.normal(sim, keys)

    return simulate(Simulation(seed), scenario)


class _Play:
    def __init__(self, sim: Simulation, story: Story) -> None:
        self.sim = sim
        self.story = story
        self.random = random.Random(sim.random.getrandbits(64))
        self.author = Author(random.Random(self.random.getrandbits(64)))
        self.vandal = Vandal(sim, random.Random(self.random.getrandbits(64)))
        self.going: list[asyncio.Task[Any]] = []
        self.deleted_policies: dict[str, str] = {}

    async def run(self) -> End | None:
        sim, story = self.sim, self.story
        for _ in range(story.controllers):
            sim.launch()
        self.going = [
            neutral(self._users()),
            neutral(self._vandals()),
            *(neutral(self._scheduled(name, act)) for name, act in _SCHEDULED.items()),
            neutral(self._resurrection()),
        ]
        await asyncio.sleep(story.seconds)
        await self._calm()
        if story.repair:
            await self._repair()
        return await self._judge()

    # -- the storm
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
                await self._delete(key)
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
        spec = self.author.spec(key)
        for mount in spec.get("volumes", ()):
            volume = Key("Volume", key.organization, mount["volume"])
            if volume not in self.sim.database.entries and self._often():
                await self.sim.apply(volume, self.author.spec(volume))
        await self.sim.apply(key, spec)

    def _often(self) -> bool:
        return self.random.random() < 0.85

    async def _delete(self, key: Key) -> None:
        await self.sim.delete(key)

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

    # -- quiet
    async def _calm(self) -> None:
        sim = self.sim
        sim.trace.note("fault", "everything calms down")
        sim.faults.active = False
        for task in self.going[:2]:
            task.cancel()
        await asyncio.wait(self.going[2:-1], timeout=70.0) if self.going[2:-1] else None
        for task in self.going:
            task.cancel()
        sim.deaf = False
        while len(sim.processes) < self.story.controllers:
            sim.launch()
        make_way(sim)
        for key in KEYS:
            if key in sim.database.entries and key.kind == "Service":
                await sim.user.annotate(key, {ANNOTATION_PAUSED: None})

    async def _repair(self) -> None:
        """Lost data is given up, what uses a volume that shall go goes as well, and every
        declaration is made good."""
        sim = self.sim
        for key in KEYS:
            entry = sim.database.entries.get(key)
            if entry is None or key.kind != "Volume":
                continue
            if volume_identity(entry).engine_name in self.vandal.lost:
                await sim.delete(key)
            if sim.database.entries[key].resource.deleting:
                for other in self._users_of(key):
                    await sim.delete(other)
        await sim.until(self._nothing_leaves, BOUND, "what is deleted is gone")
        good = repaired(self.author, self._specs())
        for key in KEYS:
            if key in good:
                entry = sim.database.entries.get(key)
                spec = dict(good[key])
                failed = (
                    entry is not None
                    and entry.record.rollout is not None
                    and (entry.record.rollout.outcome == "failed")
                )
                if failed and spec.get("preDeploy"):
                    spec["environment"] = {"AGAIN": str(entry.resource.generation)}
                if entry is None or entry.resource.spec != spec:
                    await sim.apply(key, spec)

    def _users_of(self, volume: Key) -> list[Key]:
        """Services that mount it, as declared, as accepted before, or as they still run."""
        entries = self.sim.database.entries
        name = volume_identity(entries[volume]).engine_name
        users = self.sim.engine.world.containers_mounting(name)
        found = {oracles.key_of(container.labels) for container in users}
        for key, entry in entries.items():
            specs = (entry.resource.spec, entry.record.accepted_spec or {})
            names = {m.get("volume") for spec in specs for m in _mounts(spec)}
            if key.organization == volume.organization and volume.name in names:
                found.add(key)
        return sorted(key for key in found if key in entries)

    def _nothing_leaves(self) -> bool:
        return not any(e.resource.deleting for e in self.sim.database.entries.values())

    def _specs(self) -> dict[Key, Mapping[str, Any]]:
        """Of what is not about to go."""
        entries = self.sim.database.entries
        return {k: e.resource.spec for k, e in entries.items() if not e.resource.deleting}

    # -- the end
    async def _judge(self) -> End | None:
        sim, story = self.sim, self.story
        specs = self._specs()
        poor = self._poor(specs)
        began = sim.clock.monotonic()
        await sim.until(
            lambda: not self._approve() and not oracles.faults_of(sim, poor),
            BOUND,
            lambda: f"it settles: {oracles.faults_of(sim, poor)}",
        )
        story.settled_after = sim.clock.monotonic() - began
        await asyncio.sleep(ENOUGH)
        await self._stays(poor)
        self._bounded()
        self._strangers()
        self._data()
        annotations = {
            k: {n: v for n, v in e.resource.annotations.items() if v}
            for k, e in sim.database.entries.items()
        }
        keys = frozenset(specs) - poor
        return specs, annotations, keys, oracles.normal(sim, keys)

    def _poor(self, specs: Specs) -> frozenset[Key]:
        """What cannot come to rest as declared: what is bad, has lost its data, or cannot go
        because it is used; and who depends on such."""
        entries = self.sim.database.entries
        poor = {key for key in specs if not is_good(key, specs[key], specs)}
        for key, entry in entries.items():
            if key.kind != "Volume":
                continue
            used = entry.resource.deleting and self._users_of(key)
            lost = volume_identity(entry).engine_name in self.vandal.lost
            if used or lost or key in poor:
                poor.update((key, *self._users_of(key)))
            if used:
                poor.add(organization_key(key.organization))
        poor |= {
            key for key in specs if key.organization and organization_key(key.organization) in poor
        }
        while more := {
            key
            for key, spec in specs.items()
            if key not in poor
            and any(
                Key("Service", key.organization, name) in poor for name in spec.get("dependsOn", ())
            )
        }:
            poor |= more
        return frozenset(poor)

    def _approve(self) -> bool:
        """A person approves what the guard holds: here everything without a row is an orphan."""
        waiting = [h for h in self.sim.database.held.values() if h.state == "held"]
        for held in waiting:
            neutral(self.sim.user.decide(held.id, "approved"))
        return bool(waiting)

    async def _stays(self, poor: frozenset[Key]) -> None:
        """Some resyncs make no write at all."""
        sim = self.sim
        leader = next((p for p in sim.processes if p.leads), None)
        assert leader is not None, "nobody leads"
        await self._resyncs(leader, 2)
        before, seen = sim.calls.copy(), sim.clock.monotonic()
        await self._resyncs(leader, QUIET_RESYNCS)
        wrote = sim.calls - before
        if not poor:
            assert not wrote, f"converged, and yet since {seen:.1f} it wrote {dict(wrote)}"
        else:
            limit = 40 * len(poor) * QUIET_RESYNCS
            assert wrote.total() <= limit, f"a hot loop since {seen:.1f}: {dict(wrote)}"
        assert leader.leads, "the leader changed in quiet"

    async def _resyncs(self, leader: Controlled, number: int) -> None:
        start = leader.controller.resync.completed
        await self.sim.until(
            lambda: leader.controller.resync.completed >= start + number, 200.0 * number, "resyncs"
        )
        await asyncio.sleep(5.0)

    def _bounded(self) -> None:
        sim = self.sim
        events = sim.actions + self.vandal.deeds + sim.faults.injected.total()
        self.story.operations = sum(sim.engine.writes.values())
        limit = 60 * (len(KEYS) + events) + self.story.seconds * 5
        assert self.story.operations <= limit, f"{self.story.operations} engine writes, {limit=}"

    def _strangers(self) -> None:
        found = set()
        for container in self.sim.engine.world.containers.values():
            if L_CONTROLLER not in container.labels and container.name.startswith(STRANGER):
                found.add(container.name)
        assert found == self.vandal.strangers, f"{self.vandal.strangers - found} are gone"

    def _data(self) -> None:
        """Nothing that once held data of a Volume which is still declared was removed by us."""
        removed = {volume.name for volume in self.sim.engine.removed_volumes}
        for entry in self.sim.database.entries.values():
            if entry.key.kind == "Volume" and entry.record.volume_created:
                name = volume_identity(entry).engine_name
                assert name not in removed, f"{name} was removed while declared"


def _mounts(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(spec.get("volumes") or ())


_SCHEDULED = {
    "crash": _Play.crash,
    "freeze": _Play.freeze,
    "outage": _Play.outage,
    "restart": _Play.restart,
    "gap": _Play.gap,
    "deaf": _Play.deaf,
}
