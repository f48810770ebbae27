"""Proxies that load what is published a moment later, as Traefik does; kept honest by
tests/contract/test_ingress_contract.py.

All there is at the moment of loading is loaded, as one. ``deaf`` proxies load nothing new, so
acknowledgements do not come; with ``away`` nobody can be asked.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controller.ingress.base import Marker, Shelved, Sight
from controller.ingress.gateway import Gateway, Wiring, document_mirror
from controller.ingress.leaf import OWN
from resources.errors import UserError
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Published

_MARKERS = ("(", "`")


class FakeIngress:
    """proxies: how many. delay: seconds until a proxy has loaded what was published; called anew
    for each proxy and each change."""

    def __init__(self, *, proxies: int = 1, delay: Callable[[], float] = lambda: 0.0) -> None:
        self.documents: dict[str, Document] = {}
        self.editions: dict[str, str] = {}
        self.edited: set[str] = set()
        self.writes = 0
        self.deaf: set[int] = set()
        self.away = ""
        self.connections: dict[str, int] = {}
        """Open ones by URL; what is not in it has none."""
        self._delay = delay
        self._loaded: list[Sight] = [_sight({}, {}) for _ in range(proxies)]

    # -- a publisher
    async def publish(self, step: PublishRoutes) -> Shelved:
        await asyncio.sleep(0)
        document = step.document
        known = self.documents.get(document.name)
        same = known is not None and known.digest == document.digest
        if not same or document.name in self.edited:
            for name in self._names_of(document.uid) - {document.name}:
                del self.documents[name]
            self.documents[document.name] = copy.deepcopy(document)
            self.edited.discard(document.name)
            self.writes += 1
            self.editions[document.name] = str(self.writes)
            self._load_all()
        return self._shelved(document.name)

    async def withdraw(self, step: WithdrawRoutes) -> None:
        await asyncio.sleep(0)
        for name in {step.name, *self._names_of(step.uid)} & self.documents.keys():
            self.remove(name)

    async def shelf(self) -> Mapping[str, Shelved]:
        await asyncio.sleep(0)
        return {document.uid: self._shelved(name) for name, document in self.documents.items()}

    def _names_of(self, uid: str) -> set[str]:
        return {name for name, document in self.documents.items() if document.uid == uid}

    def _shelved(self, name: str) -> Shelved:
        document = self.documents[name]
        digest = "" if name in self.edited else document.digest
        return Shelved(
            Published(
                document.uid,
                name,
                digest,
                document.servers if digest else frozenset(),
                document.rules if digest else frozenset(),
            ),
            frozenset(_part(document.content, "routers")),
            frozenset(_part(document.content, "services")),
            self.editions[name],
        )

    # -- proxies
    async def look(self) -> Sequence[Sight]:
        await asyncio.sleep(0)
        self._require()
        return tuple(self._loaded)

    async def serve(self, name: str, marker: Marker | None) -> bool:
        await asyncio.sleep(0)
        self._require()
        return all(sight.documents.get(name) == marker for sight in self._loaded)

    async def open_connections(self, urls: frozenset[str]) -> Mapping[str, int]:
        return {url: self.connections.get(url, 0) for url in urls}

    def _require(self) -> None:
        if self.away:
            raise UserError("CONFIGURATION_INGRESS_UNREACHABLE", self.away, retryable=True)

    def _load_all(self) -> None:
        for number in range(len(self._loaded)):
            seconds = self._delay()
            if seconds <= 0:
                self._load(number)
            else:
                asyncio.get_running_loop().call_later(seconds, self._load, number)

    def _load(self, number: int) -> None:
        if number not in self.deaf:
            self._loaded[number] = _sight(self.documents, self.editions)

    def hears_again(self, number: int) -> None:
        self.deaf.discard(number)
        self._load(number)

    # -- what befalls it
    def edit(self, name: str) -> None:
        """Somebody changes the file."""
        self.edited.add(name)
        self._load_all()

    def remove(self, name: str) -> None:
        self.documents.pop(name, None)
        self.edited.discard(name)
        self.writes += 1
        self._load_all()

    def serves(self, number: int = 0) -> Sight:
        return self._loaded[number]

    def gateway(self, wiring: Wiring) -> Gateway:
        return Gateway(wiring, document_mirror(wiring, self, self), mode=lambda: "process")


def _part(content: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {
        name: value
        for protocol in ("http", "tcp", "udp")
        for name, value in (content.get(protocol, {}).get(part) or {}).items()
    }


def _sight(documents: Mapping[str, Document], editions: Mapping[str, str]) -> Sight:
    backends: dict[str, frozenset[str]] = {}
    for document in documents.values():
        for name, service in _part(document.content, "services").items():
            servers = service.get("loadBalancer", {}).get("servers", ())
            backends[name] = frozenset(server["url"] for server in servers)
    routers = {
        name: _fault(router, backends)
        for document in documents.values()
        for name, router in _part(document.content, "routers").items()
    }
    uses = {
        name: router.get("service", "")
        for document in documents.values()
        for name, router in _part(document.content, "routers").items()
    }
    markers = {name: Marker(one.uid, one.digest, editions[name]) for name, one in documents.items()}
    return Sight(routers, backends, markers | {OWN: Marker("platform", "0")}, uses)


def _fault(router: Mapping[str, Any], backends: Mapping[str, Any]) -> str:
    """A little of what Traefik says."""
    rule, service = router.get("rule", ""), router.get("service", "")
    if rule.count("`") % 2 or rule.count("(") != rule.count(")"):
        return f"error while parsing rule {rule}: parsing error"
    if service not in backends:
        return f'the service "{service}@file" does not exist'
    return ""
