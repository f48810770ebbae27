"""From the containers that carry routes as labels to what is known of their Domains and Services.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from resources.labels import L_UID, is_ours
from resources.observed import Container, Network
from resources.routing.definitions import definitions
from resources.routing.world import Labelled, Serving
from resources.world import World

Seen = Callable[[Container], bool]


def carriers(world: World, instance: str) -> list[Container]:
    """Ours that carry anything, in whatever state: what does not run may run again as it is."""
    return [
        container
        for container in world.containers.values()
        if is_ours(container.labels, instance) and definitions(container).carried
    ]


def domains(carriers: Iterable[Container], seen: Seen) -> dict[str, Labelled]:
    """By the Domain's uid. seen: does every proxy serve it? Asked of those that run."""
    held: dict[str, set[str]] = {}
    there: dict[str, set[str]] = {}
    served: dict[str, set[str]] = {}
    for container in carriers:
        known = container.running and seen(container)
        for each in definitions(container).carried:
            held.setdefault(each.uid, set()).add(each.digest)
            if container.running:
                there.setdefault(each.uid, set()).add(each.digest)
            if known:
                served.setdefault(each.uid, set()).add(each.digest)
    return {
        uid: Labelled(
            uid,
            digests=frozenset(there.get(uid, ())),
            seen=frozenset(served.get(uid, ())),
            held=frozenset(found),
        )
        for uid, found in held.items()
    }


def services(
    carriers: Iterable[Container],
    seen: Seen,
    networks: Mapping[str, Network],
    before: Mapping[str, Serving],
    now: datetime,
) -> dict[str, Serving]:
    """By the Service's uid: which of its containers requests go to."""
    found: dict[str, dict[str, set[str]]] = {}
    for container in carriers:
        if not container.running:
            continue
        backends = found.setdefault(container.labels.get(L_UID, ""), {})
        known = seen(container)
        for backend, url in urls(container, networks):
            backends.setdefault(backend, set()).update([url] if known else ())
    return {
        uid: Serving(
            uid=uid,
            since=before[uid].since if uid in before else now,
            everywhere=(there := {name: frozenset(one) for name, one in backends.items()}),
            anywhere=there,
        )
        for uid, backends in found.items()
    }


def urls(container: Container, networks: Mapping[str, Network]) -> list[tuple[str, str]]:
    """By backend, on the one network on which Traefik reaches the container. networks: by id."""
    found = definitions(container)
    address = next(
        (
            place.address
            for place in container.networks
            if place.address
            and (network := networks.get(place.network_id)) is not None
            and network.name == found.network
        ),
        "",
    )
    if not address:
        return []
    return [(backend, f"http://{address}:{port}") for backend, port in found.ports.items()]
