"""The live index over both engines: what a person does at the command line arrives, told once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from controller.engine.docker import connect
from controller.engine.index import EngineIndex
from controller.settings import Settings
from resources.observed import Mount
from resources.world import World
from tests.contract.engine.bench import Bench, DockerBench, eventually
from tests.contract.engine.test_engine_networks import connect as joined
from tests.contract.engine.test_engine_networks import disconnect as parted
from tests.e2e.engines import private_engine, root_here
from tests.e2e.harness import short_directory
from tests.images import ensure_busybox_image


class Watched:
    def __init__(self, bench: Bench) -> None:
        self.told: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        self.index = EngineIndex(
            bench.engine, instance=bench.prefix, random_=random.Random(1), on_change=self.note
        )

    def note(self, labels: object, name: str, type_: str) -> None:
        self.told.append((type_, name))
        self.news.set()

    async def until(self, condition: Callable[[World], object], seconds: float = 20.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.index.world):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"never held; told: {self.told[-20:]}") from None


@asynccontextmanager
async def watching(bench: Bench) -> AsyncIterator[Watched]:
    watched = Watched(bench)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.index.run())
        async with asyncio.timeout(30):
            await watched.index.wait_synced()
        yield watched
        task.cancel()


def state(name: str) -> Callable[[World], str]:
    def find(world: World) -> str:
        found = world.container_named(name)
        return found.state if found else "gone"

    return find


async def test_what_happens_arrives(bench: Bench) -> None:
    async with watching(bench) as it:
        network, other, volume = await bench.network(), await bench.network("o"), bench.name("v")
        container = await bench.run(
            "web", network=network.id, mounts=(Mount(volume, "/data"),), restart="always"
        )
        name = container.name

        def is_(word: str) -> Callable[[World], bool]:
            return lambda world: state(name)(world) == word

        await it.until(is_("running"))
        await it.until(lambda w: network.id in w.networks and volume in w.volumes)
        for verb, word in (
            ("pause", "paused"),
            ("kill", "exited"),
            ("start", "running"),
            ("stop", "exited"),
            ("start", "running"),
        ):
            await bench.by_hand(verb, name)
            await it.until(is_(word))
        await bench.engine.connect_network(joined(other, container, "extra"))
        await it.until(lambda w: len(w.containers[container.id].networks) == 2)
        await bench.engine.disconnect_network(parted(other, container))
        await it.until(lambda w: len(w.containers[container.id].networks) == 1)
        await it.until(lambda w: w.containers[container.id].networks[0].address)
        assert it.index.world.containers[container.id] == await bench.see(container.id)
        await bench.by_hand("rename", name, bench.name("other"))
        await it.until(lambda w: w.container_named(bench.name("other")))
        await bench.by_hand("rm", container.id)
        await it.until(lambda w: container.id not in w.containers)
        await bench.by_hand("rm_volume", volume)
        await it.until(lambda w: volume not in w.volumes)
        await bench.remove_network(network)
        await it.until(lambda w: network.id not in w.networks)


async def test_a_listing_of_an_unchanged_world_tells_nothing(bench: Bench) -> None:
    network = await bench.network()
    for short, kind in (("a", "sleeper"), ("b", "healthy"), ("c", "finisher")):
        await bench.run(short, kind, network=network.id)
    await bench.becomes(bench.name("b"), lambda c: c.health == "healthy")
    await bench.becomes(bench.name("c"), lambda c: c.state == "exited")
    await bench.create(bench.spec("d", network=network.id))
    async with watching(bench) as it:
        own = {
            c.name
            for c in it.index.world.containers.values()
            if c.inspected and c.name.startswith(bench.prefix)
        }
        assert own == {bench.name(short) for short in "abcd"}
        it.told.clear()
        for _ in range(3):
            it.index.look_again(1.0)
            await it.index.relist()
        assert [t for t in it.told if t[1].startswith(bench.prefix)] == []


async def test_a_crash_loop_is_followed(bench: Bench) -> None:
    async with watching(bench) as it:
        container = await bench.run("web", "quitter", restart="always")

        def restarts(world: World) -> int:
            held = world.containers.get(container.id)
            return held.restarts if held else 0

        await it.until(lambda w: restarts(w) >= 2)


@pytest.mark.docker
@pytest.mark.skipif(not root_here(), reason="needs to start an engine of its own")
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_an_engine_s_restart_is_survived(how: str) -> None:
    """Stopped, an engine takes its containers down and brings them back by their policies. Killed,
    they live on until it is started again, which ends them for good: somebody must heal that."""
    with short_directory() as place, private_engine(place / "e") as engine:
        ensure_busybox_image(engine.host)
        client = await connect(Settings(), host=engine.host, environment={})
        bench = DockerBench(client, "")
        network = await bench.network()
        always = await bench.run("always", network=network.id, restart="always")
        never = await bench.run("never", network=network.id, restart="never")
        try:
            async with watching(bench) as it:
                await asyncio.to_thread(getattr(engine, how))
                await eventually(lambda: not it.index.synced)
                assert it.index.state == "disconnected"
                await asyncio.to_thread(engine.start)
                async with asyncio.timeout(60):
                    await it.index.wait_synced()
                wanted = ("running",) if how == "stop" else ("exited", "running")
                await it.until(lambda w: state(always.name)(w) in wanted, 60)
                await it.until(lambda w: state(never.name)(w) == "exited", 60)
        finally:
            await bench.close()
