"""What takes longer than a pass waits is told of all the same, and once."""

from __future__ import annotations

from controller.metrics import METRICS
from tests.sim import oracles
from tests.sim.harness import Simulation, simulate
from tests.sim.matrix import ORGANIZATION, WEB

SLOW = {"image": "slow:1", "terminationGracePeriod": "20s", "imagePullPolicy": "Always"}


def told(sim: Simulation, reason: str) -> int:
    return sum(event.count for event in sim.database.events.values() if event.reason == reason)


def drift() -> float:
    return METRICS.passes.drift.labels("Service", "state")._value.get()


def test_a_slow_pull_and_a_slow_stop_are_told_once() -> None:
    async def scenario(sim: Simulation) -> None:
        sim.launch()
        await sim.apply(ORGANIZATION, {})
        await sim.apply(WEB, SLOW)
        await sim.until(lambda: not oracles.faults_of(sim), 120.0, "it runs")
        assert told(sim, "Pulled") == 1
        assert told(sim, "CreateContainer") == 1
        assert told(sim, "CheckVolumes") == 0
        await sim.apply(WEB, {**SLOW, "state": "stopped"})
        await sim.until(lambda: not oracles.faults_of(sim), 60.0, "it is stopped")
        assert told(sim, "StopContainer") == 1
        before = drift()
        container = oracles.ours(sim)[0]
        sim.engine.hand.start(container.name)
        await sim.until(lambda: told(sim, "DriftStopContainer"), 60.0, "it is stopped again")
        assert (told(sim, "DriftStopContainer"), drift() - before) == (1, 1)

    simulate(Simulation(1), scenario)
