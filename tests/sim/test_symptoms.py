"""What a service suffers from makes an event: once, when it begins."""

from __future__ import annotations

import asyncio

from controller.store.base import Event
from tests.sim import oracles
from tests.sim.harness import Simulation, simulate
from tests.sim.matrix import ORGANIZATION, WEB


def events(sim: Simulation, reason: str) -> list[Event]:
    return [event for event in sim.database.events.values() if event.reason == reason]


async def running(sim: Simulation, **spec: object) -> str:
    """Its container's name."""
    sim.launch()
    await sim.apply(ORGANIZATION, {})
    await sim.apply(WEB, {"image": "app:3", **spec})
    await sim.until(lambda: not oracles.faults_of(sim), 60.0, "it runs")
    return oracles.ours(sim)[0].name


async def crash(sim: Simulation, name: str, *, oom: bool = False) -> None:
    await sim.until(lambda: oracles.ours(sim)[0].running, 60.0, "it runs again")
    sim.engine.hand.crash(name, 137 if oom else 9, oom=oom)
    await asyncio.sleep(3.0)


def test_a_crash_loop_is_told_once() -> None:
    async def scenario(sim: Simulation) -> None:
        name = await running(sim)
        for _ in range(6):
            await crash(sim, name)
        (told,) = events(sim, "DeploymentCrashLoop")
        assert (told.type, told.count) == ("Warning", 1)
        assert "exits with code 9" in told.message
        assert events(sim, "OutOfMemory") == []

    simulate(Simulation(1), scenario)


def test_every_kill_for_memory_is_told() -> None:
    async def scenario(sim: Simulation) -> None:
        name = await running(sim)
        for _ in range(5):
            await crash(sim, name, oom=True)
        (starved,) = events(sim, "OutOfMemory")
        assert (starved.type, starved.count) == ("Warning", 5)
        (loop,) = events(sim, "DeploymentCrashLoop")
        assert "(out of memory, exit code 137)" in loop.message

    simulate(Simulation(1), scenario)


def test_unhealthy_is_told_once_and_not_at_every_flap() -> None:
    async def scenario(sim: Simulation) -> None:
        check = {"exec": ["true"], "interval": "2s", "retries": 2, "patience": "1h"}
        name = await running(sim, healthCheck=check)
        for word in ("unhealthy", "healthy", "unhealthy", "healthy", "unhealthy"):
            sim.engine.hand.health(name, word)
            await asyncio.sleep(8.0)
        (told,) = events(sim, "DeploymentUnhealthy")
        assert (told.type, told.count) == ("Warning", 1)
        assert name in told.message

    simulate(Simulation(1), scenario)
