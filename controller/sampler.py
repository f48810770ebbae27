"""Reads what the running replicas consume, one after the other, spread evenly over an interval.

Every fifteen seconds each, and less often when that would cost more than its share of a core: what
a reading costs is measured all the time. Rates are those between two readings of one process. A
container that is gone, an engine that does not answer: it is read the next time.
"""

from __future__ import annotations

import asyncio

import structlog

from controller.clock import Clock
from controller.consumption import Consumption
from controller.engine.base import Engine, Sample
from controller.engine.round_robin import RoundRobin
from controller.metrics import METRICS
from controller.replicas import Replicas
from resources.errors import UserError
from resources.observed import Container

log = structlog.get_logger("sampler")

EVERY = 15.0
"""Seconds between two readings of a container, at least."""
SHARE = 0.015
"""Of a core: what all of it may cost."""
FIRST_COST = 0.004
"""Seconds of CPU for one reading, until it is known."""
WEIGHT = 0.02
"""Of one reading in the average of what they cost."""
TURN = 1.0
"""Seconds between two batches."""
NEAREST = 1.0
"""Seconds; readings closer than this give no rate worth showing."""


class Sampler:
    def __init__(self, engine: Engine, replicas: Replicas, clock: Clock) -> None:
        self._engine = engine
        self._replicas = replicas
        self._clock = clock
        self._turns = RoundRobin(lambda: list(replicas.running))
        self._last: dict[str, tuple[int, Sample]] = {}
        self._cost = FIRST_COST

    @property
    def settled(self) -> bool:
        """Nobody waits for it."""
        return True

    @property
    def interval(self) -> float:
        """Seconds between two readings of a container, as things are."""
        return max(EVERY, len(self._replicas.running) * self._cost / SHARE)

    async def run(self) -> None:
        """For ever."""
        self._replicas.begin()
        try:
            before = self._clock.monotonic()
            while True:
                await asyncio.sleep(TURN)
                now = self._clock.monotonic()
                await self.turn(now - before)
                before = now
        finally:
            self._replicas.end()
            self._last.clear()
            METRICS.sample_interval.set(0)

    async def turn(self, seconds: float) -> None:
        """Reads those that are due when this much time has passed since the last turn."""
        self._replicas.prune()
        METRICS.sample_interval.set(self.interval)
        due = self._turns.take(min(1.0, seconds / self.interval), self._replicas.running)
        containers = [c for id_ in due if (c := self._replicas.container(id_)) is not None]
        if not containers:
            return
        try:
            sampled = await self._engine.sample(containers)
        except UserError as error:
            log.debug("not sampled", problem=error.message)
            return
        self._average(sampled.cost, len(containers))
        for container in containers:
            if (sample := sampled.found.get(container.id)) is not None:
                self._learn(container, sample)
        self._forget()

    def _average(self, cost: float, readings: int) -> None:
        weight = 1 - (1 - WEIGHT) ** readings
        self._cost += weight * (cost / readings - self._cost)

    def _learn(self, container: Container, sample: Sample) -> None:
        pid, before = self._last.get(container.id, (0, sample))
        self._last[container.id] = (container.pid, sample)
        ratio = _ratio(before, sample, container) if pid == container.pid else None
        self._replicas.consumed(container.id, consumption(container, sample, ratio))

    def _forget(self) -> None:
        """Who does not run any more; it is looked for when there are twice as many as needed."""
        if len(self._last) > 2 * len(self._replicas.running) + 16:
            self._last = {i: one for i, one in self._last.items() if i in self._replicas.running}


def consumption(container: Container, sample: Sample, ratio: float | None) -> Consumption:
    limits = container.limits
    return Consumption(
        cpu_ratio=ratio,
        cpu=sample.cpu,
        memory=sample.memory,
        memory_limit=limits.memory or None if limits is not None else None,
        network_receive=sample.network_receive,
        network_transmit=sample.network_transmit,
        disk_read=sample.disk_read,
        disk_write=sample.disk_write,
    )


def _ratio(before: Sample, now: Sample, container: Container) -> float | None:
    """Of the cores that the limit allows."""
    cores = container.limits.nano_cpus / 1e9 if container.limits is not None else 0.0
    seconds, spent = now.at - before.at, now.cpu - before.cpu
    if not cores or seconds < NEAREST or spent < 0:
        return None
    return spent / seconds / cores
