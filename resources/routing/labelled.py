"""From the containers that carry routes as labels to what is known of their Domains and Services.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from resources.routing.carried import Carried, hosts, ports, read, rules
from resources.routing.world import Labelled, Serving
from resources.world import L_ROUTES, L_UID, Container, is_ours

Seen = Callable[[Container], bool]


def carriers(containers: Iterable[Container], instance: str) -> list[Container]:
    """Ours that run and carry anything."""
    return [
        container
        for container in containers
        if container.running
        and is_ours(container.labels, instance)
        and read(container.labels.get(L_ROUTES, ""))
    ]


def labelled(containers: Iterable[Container], seen: Seen) -> dict[str, Labelled]:
    """By the Domain's uid. containers: carriers. seen: does every proxy serve it?"""
    there: dict[str, set[str]] = {}
    served: dict[str, set[str]] = {}
    for container in containers:
        known = seen(container)
        for each in read(container.labels[L_ROUTES]):
            there.setdefault(each.uid, set()).add(each.digest)
            if known:
                served.setdefault(each.uid, set()).add(each.digest)
    return {
        uid: Labelled(uid, frozenset(found), frozenset(served.get(uid, ())))
        for uid, found in there.items()
    }


def serving(
    containers: Iterable[Container], seen: Seen, before: Mapping[str, Serving], now: datetime
) -> dict[str, Serving]:
    """By the Service's uid: which of its containers requests go to."""
    found: dict[str, dict[str, set[str]]] = {}
    for container in containers:
        backends = found.setdefault(container.labels.get(L_UID, ""), {})
        for backend, url in urls(container):
            backends.setdefault(backend, set()).update([url] if seen(container) else ())
    return {
        uid: Serving(
            uid=uid,
            since=before[uid].since if uid in before else now,
            everywhere=(there := {name: frozenset(one) for name, one in backends.items()}),
            anywhere=there,
        )
        for uid, backends in found.items()
    }


def urls(container: Container) -> list[tuple[str, str]]:
    """By backend; of each network that it is on."""
    addresses = [place.address for place in container.networks if place.address]
    return [
        (backend, f"http://{address}:{port}")
        for backend, port in ports(container.labels).items()
        for address in addresses
    ]


def routers(container: Container, carried: Carried) -> list[str]:
    """Of that Domain, as the proxies know them."""
    return [name for name in rules(container.labels) if name.endswith(f"-{carried.digest}")]


def claims(container: Container) -> frozenset[str]:
    """The hostnames that somebody's container claims by labels."""
    return frozenset(host for rule in rules(container.labels).values() for host in hosts(rule))


def names(container: Container) -> frozenset[str]:
    """Of all routers and backends that its labels define."""
    return frozenset((*rules(container.labels), *ports(container.labels)))
