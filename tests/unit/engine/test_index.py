"""The live index against everything that can befall its event stream, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from controller.engine.base import EngineEvent
from controller.engine.index import EngineIndex
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_NAME, L_UID
from resources.observed import Container, Limits, Network
from resources.steps import PullImage
from resources.world import World
from tests.fakes.engine import FakeEngine
from tests.fakes.objects import Behaviour
from tests.fakes.running import listed

pytestmark = pytest.mark.looptime

MINE = "mine"


class LoopClock:
    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Change(NamedTuple):
    type: str
    name: str
    labels: Mapping[str, str] | None


@dataclass
class Lab:
    engine: FakeEngine
    index: EngineIndex
    network: Network
    changes: list[Change]
    relists: list[str]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(change.type, change.name) for change in self.changes]

    def run(self, name: str, **labels: str) -> Container:
        own = {L_CONTROLLER: MINE, L_UID: "u", L_NAME: name, **labels}
        return self.engine.hand.run(name, "app:1", labels=own, network=self.network.id)

    def foreign(self, name: str) -> Container:
        return self.engine.hand.run(name, "app:1", network=self.network.id)

    async def resynced(self, share: float) -> None:
        """Listed again, and that share of the containers looked at."""
        again = self.index.look_again(share)
        await self.index.relist()
        await self.index._dirty.settled(again)

    def assert_current(self) -> None:
        """The index holds what there is: own containers to the letter, others by what counts."""
        world, real = self.index.world, self.engine.world
        assert set(world.containers) == set(real.containers)
        for id_, container in real.containers.items():
            held = world.containers[id_]
            if container.labels.get(L_CONTROLLER) == MINE:
                assert held == container
            else:
                assert (held.name, held.mounts) == (container.name, container.mounts)
        assert world.networks == real.networks
        assert world.volumes == real.volumes


@asynccontextmanager
async def lab(*, synced: bool = True, silence: float = 300.0) -> AsyncIterator[Lab]:
    clock = LoopClock()
    engine = FakeEngine(clock, images={"app:1": Behaviour(local=True)}, silence=silence)
    network = engine.hand.create_network("net", "10.0.0.0/16")
    changes: list[Change] = []
    relists: list[str] = []
    index = EngineIndex(
        engine,
        instance=MINE,
        random_=random.Random(1),
        on_change=lambda labels, name, type_: changes.append(Change(type_, name, labels)),
        on_relist=relists.append,
    )
    made = Lab(engine, index, network, changes, relists)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(index.run())
        if synced:
            await index.wait_synced()
            changes.clear()
        yield made
        running.cancel()


async def soon() -> None:
    """Events travel and inspections are answered; no timer is waited for."""
    await asyncio.sleep(0.01)


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


@pytest.mark.parametrize("broken", [False, True])
async def test_a_gap_is_healed(broken: bool) -> None:
    async with lab() as it:
        for name in ("stays", "stops", "goes", "limits"):
            it.run(name)
        await soon()
        it.changes.clear()
        it.engine.stream.end(broken=broken)
        await soon()
        assert not it.index.synced
        it.engine.hand.stop("stops")
        it.engine.hand.rm("goes")
        it.engine.hand.update("limits", restart="always")
        it.run("comes")
        async with asyncio.timeout(5):
            await it.index.wait_synced()
            await soon()
        it.assert_current()
        assert {name for _, name in it.told} == {"stops", "goes", "comes", "limits"}
        assert it.relists == ["start", "error" if broken else "ended"]


async def test_silence_is_a_gap() -> None:
    async with lab(silence=30) as it:
        it.engine.stream.mute = True
        it.run("web")
        await asyncio.sleep(29)
        assert it.index.synced
        await asyncio.sleep(5)
        assert it.index.synced
        assert it.relists == ["start", "error"]
        it.assert_current()


async def test_engine_restart() -> None:
    async with lab() as it:
        hand = it.engine.hand
        it.run("never")
        it.run("always")
        hand.update("always", restart="always")
        await soon()
        await hand.restart_engine(20.0)
        async with asyncio.timeout(20):
            await it.index.wait_synced()
        it.assert_current()
        states = {c.name: c.state for c in it.index.world.containers.values()}
        assert states == {"never": "exited", "always": "running"}


async def test_an_engine_that_is_down_at_first() -> None:
    async with lab(synced=False) as it:
        it.engine.go_down()
        await asyncio.sleep(100)
        assert (it.index.synced, it.index.state) == (False, "disconnected")
        assert "reached" in it.index.last_error
        with pytest.raises(UserError) as caught:
            await it.index.relist()
        assert caught.value.retryable
        attempts = it.engine.reads["events"]
        it.engine.come_up()
        async with asyncio.timeout(16):
            await it.index.wait_synced()
        assert it.index.last_error == ""
        assert attempts == 0


async def test_the_reader_survives_a_listing_that_fails() -> None:
    async with lab(synced=False) as it:
        failures = iter(range(3))

        def fail(phase: str, operation: str, subject: object) -> None:
            if operation == "list" and next(failures, None) is not None:
                raise UserError("CONFIGURATION_ENGINE_FAILED", "no", retryable=True)

        it.engine.faults = fail
        async with asyncio.timeout(60):
            await it.index.wait_synced()
        it.assert_current()


async def test_an_object_the_engine_cannot_show_spoils_nothing() -> None:
    async with lab() as it:
        web = it.run("web")

        def fail(phase: str, operation: str, subject: object) -> None:
            if operation == "inspect_container" and subject == web.id:
                raise UserError("CONFIGURATION_ENGINE_FAILED", "cannot show it", retryable=True)

        it.engine.faults = fail
        it.run("other")
        await soon()
        assert it.index.synced
        assert it.index.world.container_named("other") is not None
        it.engine.faults = None
        await it.index.relist()
        it.assert_current()


async def test_a_relist_under_way_when_the_engine_goes_fails() -> None:
    async with lab() as it:
        for number in range(5):
            it.run(f"web{number}")
        await soon()
        it.engine.stream.mute = True
        for number in range(5):
            it.engine.hand.stop(f"web{number}")
        it.engine.stream.mute = False

        async def slow(phase: str, operation: str) -> None:
            await asyncio.sleep(1)

        it.engine.latency = slow
        async with asyncio.TaskGroup() as group:
            relist = group.create_task(caught(it.index.relist()))
            await asyncio.sleep(2.5)
            it.engine.go_down()
            assert (await relist).code == "CONFIGURATION_ENGINE_UNREACHABLE"
        it.engine.latency = None
        it.engine.come_up()
        await it.index.wait_synced()


async def caught(call: object) -> UserError:
    with pytest.raises(UserError) as found:
        await call  # type: ignore[misc]
    return found.value


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


async def test_images_are_asked_once_until_something_happens_to_one() -> None:
    async with lab() as it:
        it.engine.images.update({"app:2": Behaviour(), "app:3": Behaviour(local=True)})
        wanted = ["app:1", "app:2", "app:3"]
        for _ in range(3):
            await it.index.ensure_images(wanted)
        assert it.engine.reads["inspect_image"] == 3
        assert set(it.index.world.images) == {"app:1", "app:3"}

        await it.engine.pull_image(PullImage(cause="test", reference="app:2"))
        await soon()
        await it.index.ensure_images(["app:2"])
        assert it.index.world.image("app:2") is not None

        it.engine.images["app:1"] = Behaviour()
        it.engine.hand.rmi("app:1")
        await soon()
        await it.index.ensure_images(["app:1"])
        assert it.index.world.image("app:1") is None


async def test_an_image_pulled_while_asking_is_not_missed() -> None:
    async with lab() as it:
        it.engine.images["app:2"] = Behaviour()

        async def slow(phase: str, operation: str) -> None:
            if operation == "inspect_image" and phase == "after":
                await asyncio.sleep(1)

        it.engine.latency = slow
        async with asyncio.TaskGroup() as group:
            group.create_task(it.index.ensure_images(["app:2"]))
            await asyncio.sleep(0.5)
            await it.engine.pull_image(PullImage(cause="test", reference="app:2"))
        assert it.index.world.image("app:2") is not None


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
