"""Does a list still agree with what was inspected? It shows less, and costs one call for all."""

from __future__ import annotations

from collections.abc import Iterator

from controller.engine.dirty import Ref
from resources.observed import Container, Network, Volume
from resources.world import World

Thing = Container | Network | Volume


def agrees(held: Container | None, listed: Container) -> bool:
    """Does the inspection we hold still stand, as far as a list can tell?"""
    if held is None or not held.inspected:
        return False
    return _listed(held) == _listed(listed)


def _listed(container: Container) -> tuple[object, ...]:
    """What a list and an inspection both show. (The list hides the health of a paused one.)"""
    places = [(a.network_id, a.address) for a in container.networks]
    health = container.health if container.running else ""
    return (container.name, container.state, health, container.image_id, places, container.mounts)


def things(world: World) -> Iterator[tuple[Ref, Thing]]:
    for id_, container in world.containers.items():
        yield Ref("container", id_), container
    for id_, network in world.networks.items():
        yield Ref("network", id_), network
    for name, volume in world.volumes.items():
        yield Ref("volume", name), volume
