"""What is read, and what is heard."""

from __future__ import annotations

from itertools import groupby

from resources.labels import L_CONTROLLER
from resources.observed import Mount
from tests.contract.engine.bench import Bench


async def test_a_scope_holds_what_it_asks_for(bench: Bench) -> None:
    network, volume = await bench.network(), await bench.volume()
    own = await bench.run("own", network=network.id)
    other = {L_CONTROLLER: bench.prefix}
    beside = await bench.run("beside", network=network.id, labels=other)
    mounting = await bench.create(
        bench.spec("mounting", labels=other, mounts=(Mount(volume, "/data"),))
    )
    named = await bench.create(bench.spec("named", labels=other))
    await bench.create(bench.spec("unasked", labels=other))

    world = await bench.scope(uids={bench.uid})
    assert {c.id for c in world.containers.values()} == {own.id}
    assert set(world.networks) == {network.id}
    assert set(world.volumes) == {volume}
    assert world.containers[own.id] == own

    world = await bench.scope(
        uids={bench.uid},
        containers={named.name, bench.name("nowhere")},
        volumes={volume, bench.name("nowhere")},
        networks={network.name, bench.name("nowhere")},
        attached={bench.uid},
        mounting={volume},
        images={own.image, "skypanel/no-such-image:1"},
    )
    assert set(world.containers) == {own.id, beside.id, mounting.id, named.id}
    assert world.containers[own.id].inspected
    assert set(world.images) == {own.image}


async def test_a_listing_holds_everything(bench: Bench) -> None:
    network, volume = await bench.network(), await bench.volume()
    container = await bench.run("own", network=network.id, mounts=(Mount(volume, "/data"),))
    world = await bench.engine.list()
    assert world.networks[network.id] == network
    assert world.volumes[volume] == await bench.engine.inspect_volume(volume)
    listed = world.containers[container.id]
    assert (listed.labels, listed.state) == (bench.labels(), "running")
    assert world.containers_on(network.id) == (listed,)
    assert world.containers_mounting(volume) == (listed,)


ENDING = {"container die", "network disconnect", "container stop"}


def ordered(sounds: list[str]) -> list[str]:
    """The end of a process is told in an order that changed over the engine's versions."""
    result: list[str] = []
    for ending, group in groupby(sounds, lambda sound: sound in ENDING):
        run = list(group)
        result += sorted(run) if ending else run
    return result


async def test_what_a_life_sounds_like(bench: Bench) -> None:
    async with bench.listening() as heard:
        network = await bench.network()
        container = await bench.create(bench.spec("web", network=network.id))
        await bench.start(container)
        await bench.by_hand("pause", container.name)
        await bench.stop(container)
        await bench.start(container)
        await bench.by_hand("rename", container.name, bench.name("other"))
        await bench.remove(container)
        await bench.remove_network(network)
        sounds = await heard.until(container.id, "container destroy")
        assert ordered(sounds) == [
            "container create",
            "network connect", "container start",
            "container pause",
            "container kill", "container unpause",
            "container die", "container stop", "network disconnect",
            "network connect", "container start",
            "container rename",
            "container kill",
            "container die", "network disconnect",
            "container destroy",
        ]  # fmt: skip
        assert (await heard.until(network.id, "network destroy"))[0] == "network create"
        created = next(e for e in heard.events if e.id == container.id)
        assert created.labels == bench.labels()
        assert created.name == bench.name("web")


async def test_what_a_crash_sounds_like(bench: Bench) -> None:
    network = await bench.network()
    async with bench.listening() as heard:
        container = await bench.run("web", "quitter", network=network.id, restart="never")
        await heard.until(container.id, "container die")
        sounds = await heard.until(container.id, "network disconnect")
        assert ordered(sounds) == [
            "container create",
            "network connect", "container start",
            "container die", "network disconnect",
        ]  # fmt: skip


async def test_what_a_volume_sounds_like(bench: Bench) -> None:
    async with bench.listening() as heard:
        name = await bench.volume()
        await bench.by_hand("rm_volume", name)
        assert await heard.until(name, "volume destroy") == ["volume create", "volume destroy"]


async def test_health_and_update_are_heard(bench: Bench) -> None:
    async with bench.listening() as heard:
        container = await bench.run("web", "healthy")
        assert "container health_status" in await heard.until(
            container.id, "container health_status"
        )


async def test_network_changes_of_a_running_container_are_heard(bench: Bench) -> None:
    from tests.contract.engine.test_engine_networks import connect, disconnect

    network = await bench.network()
    container = await bench.run("web")
    async with bench.listening() as heard:
        await bench.engine.connect_network(connect(network, container))
        await bench.engine.disconnect_network(disconnect(network, container))
        sounds = await heard.until(container.id, "network disconnect")
        assert sounds[:2] == ["network connect", "network disconnect"]
