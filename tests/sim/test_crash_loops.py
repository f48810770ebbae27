"""Many services in a crash loop, on an engine that is busy restarting them.

While the engine starts a container it answers nothing about it, for seconds when it has much to
start. Whoever changes a healthy service meanwhile must not wait for those.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from controller.app import Controller
from controller.engine.base import LogLine
from controller.settings import Settings
from resources.labels import L_ORGANIZATION
from resources.meta import Key, Manifest
from resources.observed import Container
from resources.world import Scope, World
from tests.fakes import machine
from tests.fakes.engine import FakeEngine
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeDatabase, FakeStore
from tests.sim.clockwork import SimClock, run_virtually

CRASHING = 60
BUSY, GLANCE = 4.0, 0.5
"""Seconds until the engine answers about one of them: to a pass, and to the index, which has looked
right after an event more often than not."""
PAUSE = 5.0
"""Seconds between restarts at most; a real engine goes up to a minute, and so the sooner tires."""
SOON = 3.0
"""Seconds in which a change must have reached the engine."""
LOUD, CALM = "loud", "calm"
WEB = Key("Service", CALM, "web")


@pytest.fixture(autouse=True)
def _silent() -> object:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


class BusyEngine(FakeEngine):
    """Slow about what crashes, and about nothing else."""

    busy = False

    async def read(self, scope: Scope) -> World:
        found = await super().read(scope)
        await self._wait(BUSY, *found.containers.values())
        return found

    async def inspect_container(self, id_: str) -> Container | None:
        found = await super().inspect_container(id_)
        await self._wait(GLANCE, found)
        return found

    async def logs(self, container: str, **wanted: Any) -> AsyncIterator[LogLine]:
        await self._wait(BUSY, self.machine.container(container))
        async for line in super().logs(container, **wanted):
            yield line

    async def _wait(self, seconds: float, *containers: Container | None) -> None:
        if self.busy and any(c and c.labels.get(L_ORGANIZATION) == LOUD for c in containers):
            await asyncio.sleep(seconds)


class Stage:
    def __init__(self) -> None:
        clock = SimClock()
        self.database = FakeDatabase(now=clock.now)
        self.user = FakeStore(self.database)
        images = {
            "app:1": Behaviour(local=True),
            "bad:1": Behaviour(local=True, exits_after=0.1, exit_code=1),
        }
        self.engine = BusyEngine(clock, images=images)
        self.controller = Controller(
            Settings(state_dir=Path("/nonexistent"), listen=""),
            FakeStore(self.database),
            self.engine,
            self.database.instance,
            clock=clock,
            random_=random.Random(1),
            keyring=MemoryKeyring(1),
        )

    async def apply(self, key: Key, **spec: Any) -> None:
        await self.user.apply(Manifest(key, spec), source="sql")

    async def until(self, condition: Any, seconds: float) -> float:
        """Seconds that it took."""
        time = asyncio.get_running_loop().time
        began = time()
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return time() - began

    def phases(self, organization: str) -> list[str]:
        return [
            (entry.status or {}).get("phase", "")
            for entry in self.database.entries.values()
            if entry.key.organization == organization
        ]

    def outcomes(self, organization: str) -> set[str]:
        """Of the rollouts; '' while one is under way."""
        entries = [e for e in self.database.entries.values() if e.key.organization == organization]
        return {e.record.rollout.outcome for e in entries if e.record.rollout is not None}

    async def changes(self) -> list[float]:
        """Seconds from each of a few changes to the new container."""
        found = []
        for number in range(2):
            made = self.engine.writes["create_container"]
            await self.apply(WEB, image="app:1", environment={"ROUND": str(number)})
            found.append(
                await self.until(
                    lambda made=made: self.engine.writes["create_container"] > made, 120.0
                )
            )
            await asyncio.sleep(10.0)
        return found


async def _latencies(failed: bool) -> list[float]:
    stage = Stage()
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.controller.run())
        for organization in (LOUD, CALM):
            await stage.apply(Key("Organization", "", organization))
        await stage.apply(WEB, image="app:1")
        for number in range(CRASHING):
            update = {"minReady": "1s", "progressDeadline": "20s" if failed else "1h"}
            await stage.apply(Key("Service", LOUD, f"s{number}"), image="bad:1", update=update)
        await stage.until(lambda: set(stage.phases(LOUD)) == {"Failed"}, 600.0)
        wanted = {"failed" if failed else ""}
        await stage.until(lambda: stage.outcomes(LOUD) == wanted, 600.0)
        stage.engine.busy = True
        await asyncio.sleep(5.0)
        found = await stage.changes()
        stage.engine.busy = False
        stage.controller.stop.set()
    return found


@pytest.mark.parametrize("failed", [False, True], ids=["rolling out", "rollout failed"])
def test_a_healthy_service_is_changed_while_others_crash(
    failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "RESTART_LONGEST", PAUSE)
    latencies = run_virtually(lambda: _latencies(failed))
    assert max(latencies) < SOON, latencies
