"""The live index against everything that can befall its event stream, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from controller.engine.base import EngineEvent
from resources.labels import L_CONTROLLER, L_NAME
from resources.observed import Container, Limits
from resources.world import World
from tests.fakes.running import listed
from tests.unit.engine.index_lab import MINE, Lab, lab, soon

pytestmark = pytest.mark.looptime


async def test_first_listing_tells_everything_and_then_follows() -> None:
    async with lab(synced=False) as it:
        web = it.run("web")
        it.foreign("other")
        await it.index.wait_synced()
        assert {("container", "web"), ("container", "other"), ("network", "net")} <= set(it.told)
        assert it.index.world.containers[web.id].inspected
        assert (it.index.state, it.relists) == ("connected", ["start"])
        it.assert_current()

        it.changes.clear()
        it.engine.hand.stop("web")
        await soon()
        assert it.told == [("container", "web")]
        it.assert_current()
        it.engine.hand.rm("web")
        await soon()
        it.assert_current()


async def test_every_kind_of_change_arrives() -> None:
    async with lab() as it:
        hand = it.engine.hand
        it.run("web")
        second = hand.create_network("second", "10.1.0.0/16")
        await soon()
        it.assert_current()
        for act in (
            lambda: hand.pause("web"),
            lambda: hand.unpause("web"),
            lambda: hand.update("web", restart="onFailure"),
            lambda: hand.update("web", limits=Limits(1, 10**8, 1)),
            lambda: hand.connect(second.id, "web", ("alias",)),
            lambda: hand.disconnect(second.id, "web"),
            lambda: hand.crash("web", oom=True),
            lambda: hand.stop("web"),
            lambda: hand.start("web"),
            lambda: hand.kill("web"),
            lambda: hand.rename("web", "renamed"),
            lambda: hand.rm("renamed"),
            lambda: hand.create_volume("vol", {L_CONTROLLER: MINE}),
            lambda: hand.rm_volume("vol"),
            lambda: hand.rm_network("second"),
        ):
            it.changes.clear()
            act()
            await soon()
            assert it.told, "a change was told"
            it.assert_current()


async def test_foreign_containers_cost_no_inspections() -> None:
    async with lab() as it:
        it.foreign("other")
        await soon()
        before = it.engine.reads["inspect_container"]
        for _ in range(10):
            it.engine.hand.pause("other")
            it.engine.hand.unpause("other")
        await soon()
        assert it.engine.reads["inspect_container"] == before
        it.engine.hand.rename("other", "another")
        await soon()
        assert it.index.world.container_named("another") is not None


async def test_a_storm_on_one_object_costs_few_looks() -> None:
    async with lab() as it:
        it.run("web")
        await soon()
        before = it.engine.reads["inspect_container"]
        for _ in range(500):
            it.engine.hand.update("web", restart="always")
            it.engine.hand.update("web", restart="never")
        await soon()
        assert it.engine.reads["inspect_container"] - before <= 2
        it.assert_current()


async def test_equal_is_not_told() -> None:
    async with lab() as it:
        it.run("web")
        await soon()
        it.changes.clear()
        await it.resynced(1.0)
        await it.resynced(0.2)
        assert it.told == []
        assert it.relists == ["start", "resync", "resync"]


async def test_lost_events_are_healed_by_a_listing() -> None:
    async with lab() as it:
        for name in ("stays", "stops", "goes"):
            it.run(name)
        await soon()
        it.changes.clear()
        it.engine.stream.mute = True
        it.engine.hand.stop("stops")
        it.engine.hand.rm("goes")
        it.run("comes")
        it.engine.hand.create_network("new", "10.9.0.0/24")
        await soon()
        assert it.told == []
        await it.index.relist()
        it.assert_current()
        assert {name for _, name in it.told} == {"stops", "goes", "comes", "new"}


async def test_what_no_list_shows_is_healed_within_five_resyncs() -> None:
    async with lab() as it:
        for number in range(12):
            it.run(f"web{number}")
        await soon()
        it.engine.stream.mute = True
        for number in range(12):
            it.engine.hand.update(f"web{number}", limits=Limits(7, 10**8, 7))
        await it.resynced(0.2)
        held = it.index.world.containers.values()
        assert sum(c.limits == Limits(7, 10**8, 7, 10**8) for c in held) == 2
        for _ in range(4):
            await it.resynced(0.2)
        it.assert_current()


async def test_an_old_listing_does_not_undo_newer_events() -> None:
    """The answer is drawn up, then delayed; meanwhile one object goes and one comes."""
    async with lab() as it:
        it.run("goes")
        await soon()
        held_back = it.engine.list
        drawn = asyncio.Event()

        async def delayed() -> World:
            world = await held_back()
            drawn.set()
            await asyncio.sleep(1)
            return world

        it.engine.list = delayed  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as group:
            relist = group.create_task(it.index.relist())
            await drawn.wait()
            it.engine.hand.rm("goes")
            it.run("comes")
            network = it.engine.hand.create_network("late", "10.7.0.0/24")
            await soon()
            it.assert_current()
            await relist
        it.assert_current()
        assert network.id in it.index.world.networks


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_the_stream_does_a_resync_round_makes_it_current(seed: int) -> None:
    """Random life, with events lost, repeated, delayed, streams cut and answers slow."""
    chance = random.Random(seed)
    async with lab() as it:

        async def slow(phase: str, operation: str) -> None:
            await asyncio.sleep(chance.random() * 0.05)

        def unruly(event: EngineEvent) -> Iterable[EngineEvent]:
            roll = chance.random()
            if roll < 0.1:
                return ()
            if roll < 0.2:
                return (event, event)
            if roll < 0.3:
                loop = asyncio.get_running_loop()
                loop.call_later(chance.random(), it.engine.stream.deliver, event)
                return ()
            return (event,)

        it.engine.latency, it.engine.stream.filter = slow, unruly
        for number in range(150):
            disturb(it, chance, number)
            await asyncio.sleep(chance.random() * 0.05)
            if chance.random() < 0.03:
                it.engine.stream.end(broken=chance.random() < 0.5)
        await asyncio.sleep(30)
        await it.index.wait_synced()
        await it.resynced(1.0)
        it.assert_current()


def disturb(it: Lab, chance: random.Random, number: int) -> None:
    hand, world = it.engine.hand, it.engine.world
    containers = list(world.containers.values())
    if not containers or chance.random() < 0.25:
        it.run(f"c{number}") if chance.random() < 0.7 else it.foreign(f"f{number}")
        return
    victim = chance.choice(containers)
    match chance.randrange(6):
        case 0:
            hand.rm(victim.id)
        case 1:
            hand.stop(victim.id)
        case 2 if victim.state in ("created", "exited"):
            hand.start(victim.id)
        case 3:
            hand.update(victim.id, restart=chance.choice(["always", "never", "onFailure"]))
        case 4 if victim.running:
            hand.crash(victim.id)
        case _:
            hand.create_volume(f"v{number}")


async def test_labels_before_and_after_are_told() -> None:
    async with lab() as it:
        web = it.run("web")
        await soon()
        it.changes.clear()
        real = it.engine.world
        real.put_container(replace(real.containers[web.id], labels={**web.labels, L_NAME: "new"}))
        it.engine.machine.emit("container", "update", web.id, "web", labels=web.labels)
        await soon()
        assert [change.labels[L_NAME] for change in it.changes if change.labels] == ["new", "web"]


def test_a_list_shows_no_details() -> None:
    container = Container("i", "n", {}, "a", "b", "running", limits=Limits(1, 1, 1), inspected=True)
    assert listed(container).limits is None
