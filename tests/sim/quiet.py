"""The quiet after the storm: what was bad is repaired, or not; then the oracles judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.labels import L_CONTROLLER
from resources.meta import Entry, Key
from resources.naming import volume_identity
from tests.sim import oracles
from tests.sim.clockwork import neutral
from tests.sim.disturb import STRANGER
from tests.sim.harness import Controlled, Simulation
from tests.sim.storm import Storm
from tests.sim.universe import KEYS, is_good, organization_key, repaired

BOUND = 600.0
"""Virtual seconds after the last fault until everything must be as declared: backoff, five
resyncs (a lost ``update`` event is healed within those), a rollout of slow images."""
ENOUGH = 20.0
"""Virtual seconds in which a job has run and a replica has become healthy."""
QUIET_RESYNCS = 2
Specs = Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class End:
    """specs: what is declared. keys: those that came to rest as declared, whose part of the state
    an undisturbed run must equal."""

    specs: Specs
    annotations: Mapping[Key, Mapping[str, str]]
    keys: frozenset[Key]
    state: oracles.Normal


class Quiet:
    def __init__(self, sim: Simulation, storm: Storm) -> None:
        self.sim = sim
        self.story = storm.story
        self.author = storm.author
        self.vandal = storm.vandal

    async def repair(self) -> None:
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
                if entry is not None and (self._spoiled(key) or self._failed_once(entry)):
                    spec["environment"] = {"AGAIN": str(entry.resource.generation)}
                if entry is None or entry.resource.spec != spec:
                    await sim.apply(key, spec)

    def _failed_once(self, entry: Entry) -> bool:
        """A preDeploy that was killed has failed, and is not tried again by itself."""
        rollout = entry.record.rollout
        failed = rollout is not None and rollout.outcome == "failed"
        return failed and bool(entry.resource.spec.get("preDeploy"))

    def _spoiled(self, key: Key) -> bool:
        """A process that is never restarted did not end by itself."""
        mine = [c for c in oracles.ours(self.sim) if oracles.key_of(c.labels) == key]
        return any(c.restart_policy == "never" and c.exit_code not in (0, None) for c in mine)

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
    async def judge(self) -> End:
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
        annotations = {
            k: {n: v for n, v in e.resource.annotations.items() if v}
            for k, e in sim.database.entries.items()
        }
        keys = frozenset(specs) - poor
        return End(specs, annotations, keys, oracles.normal(sim, keys))

    def _poor(self, specs: Specs) -> frozenset[Key]:
        """What cannot come to rest as declared: what is bad, has lost its data, or cannot go
        because it is used; and who depends on such."""
        entries = self.sim.database.entries
        poor = {
            key
            for key in specs
            if not is_good(key, specs[key], specs)
            or self._spoiled(key)
            or self._failed_once(entries[key])
        }
        for key, entry in entries.items():
            if key.kind != "Volume":
                continue
            if "adopt" in entry.resource.spec and not entry.record.volume_created:
                poor.add(key)
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
        await sim.until(lambda: self._leader() is not None, 120.0, "nobody leads: all are frozen")
        leader = self._leader()
        assert leader is not None
        await self._resyncs(leader, 1)
        before, seen = sim.calls.copy(), sim.clock.monotonic()
        await self._resyncs(leader, QUIET_RESYNCS)
        wrote = sim.calls - before
        if not poor:
            assert not wrote, f"converged, and yet since {seen:.1f} it wrote {dict(wrote)}"
        else:
            limit = 40 * len(poor) * QUIET_RESYNCS
            assert wrote.total() <= limit, f"a hot loop since {seen:.1f}: {dict(wrote)}"
        assert leader.leads, "the leader changed in quiet"

    def _leader(self) -> Controlled | None:
        return next((p for p in self.sim.processes if p.leads and not p.frozen), None)

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


def _mounts(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(spec.get("volumes") or ())
