"""The proxies behind two Protocols: where documents are put, and what the proxies say they serve.

Traefik by files is the first implementation. What a proxy is asked for says of each document which
version of it is served, so an acknowledgement is exact: published files carry a marker, and the
marker that a proxy shows was read together with the rest of its file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Published


@dataclass(frozen=True, slots=True)
class Marker:
    """Which version of a document a proxy serves. uid: its owner's. edition: another one each time
    it was written, so that what is the same as before is not taken for what was before."""

    uid: str
    digest: str
    edition: str = ""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A document as it lies where the proxies read it. routers, backends: what it defines."""

    published: Published
    routers: frozenset[str] = frozenset()
    backends: frozenset[str] = frozenset()
    edition: str = ""

    @property
    def marker(self) -> Marker:
        """That a proxy shows which serves it."""
        return Marker(self.published.uid, self.published.digest, self.edition)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one proxy serves at a moment. routers: by name, '' or what is wrong with it. backends:
    by name, the server URLs that it sends requests to. documents: by name. uses: the backend that
    each router sends to."""

    routers: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, frozenset[str]] = field(default_factory=dict)
    documents: Mapping[str, Marker] = field(default_factory=dict)
    uses: Mapping[str, str] = field(default_factory=dict)


class Publisher(Protocol):
    """Where documents are put for the proxies. Raises UserError; every call has a deadline."""

    async def publish(self, step: PublishRoutes) -> Shelved:
        """Atomic: a proxy sees the old document or the new one, whole. Equal to what is there:
        nothing is written. What is there then."""
        ...

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """What is not there is withdrawn already."""
        ...

    async def shelf(self) -> Mapping[str, Shelved]:
        """All there is, by the owner's uid, read back. Complete, or it raises."""
        ...


class Proxies(Protocol):
    """The proxies' own word on what they serve."""

    async def look(self) -> Sequence[Sight]:
        """One for each proxy; one that is as it was may be the same object. Raises UserError when
        any does not answer."""
        ...

    async def serve(self, name: str, marker: Marker | None) -> bool:
        """Does every proxy serve this version of the document? None: is it gone from all? Much
        cheaper than a look at everything. Raises UserError."""
        ...

    async def open_connections(self, urls: frozenset[str]) -> Mapping[str, int]:
        """From the proxies to these servers; absent: nobody can tell."""
        ...


class RouteMirror(Protocol):
    """Keeps in the live world what is published, and what the proxies serve."""

    problem: str
    """Why the proxies cannot be asked, or do not answer; '' when all do."""
    unread: bool
    """Nothing is known yet of what is published."""

    @property
    def settled(self) -> bool:
        """Nothing is about to change by itself, or not any more."""
        ...

    async def publish(self, step: PublishRoutes) -> None:
        """Raises UserError."""
        ...

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """Raises UserError."""
        ...

    async def prepare(self) -> None:
        """Before the first pass: reads what can be read already."""
        ...

    async def run(self) -> None:
        """For ever."""
        ...

    def rest(self) -> None:
        """Nobody runs it any more: what is known may be old."""
        ...


Changed = Callable[[str], None]
"""Told the uid of an owner whose Published or Serving changed."""
