"""Terms of leading: who does not act holds nothing, what a term learnt ends with it, and a term
that shall end by itself does so in time."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from controller.app import ONCE_SECONDS, Controller
from controller.metrics import METRICS
from controller.settings import Settings
from resources.conditions import READY, is_true
from resources.errors import UserError
from resources.meta import Key, Manifest
from tests.fakes.engine import FakeEngine
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeDatabase, FakeStore
from tests.sim.clockwork import SimClock, run_virtually
from tests.sim.harness import Simulation, simulate

HOME, WEB = Key("Organization", "", "acme"), Key("Service", "acme", "web")


def exported() -> int:
    return sum(
        len(list(metric.samples))
        for gauge in (METRICS.resources.condition, METRICS.resources.replicas)
        for metric in gauge.collect()
    )


def ready(sim: Simulation) -> bool:
    return is_true(sim.database.entries[WEB].status, READY)


async def declare(sim: Simulation) -> None:
    await sim.apply(HOME, {})
    await sim.apply(WEB, {"image": "app:3"})


def test_a_standby_holds_no_keys() -> None:
    async def scenario(sim: Simulation) -> None:
        leader, standby = sim.launch(), sim.launch()
        await declare(sim)
        await sim.until(lambda: ready(sim), 60.0, "ready")
        await sim.until(lambda: leader.leads or standby.leads, 60.0, "one leads")
        idle = next(p for p in sim.processes if not p.leads)
        await asyncio.sleep(50.0)
        assert idle.controller.catalogue.get(WEB) is not None
        assert idle.controller.queue.depth == idle.controller.queue.waiting == 0
        acting = next(p for p in sim.processes if p.leads)
        sim.kill(acting, "to be succeeded")
        await sim.until(lambda: idle.leads, 60.0, "the standby leads")
        await sim.apply(WEB, {"image": "app:3", "replicas": 2})
        await sim.until(lambda: len(sim.engine.world.containers) == 2, 60.0, "it acts")

    simulate(Simulation(1), scenario)


def test_who_leads_no_more_tells_of_no_resource() -> None:
    """And leading again it tells of all, though nothing changed."""

    async def scenario(sim: Simulation) -> None:
        leader = sim.launch()
        await declare(sim)
        await sim.until(lambda: ready(sim), 60.0, "ready")
        await asyncio.sleep(30.0)
        before = exported()
        assert before > 0
        outage = asyncio.create_task(sim.outage(60.0))
        await sim.until(lambda: not leader.leads, 30.0, "it leads no more")
        await asyncio.sleep(5.0)
        assert exported() == 0
        await outage
        await sim.until(lambda: leader.leads, 60.0, "it leads again")
        await sim.until(lambda: exported() == before, 60.0, "it tells again")

    simulate(Simulation(2), scenario)


def test_a_relist_that_fails_does_not_keep_the_rows_from_being_read() -> None:
    async def scenario(sim: Simulation) -> None:
        leader = sim.launch()
        await declare(sim)
        await sim.until(lambda: ready(sim), 60.0, "ready")
        sim.database.deliver = lambda _key: []
        sim.engine.go_down()
        await sim.until(lambda: not leader.controller.index.synced, 10.0, "it is heard of")
        await sim.apply(WEB, {"image": "app:3", "replicas": 3})

        def known() -> object:
            entry = leader.controller.catalogue.entry(WEB)
            return entry is not None and entry.resource.spec.get("replicas")

        await sim.until(lambda: known() == 3, 120.0, "the row is reread")

    simulate(Simulation(3), scenario)


def once(tried: list[float], *, engine_up: bool, store_up: bool) -> list[str]:
    """What ``--once`` could not do, within its time."""

    async def main() -> list[str]:
        clock = SimClock()
        database = FakeDatabase(now=clock.now)
        engine = FakeEngine(clock, images={"app:1": Behaviour(local=True)})
        user = FakeStore(database)
        await user.apply(Manifest(HOME, {}), source="sql")
        await user.apply(Manifest(WEB, {"image": "app:1"}), source="sql")
        if not engine_up:
            engine.go_down()
        database.available = store_up
        controller = Controller(
            Settings(state_dir=Path("/nonexistent"), listen=""),
            FakeStore(database),
            engine,
            database.instance,
            clock=clock,
            random_=random.Random(1),
            keyring=MemoryKeyring(1),
        )
        await controller.run(once=True)
        tried.append(clock.monotonic())
        return controller.once_failed

    return run_virtually(main)


def test_once_ends_when_everything_is_done() -> None:
    tried: list[float] = []
    assert once(tried, engine_up=True, store_up=True) == []
    assert tried[0] < 60.0


def test_once_ends_though_no_engine_comes() -> None:
    tried: list[float] = []
    (told,) = once(tried, engine_up=False, store_up=True)
    assert "before it was over: engine: " in told
    assert tried[0] <= ONCE_SECONDS + 20.0


def test_once_ends_though_no_store_comes() -> None:
    tried: list[float] = []
    (told,) = once(tried, engine_up=True, store_up=False)
    assert "before it was over: store: " in told
    assert tried[0] <= ONCE_SECONDS + 20.0


def test_what_dies_takes_the_pulls_along() -> None:
    """The controller fails: what runs beside the passes is ended too."""

    async def main() -> bool:
        clock = SimClock()
        database = FakeDatabase(now=clock.now)
        controller = Controller(
            Settings(state_dir=Path("/nonexistent"), listen=""),
            FakeStore(database),
            FakeEngine(clock),
            database.instance,
            clock=clock,
            random_=random.Random(1),
            keyring=MemoryKeyring(1),
        )
        closed = asyncio.Event()

        async def close() -> None:
            closed.set()

        async def serve(_core: object) -> None:
            await asyncio.sleep(1.0)
            raise UserError("CONFIGURATION_INVALID_REQUEST", "the port is taken")

        controller.executor.close = close  # type: ignore[method-assign]
        try:
            await controller.run(serve)
        except* UserError:
            pass
        return closed.is_set()

    assert run_virtually(main)
