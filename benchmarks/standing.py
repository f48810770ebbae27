"""(b) and (f): what two hundred running containers cost while nothing happens.

The fleet is made once by the program. (f) watches that process and its PostgreSQL for minutes of
idleness with the default settings. Then the program is stopped, its containers stay, and for (b)
the same controller is put together in this process on the same database and engine, where a whole
resync can be timed: relist, look at the share of the containers that is due, reread the store, work
every key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.measure import Measure
from benchmarks.processes import resident
from benchmarks.rig import Rig, Running, organization_of, running
from controller.app import Controller
from controller.engine.docker import DockerEngine, connect
from controller.settings import Settings
from controller.store.embedded import embedded_postgres
from controller.store.postgres import open_store

MINUTE = 60.0
REST = 5.0
"""Seconds of quiet before the first minute."""
PER_ORGANIZATION = 50
MIB = 1 << 20


async def measure(rig: Rig, rows: Sequence[str]) -> Sequence[Measure]:
    found: list[Measure] = []
    async with running(rig.host, rig.engine) as controller:
        await _declare(rig, controller)
        if "f" in rows:
            found += await _idle(rig, controller)
        if "b" in rows:
            state = controller.program.state_dir
            await controller.sql.close()
            await asyncio.to_thread(controller.program.stop)
            found += await _resyncs(rig, state)
    return sorted(found, key=lambda measure: measure.row)


async def _declare(rig: Rig, controller: Running) -> None:
    began = time.perf_counter()
    for first in range(0, rig.standing, PER_ORGANIZATION):
        numbers = range(first, min(first + PER_ORGANIZATION, rig.standing))
        names = [f"s{number}" for number in numbers]
        await controller.commit(*organization_of(f"org{first}", names, rig.image))
    await controller.ready(1800.0)
    rig.say(f"(b, f) {rig.standing} containers stand after {time.perf_counter() - began:.0f} s")


async def _idle(rig: Rig, controller: Running) -> Sequence[Measure]:
    process = controller.program.process
    assert process is not None
    ours, database = [], []
    await asyncio.sleep(REST)
    for _ in range(max(1, min(rig.pairs, 3))):
        before, began = controller.usage(), time.perf_counter()
        await asyncio.sleep(MINUTE)
        used, seconds = controller.usage() - before, time.perf_counter() - began
        ours.append(100 * used.controller / seconds)
        database.append(100 * used.database / seconds)
        rig.say(f"(f) {ours[-1]:.2f} % of a core, its PostgreSQL {database[-1]:.2f} %")
    memory = resident(process.pid) / MIB
    return [
        Measure(
            "f",
            f"idle, {rig.standing} containers: controller",
            "% of a core",
            ours,
            goal="< 1 %",
            note=f"minutes with the default settings; {memory:.0f} MiB resident",
        ),
        Measure("f", f"idle, {rig.standing} containers: its PostgreSQL", "% of a core", database),
    ]


@asynccontextmanager
async def _here(rig: Rig, state: Path) -> AsyncIterator[tuple[Controller, DockerEngine]]:
    """The controller in this process, leading; its own resyncs are a day apart."""
    settings = Settings(state_dir=state, listen="", resync_interval=86400.0)
    async with embedded_postgres(state) as url:
        store = await open_store(settings, url)
        engine = await connect(settings, host=rig.host)
        controller = Controller(settings, store, engine, await store.instance())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(controller.run())
                try:
                    async with asyncio.timeout(60):
                        await _settled(controller)
                    yield controller, engine
                finally:
                    controller.stop.set()
        finally:
            await engine.close()
            await store.close()


async def _settled(controller: Controller) -> None:
    while not (controller.index.synced and len(controller.catalogue)):
        await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)
    await controller.queue.join()


async def _resyncs(rig: Rig, state: Path) -> Sequence[Measure]:
    whole: list[float] = []
    keys: list[float] = []
    one: list[float] = []
    used: list[float] = []
    async with _here(rig, state) as (controller, engine):
        for pair in range(rig.pairs + 1):
            for side in (0, 1) if pair % 2 else (1, 0):
                await asyncio.sleep(0.1)
                if side:
                    cpu = time.process_time()
                    whole.append(await _resync(controller))
                    used.append((time.process_time() - cpu) * 1000)
                    keys.append(await _keys(controller))
                else:
                    one.append(await _listing(engine))
    del whole[0], keys[0], one[0], used[0]  # the first of each warms up
    note = (
        "relist of containers, networks and volumes, reread of all rows, a pass over every key;"
        " a share of the containers is inspected between the resyncs"
    )
    against = "one GET /containers/json"
    goal = "ratio <= 2"
    what = f"no-op resync, {rig.standing} containers"
    return [
        Measure("b", what, "ms", whole, against, one, goal, note),
        Measure("b", "its passes over all keys alone", "ms", keys, against, one),
        Measure("b", "CPU of one such resync", "ms", used),
    ]


async def _resync(controller: Controller) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await controller.resync.once()
    await controller.queue.join()
    return (time.perf_counter() - began) * 1000


async def _keys(controller: Controller) -> float:
    began = time.perf_counter()
    controller.resync.enqueue(urgent=False)
    await controller.queue.join()
    return (time.perf_counter() - began) * 1000


async def _listing(engine: DockerEngine) -> float:
    """By the same client, decoded."""
    began = time.perf_counter()
    reply = await engine._wire.call(
        "list_containers", "GET", "containers/json", params={"all": "1"}
    )
    reply.json()
    return (time.perf_counter() - began) * 1000
