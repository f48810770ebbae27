"""(e) Ten thousand services in memory: what a full resync costs, and how it grows.

The real controller on the fakes of the simulation, on the machine's own time. An organization has
a hundred services. A full resync lists the engine, looks at its share of the containers, rereads
the store and works every key. Each size is measured in a process of its own, so that memory is
that size's alone; the fakes' own objects are in it, too, and their time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Measure
from benchmarks.processes import resident
from benchmarks.rig import Rig
from controller.app import Controller
from controller.clock import SystemClock
from controller.settings import Settings
from resources.meta import Key, Manifest
from tests.fakes.engine import FakeEngine
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeDatabase, FakeStore

SIZES = (1_000, 10_000)
PER_ORGANIZATION = 100
MIB = 1 << 20


class Scale:
    """A controller that leads, on fakes."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.database = FakeDatabase()
        self.user = FakeStore(self.database)
        self.engine = FakeEngine(clock, images={"app:1": Behaviour(local=True)})
        self.controller = Controller(
            Settings(state_dir=Path("/nonexistent"), listen="", resync_interval=86400.0),
            FakeStore(self.database),
            self.engine,
            self.database.instance,
            clock=clock,
            keyring=MemoryKeyring(1),
        )

    async def declare(self, services: int) -> None:
        for number in range(services):
            organization = f"org{number // PER_ORGANIZATION}"
            if number % PER_ORGANIZATION == 0:
                await self.apply(Key("Organization", "", organization), {})
            await self.apply(Key("Service", organization, f"s{number}"), {"image": "app:1"})

    async def apply(self, key: Key, spec: dict[str, Any]) -> None:
        await self.user.apply(Manifest(key, spec), source="sql")

    def unready(self) -> int:
        return sum(
            not any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in (entry.status or {}).get("conditions", ())
            )
            for entry in self.database.entries.values()
        )

    async def converged(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while self.unready():
                await asyncio.sleep(0.5)
            await self.controller.queue.join()

    async def resync(self) -> float:
        """Seconds from its beginning until every key has been worked."""
        began = time.perf_counter()
        await self.controller.resync.once()
        await self.controller.queue.join()
        return time.perf_counter() - began


@asynccontextmanager
async def leading(scale: Scale) -> Any:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(scale.controller.run())
        yield
        scale.controller.stop.set()
        await running


async def _grown(services: int, rounds: int) -> dict[str, Any]:
    scale = Scale()
    before = resident(_pid())
    async with leading(scale):
        await scale.declare(services)
        began = time.process_time()
        await scale.converged(900.0)
        cpu = time.process_time() - began
        await scale.resync()
        gc.collect()
        writes = sum(scale.engine.writes.values()), scale.database.status_writes
        seconds = [await scale.resync() for _ in range(rounds)]
        assert writes == (sum(scale.engine.writes.values()), scale.database.status_writes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "grown": peak - before, "peak": peak, "converge_cpu": cpu}


def _pid() -> int:
    import os

    return os.getpid()


async def measure(rig: Rig) -> Sequence[Measure]:
    found = {}
    for size in SIZES:
        found[size] = await asyncio.to_thread(_apart, size, max(3, min(rig.pairs, 10)))
        rig.say(f"(e) {size}: {found[size]}")
    small, large = (found[size] for size in SIZES)
    factor = SIZES[1] / SIZES[0]
    return [
        Measure(
            "e",
            f"full resync of {SIZES[1]:,} services in memory",
            "s",
            large["seconds"],
            f"{SIZES[0]:,}:",
            small["seconds"],
            f"< 2 s, ratio ~ {factor:g}",
            "the real controller on fakes, every key worked; their own cost is included",
        ),
        Measure(
            "e",
            "peak memory of that process",
            "MiB",
            [large["peak"] / MIB],
            f"{SIZES[0]:,}:",
            [small["peak"] / MIB],
            "< 400 MiB",
            "controller, fake store and fake engine in one process, from first to last",
        ),
    ]


def _apart(size: int, rounds: int) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", str(size), str(rounds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    import logging

    import structlog
    import uvloop

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(json.dumps(uvloop.run(_grown(int(sys.argv[1]), int(sys.argv[2])))))
