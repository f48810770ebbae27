"""The simulation itself: is time virtual, are the frozen frozen and the dead dead, does a seed
name one course of events, and do the oracles see what is wrong?"""

from __future__ import annotations

import asyncio

import pytest

from controller.store.base import StoreUnavailable
from tests.sim import oracles
from tests.sim.clockwork import Killed, Process, Stuck, run_virtually
from tests.sim.faults import REFUSALS, TERMINAL, Faults, Rates
from tests.sim.harness import Simulation, simulate
from tests.sim.matrix import ORGANIZATION, WEB
from tests.sim.torture import Story, play


def test_a_frozen_process_wakes_late_and_a_dead_one_never() -> None:
    seen: list[float | str] = []

    async def ticks() -> None:
        try:
            while True:
                await asyncio.sleep(1.0)
                seen.append(asyncio.get_running_loop().time())
        finally:
            seen.append("cleaned up")

    async def main() -> None:
        process = Process("p")
        process.start(ticks())
        await asyncio.sleep(2.5)
        process.freeze()
        await asyncio.sleep(10.0)
        process.thaw()
        await asyncio.sleep(1.2)
        process.die()
        await asyncio.sleep(10.0)
        assert seen == [1.0, 2.0, 12.5, 13.5]
        await process.bury()
        assert seen[-1] == "cleaned up"

    run_virtually(main)


def test_a_simulation_that_waits_for_nothing_says_so() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_virtually(main)


def test_a_dead_process_reaches_nothing() -> None:
    async def scenario(sim: Simulation) -> None:
        process = sim.launch()
        await asyncio.sleep(5.0)
        sim.kill(process, "by the test")
        with pytest.raises(Killed):
            await process.store.epoch()
        with pytest.raises(Killed):
            await process.engine.info()

    simulate(Simulation(1), scenario)


def test_an_outage_is_felt() -> None:
    async def scenario(sim: Simulation) -> None:
        process = sim.launch()
        await asyncio.sleep(5.0)
        away = asyncio.ensure_future(sim.outage(20.0))
        await asyncio.sleep(1.0)
        with pytest.raises(StoreUnavailable):
            await process.store.epoch()
        await sim.until(lambda: not process.leads, 6.0, "it stops acting")
        await away
        await sim.until(lambda: process.leads, 15.0, "it leads again")

    simulate(Simulation(1), scenario)


@pytest.mark.parametrize("seed", [2, 11])
def test_a_seed_names_one_course_of_events(seed: int) -> None:
    def trace() -> list[str]:
        story = Story.of(seed)
        play(story)
        return story.trace

    first = trace()
    play(Story.of(seed + 1))
    assert trace() == first


def test_refusals_are_what_they_claim() -> None:
    import random

    faults = Faults(Rates(), random.Random(1))
    for operation in REFUSALS:
        for _ in range(50):
            assert faults.refusal(operation).retryable
    for operation in TERMINAL:
        for _ in range(10):
            assert not faults.refusal(operation, terminal=True).retryable


def test_oracles_see_what_is_wrong() -> None:
    async def scenario(sim: Simulation) -> None:
        process = sim.launch()
        await sim.apply(ORGANIZATION, {})
        await sim.apply(WEB, {"image": "app:3", "replicas": 2})
        await sim.until(lambda: not oracles.faults_of(sim), 60.0, "it settles")
        before = oracles.normal(sim)
        sim.kill(process, "so that nobody heals")
        container = oracles.ours(sim)[0]
        sim.engine.hand.stop(container.name)
        assert oracles.difference(oracles.normal(sim), before)
        assert any("says 2 ready" in line for line in oracles.faults_of(sim))
        sim.engine.hand.run("twin", "app:3", labels=container.labels)
        assert any("2 containers" in line for line in oracles.faults_of(sim))
        del sim.database.entries[WEB]
        assert any("has no row" in line for line in oracles.faults_of(sim))

    simulate(Simulation(1), scenario)


def test_an_outdated_leader_would_be_caught() -> None:
    """The oracle itself: somebody who does not hold the lock any more removes something."""

    async def scenario(sim: Simulation) -> None:
        process = sim.launch()
        await sim.apply(ORGANIZATION, {})
        await sim.apply(WEB, {"image": "app:3"})
        await sim.until(lambda: not oracles.faults_of(sim), 60.0, "it settles")
        sim.database.lock, sim.database.epoch = object(), sim.database.epoch + 1
        from resources.steps import RemoveContainer

        container = oracles.ours(sim)[0]
        step = RemoveContainer(container=container.id, container_name="x", cause="of the test")
        await process.engine.remove_container(step)
        assert "outdated epoch" in sim.failures.pop()

    simulate(Simulation(1), scenario)
