"""What a Service tells the proxies: the addresses that requests for its Domains may go to.

One backend for each port (and stickiness) that some Domain wants. Which replicas are in it is
decided anew by each plan: those that have proven themselves join, those that are in stay until
they are known not to serve, or are about to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from resources.context import Context
from resources.domain.backends import Backend, denoted, first_port, named
from resources.domain.backends import backends as backends_of
from resources.domain.container_labels import by_labels, container_labels
from resources.labels import L_ROUTES
from resources.naming import routes_name
from resources.observed import Container
from resources.routing import default_name
from resources.routing.document import Document
from resources.routing.routes_label import read
from resources.routing.rules import STICKY
from resources.routing.steps import PublishRoutes, RouteStep, WithdrawRoutes
from resources.routing.world import Published, Serving
from resources.service.references import network_of
from resources.service.spec import ServiceSpec

DRIFT = "routes"

Declared = Callable[[Container], int | None]
"""The first port of what a container was made from; None: nobody knows."""


@dataclass(frozen=True)
class Backends:
    """wanted: by name. drain: seconds. default: that of the name that an app has without a Domain.
    declared: of old and new containers during a rollout. Nothing at all where no proxy is told
    anything."""

    context: Context
    wanted: Mapping[str, Backend]
    drain: float = 30.0
    default: Backend | None = None
    declared: Declared = lambda container: None

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

    def urls(self, container: Container) -> frozenset[str]:
        """Where it is reached, in every backend that is wanted."""
        if not (address := self._address(container)):
            return frozenset()
        return frozenset(self._url(address, name, container) for name in self.wanted)

    def _url(self, address: str, name: str, container: Container) -> str:
        backend = self.wanted[name]
        port = self._first(address, name, container) if backend.first else None
        return f"http://{address}:{port or backend.port}"

    def _first(self, address: str, name: str, container: Container) -> int | None:
        """One that nobody knows any more is reached where the proxies reach it."""
        if (port := self.declared(container)) is not None or self.serving is None:
            return port
        there = map(urlsplit, sorted(self.serving.anywhere.get(name, ())))
        return next((url.port for url in there if url.hostname == address), None)

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
        """Does some proxy send it requests, or may it, by what was last published?"""
        urls = self.urls(container)
        if self.published is not None and urls & self.published.servers:
            return True  # published is not served, but may be at any moment
        if self.serving is None:
            return False
        if not self.serving.current:
            return True  # of an earlier version nobody knows when it was loaded
        return self._served(container)

    def told(self, container: Container) -> bool:
        """Are the proxies told of it, as far as anybody knows?"""
        listed = self._listed(container)
        return self.reached(container) if listed is None else listed

    def joined(self, container: Container) -> bool:
        """Has it been let in? While what the proxies serve is of an earlier version, only what was
        published tells: that it may be reached then is no proof."""
        listed = self._listed(container)
        return self._served(container) if listed is None else listed

    def _listed(self, container: Container) -> bool | None:
        """In what is published. None: nothing is, or nobody can tell what."""
        if self.published is None or not self.published.digest:
            return None
        return bool(self.urls(container) & self.published.servers)

    def _served(self, container: Container) -> bool:
        """By some proxy, as it was last seen."""
        urls = self.urls(container)
        anywhere = self.serving.anywhere.values() if self.serving is not None else ()
        return any(urls & there for there in anywhere)

    def seen(self, container: Container) -> bool:
        """Does every proxy know it, in every backend?"""
        if self.serving is None:
            return not self.wanted
        address = self._address(container)
        return all(
            self._url(address, name, container) in self.serving.everywhere.get(name, frozenset())
            for name in self.wanted
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
        """It was removed, but not by us: what we took back is known for a while as well."""
        serving = self.serving
        if self.published is not None or serving is None:
            return False
        return serving.removed or any(serving.anywhere.values())

    def _take_back(self) -> tuple[RouteStep, ...]:
        """Not while a router sends requests there: it is the router's turn first."""
        told = self.published
        if told is None or (self.serving is not None and self.serving.used):
            return ()
        cause = "no domain leads here"
        return (WithdrawRoutes(uid=self.context.uid, name=told.name, cause=cause),)

    def _document(self, members: Iterable[Container]) -> Document:
        places = {c.id: (self._address(c), c) for c in members}
        there = sorted((each for each in places.values() if each[0]), key=lambda each: each[0])
        services = {
            name: {"loadBalancer": _balancer(backend, [self._url(a, name, c) for a, c in there])}
            for name, backend in sorted(self.wanted.items())
        }
        key, uid = self.context.key, self.context.uid
        name = routes_name("service", key.organization, key.name, uid)
        return Document(uid, name, {"http": {"services": services, **self._default()}})

    def _default(self) -> dict[str, Any]:
        """The routers of the name that an app has without a Domain."""
        if self.default is None:
            return {}
        key, ingress = self.context.key, self.context.platform.ingress
        backend = named(self.context.entry, self.default)
        return default_name.routing(key.organization, key.name, self.context.uid, backend, ingress)


@dataclass(frozen=True)
class ByLabels(Backends):
    """The containers tell the proxies themselves, by their labels: requests go to one as soon as it
    runs, and until it has ended, whatever is published. wanted: by what the proxies call them. All
    that can be done is to let none go before another is seen."""

    @property
    def published(self) -> None:
        return None

    def member(self, container: Container) -> bool:
        return container.running and bool(read(container.labels.get(L_ROUTES, "")))

    told = member
    joined = member

    def reached(self, container: Container) -> bool:
        """Nothing but its end takes it out."""
        return False

    def end(self) -> tuple[RouteStep, ...]:
        return ()

    def tell(self, members: Iterable[Container]) -> tuple[RouteStep, ...]:
        return ()


def backends(
    context: Context,
    spec: ServiceSpec | None,
    drain: float,
    declared: Declared = lambda container: None,
) -> Backends:
    """Of a Service whose spec is in force (None: nothing was ever accepted). One that a router
    still leads to stays until it does not: what leads nowhere would fall to another's wildcard."""
    if by_labels(context.platform.ingress):
        services = container_labels(context, spec).services if spec is not None else ()
        return ByLabels(context, {s.label: Backend(s.port, s.sticky) for s in services}, 0.0)
    if not context.platform.ingress.routing:
        return Backends(context, {})
    default, entry = _default(context, spec), context.entry
    serving = context.world.serving.get(context.uid)
    used = serving.used if serving is not None else frozenset()
    found = {name: kept for name in used if (kept := denoted(entry, name, spec)) is not None}
    wanted = {b for domain in context.referrers for b in backends_of(domain, entry)}
    wanted |= {default} if default is not None else set()
    found |= {named(entry, backend): backend for backend in sorted(wanted)}
    return Backends(context, found, drain, default, declared)


def _default(context: Context, spec: ServiceSpec | None) -> Backend | None:
    if not context.platform.ingress.default_domain or spec is None or spec.type != "app":
        return None
    port = first_port(spec)
    return None if port is None else Backend(port, False, True)


def _balancer(backend: Backend, urls: Iterable[str]) -> dict[str, Any]:
    balancer: dict[str, Any] = {
        "passHostHeader": True,
        "servers": [{"url": url} for url in urls],
    }
    if backend.sticky:
        balancer["sticky"] = STICKY
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
