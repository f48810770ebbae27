"""Which backend of its Service a Domain sends requests to.

A Service asks this of every Domain that names it (``Context.referrers``), and publishes what they
want; the Domain asks the same, and publishes its routers once that is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from resources.effective import accepted, effective
from resources.meta import Entry
from resources.routing.document import FIRST, backend_name

if TYPE_CHECKING:  # a Service's plan asks this: the two kinds' models do not wait for each other
    from resources.domain.spec import DomainSpec
    from resources.service.spec import ServiceSpec


class Backend(NamedTuple):
    """port: of the container. first: none is named, so each replica is reached on the first port
    that it was declared with; ``port`` is that of the declaration in force."""

    port: int
    sticky: bool
    first: bool = False


def wanted(spec: DomainSpec, service: ServiceSpec) -> Backend | None:
    """None: no port is given, and the Service declares none that speaks tcp."""
    port = first_port(service) if spec.port is None else spec.port
    return None if port is None else Backend(port, spec.sticky)


def routed(spec: DomainSpec, service: ServiceSpec) -> Backend | None:
    """The same for routers beside the containers: a rollout may move the first port."""
    found = wanted(spec, service)
    return None if found is None else found._replace(first=spec.port is None)


def first_port(service: ServiceSpec) -> int | None:
    """Which is meant where none is named."""
    return next((p.container_port for p in service.ports if p.protocol == "tcp"), None)


def backends(domain: Entry, service: Entry) -> tuple[Backend, ...]:
    """What a Domain wants of that Service: of the declaration in force, and of the newest one,
    since both may be needed for a while. A Domain that goes needs none any more."""
    if domain.resource.deleting:
        return ()
    serving: ServiceSpec | None = effective(service).spec
    if serving is None:
        return ()
    specs: Iterable[DomainSpec | None] = (effective(domain).spec, accepted(domain))
    name = service.key.name
    found = [routed(s, serving) for s in specs if s is not None and s.service == name]
    return tuple(dict.fromkeys(backend for backend in found if backend is not None))


def named(service: Entry, backend: Backend) -> str:
    """As the documents of both call it."""
    key, port = service.key, None if backend.first else backend.port
    return backend_name(
        key.organization, key.name, service.resource.uid, port, sticky=backend.sticky
    )


def denoted(service: Entry, name: str, spec: ServiceSpec | None) -> Backend | None:
    """The backend of that Service that is called so. spec: in force."""
    prefix = named(service, Backend(0, False)).removesuffix("0")
    port, _, suffix = name.removeprefix(prefix).partition("-")
    if not name.startswith(prefix) or suffix not in ("", "sticky"):
        return None
    if port != FIRST:
        return Backend(int(port), bool(suffix)) if port.isdecimal() else None
    first = None if spec is None else first_port(spec)
    return None if first is None else Backend(first, bool(suffix), True)
