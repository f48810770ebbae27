"""What a Service tells the proxies: the addresses that requests for its Domains may go to.

One backend for each port (and stickiness) that some Domain wants. Which replicas are in it is
decided anew by each plan: those that have proven themselves join, those that are in stay until
they are known not to serve, or are about to leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from resources.context import Context
from resources.meta import Entry
from resources.naming import routes_name
from resources.routing.document import Document, backend_name
from resources.routing.steps import PublishRoutes, RouteStep, WithdrawRoutes
from resources.routing.world import Published, Serving
from resources.service.references import network_of
from resources.service.spec import ServiceSpec
from resources.world import Container

COOKIE = "skypanel"
"""Of sticky sessions."""
DRIFT = "routes"


@dataclass(frozen=True, slots=True)
class Backend:
    port: int
    sticky: bool


@dataclass(frozen=True)
class Backends:
    """wanted: by name. seconds of drain. Nothing at all where no proxy is told anything."""

    context: Context
    wanted: Mapping[str, Backend]
    drain: float = 30.0

    @property
    def published(self) -> Published | None:
        return self.context.world.published.get(self.context.uid)

    @property
    def serving(self) -> Serving | None:
        return self.context.world.serving.get(self.context.uid)

    @property
    def unknown(self) -> str:
        """Why nobody can tell what the proxies serve, '' when they say it."""
        return self.context.platform.ingress.problem

    @property
    def concerned(self) -> bool:
        """Is anything to be told, or taken back?"""
        return bool(self.wanted) or self.published is not None

    @cached_property
    def _ports(self) -> frozenset[int]:
        return frozenset(backend.port for backend in self.wanted.values())

    def urls(self, container: Container) -> frozenset[str]:
        """Where it is reached, on every port that is wanted."""
        address = self._address(container)
        return frozenset(_url(address, port) for port in self._ports) if address else frozenset()

    def _address(self, container: Container) -> str:
        network = network_of(self.context)
        if network is None:
            return ""
        places = (place for place in container.networks if place.network_id == network.id)
        return next((place.address for place in places), "")

    def member(self, container: Container) -> bool:
        """Is it among those that requests go to, as far as anybody knows?"""
        urls = self.urls(container)
        told = self.published.servers if self.published is not None else frozenset()
        return bool(urls & told) or self.reached(container)

    def reached(self, container: Container) -> bool:
        """Does some proxy send it requests?"""
        if self.serving is None:
            return False
        urls = self.urls(container)
        return any(urls & there for there in self.serving.anywhere.values())

    def seen(self, container: Container) -> bool:
        """Does every proxy know it, in every backend?"""
        if self.serving is None:
            return not self.wanted
        address = self._address(container)
        return all(
            _url(address, backend.port) in self.serving.everywhere.get(name, frozenset())
            for name, backend in self.wanted.items()
        )

    def end(self) -> tuple[RouteStep, ...]:
        """The Service goes: nothing of it stays published."""
        told = self.published
        if told is None or not self.context.platform.ingress.routing:
            return ()
        cause = "deletion requested"
        return (WithdrawRoutes(uid=self.context.uid, name=told.name, cause=cause),)

    def tell(self, members: Iterable[Container]) -> tuple[RouteStep, ...]:
        """What has to be published or taken back for exactly these to be reached. Nothing while
        it is not known what is published."""
        if self.context.platform.ingress.unread:
            return ()
        if not self.wanted:
            return self._take_back()
        document = self._document(members)
        told = self.published
        if told is not None and told.digest == document.digest:
            return ()
        changed = told is not None and told.digest == ""
        return (
            PublishRoutes(
                document=document,
                cause=_cause(told, document),
                drift=DRIFT if changed or self._lost else "",
            ),
        )

    @property
    def _lost(self) -> bool:
        """The proxies still serve what is published no more."""
        return self.published is None and self.serving is not None

    def _take_back(self) -> tuple[RouteStep, ...]:
        """Not while a router sends requests there: it is the router's turn first."""
        told = self.published
        if told is None or (self.serving is not None and self.serving.used):
            return ()
        cause = "no domain leads here"
        return (WithdrawRoutes(uid=self.context.uid, name=told.name, cause=cause),)

    def _document(self, members: Iterable[Container]) -> Document:
        addresses = sorted({self._address(container) for container in members} - {""})
        services = {
            name: {"loadBalancer": _balancer(backend, addresses)}
            for name, backend in sorted(self.wanted.items())
        }
        key = self.context.key
        name = routes_name("service", key.organization, key.name, self.context.uid)
        return Document(self.context.uid, name, {"http": {"services": services}})


def backends(context: Context, spec: ServiceSpec | None, drain: float) -> Backends:
    """Of a Service whose spec is in force (None: nothing was ever accepted)."""
    if not context.platform.ingress.routing:
        return Backends(context, {})
    key, uid = context.key, context.uid
    found: dict[str, Backend] = {}
    for port, sticky in sorted(_demanded(context, spec)):
        name = backend_name(key.organization, key.name, uid, port, sticky=sticky)
        found[name] = Backend(port, sticky)
    return Backends(context, found, drain)


def first_port(spec: ServiceSpec) -> int | None:
    """Which a Domain means that names none."""
    return next((port.container_port for port in spec.ports if port.protocol == "tcp"), None)


def _demanded(context: Context, spec: ServiceSpec | None) -> set[tuple[int, bool]]:
    default = first_port(spec) if spec is not None else None
    ports = {(_port(domain, default), _sticky(domain)) for domain in context.referrers}
    found = {(port, sticky) for port, sticky in ports if port is not None}
    named = context.platform.ingress.default_domain
    if named and default is not None and spec is not None and spec.type == "app":
        found.add((default, False))
    return found


def _port(domain: Entry, default: int | None) -> int | None:
    """Raw: what is no port is the Domain's own problem."""
    port: Any = domain.resource.spec.get("port", default)
    return port if isinstance(port, int) and 1 <= port <= 65535 else None


def _sticky(domain: Entry) -> bool:
    return domain.resource.spec.get("sticky") is True


def _url(address: str, port: int) -> str:
    return f"http://{address}:{port}"


def _balancer(backend: Backend, addresses: Iterable[str]) -> dict[str, Any]:
    balancer: dict[str, Any] = {
        "passHostHeader": True,
        "servers": [{"url": _url(address, backend.port)} for address in addresses],
    }
    if backend.sticky:
        balancer["sticky"] = {"cookie": {"name": COOKIE, "httpOnly": True, "sameSite": "lax"}}
    return balancer


def _cause(told: Published | None, document: Document) -> str:
    if told is None:
        return "not published"
    if told.digest == "":
        return "what was published was changed"
    now = document.servers
    joins, leaves = sorted(now - told.servers), sorted(told.servers - now)
    said = [f"{word} {', '.join(urls)}" for word, urls in (("with", joins), ("without", leaves))]
    return ", ".join(text for text in said if not text.endswith(" ")) or "its domains changed"
