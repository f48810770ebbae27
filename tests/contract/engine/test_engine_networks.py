"""Networks: unique only when asked, addressed by id, refused while in use."""

from __future__ import annotations

import pytest

from resources.errors import UserError
from resources.observed import Container, Network
from resources.steps import ConnectNetwork, DisconnectNetwork
from tests.contract.engine.bench import Bench, step


def connect(network: Network, container: Container, *aliases: str) -> ConnectNetwork:
    return ConnectNetwork(
        **step(container), network=network.id, network_name=network.name, aliases=aliases
    )


def disconnect(network: Network, container: Container) -> DisconnectNetwork:
    return DisconnectNetwork(**step(container), network=network.id, network_name=network.name)


async def test_made_and_removed(bench: Bench) -> None:
    subnet = bench.subnet()
    network = await bench.network(subnet=subnet)
    assert network.subnets == (subnet,)
    assert network.labels == bench.labels()
    assert network.bridge.startswith("sky")
    assert await bench.engine.inspect_network(network.id) == network
    await bench.remove_network(network)
    await bench.remove_network(network)
    assert await bench.engine.inspect_network(network.id) is None


async def test_name_taken(bench: Bench) -> None:
    await bench.network()
    with pytest.raises(UserError) as caught:
        await bench.network()
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", True)


async def test_subnet_taken(bench: Bench) -> None:
    first = await bench.network("one")
    with pytest.raises(UserError) as caught:
        await bench.network("two", first.subnets[0])
    assert (caught.value.code, caught.value.retryable) == ("CONFIGURATION_SUBNET_CONFLICT", True)


async def test_names_may_be_ambiguous(bench: Bench) -> None:
    name = bench.name("twice")
    await bench.by_hand("create_network", name, bench.subnet())
    try:
        await bench.by_hand("create_network", name, bench.subnet())
    except UserError as error:
        if error.code != "RESOURCE_CONFLICT":
            raise
        pytest.skip("since API 1.44 the engine refuses a second network of one name")
    await bench.by_hand("create_network", name + "x", bench.subnet())
    world = await bench.scope(networks={name})
    assert [n.name for n in world.networks_named(name)] == [name, name]
    assert len(world.networks) == 2


async def test_not_removed_while_in_use(bench: Bench) -> None:
    network = await bench.network()
    container = await bench.run("web", network=network.id)
    with pytest.raises(UserError) as caught:
        await bench.remove_network(network)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_BUSY", True)
    await bench.stop(container)
    await bench.remove_network(network)


async def test_attached_and_detached(bench: Bench) -> None:
    one, two = await bench.network("one"), await bench.network("two")
    container = await bench.run("web", network=one.id, aliases=("web",))
    await bench.engine.connect_network(connect(two, container, "extra", "more"))
    seen = await bench.see(container.id)
    assert {a.network_id: a.aliases for a in seen.networks} == {
        one.id: ("web",),
        two.id: ("extra", "more"),
    }
    assert all(a.address for a in seen.networks)
    with pytest.raises(UserError) as caught:
        await bench.engine.connect_network(connect(two, container))
    assert caught.value.retryable

    await bench.engine.disconnect_network(disconnect(two, container))
    await bench.engine.disconnect_network(disconnect(two, container))
    seen = await bench.see(container.id)
    assert [a.network_id for a in seen.networks] == [one.id]


async def test_detached_from_a_network_that_is_gone(bench: Bench) -> None:
    network = await bench.network()
    container = await bench.run("web")
    await bench.remove_network(network)
    await bench.engine.disconnect_network(disconnect(network, container))


async def test_connected_to_what_is_gone(bench: Bench) -> None:
    network = await bench.network()
    container = await bench.run("web")
    await bench.by_hand("rm", container.name)
    with pytest.raises(UserError) as caught:
        await bench.engine.connect_network(connect(network, container))
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_NOT_FOUND", True)
