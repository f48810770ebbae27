"""Keeps in the live world what the containers' labels make the proxies serve.

The containers are looked at several times a second, in the mirror of the engine, if anything in it
changed. Where the proxies' APIs are configured, they say what they have made of the labels. Else a
container counts as seen once it has run, and been well, for as long as a proxy may take to notice.

Containers that are not ours are looked at as well: one whose labels claim a Domain's hostname, or
define what a container of ours defines, takes visitors away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from controller.clock import Clock
from controller.ingress.base import Changed, Proxies, Sight
from controller.ingress.mirror import HASTE
from controller.metrics import METRICS
from resources.errors import UserError
from resources.hostname import covering
from resources.labels import is_ours
from resources.observed import Container
from resources.routing import container_routes
from resources.routing.definitions import definitions
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Labelled
from resources.world import World

log = structlog.get_logger("ingress")

TICK, EAGER, IDLE = 0.2, 0.4, 3.0
"""Seconds between two looks: at the containers; at the proxies, while something is awaited of them,
and otherwise."""
T = TypeVar("T")
NEVER = float("inf")
SHOWN = 200
"""Characters of somebody's rule."""
NOT_YET = "the containers' labels have not been read yet"


@dataclass(frozen=True, slots=True)
class Hostnames:
    """Of all Domains. changes: grows whenever one of them changed. owners: uids of those that
    declare just this hostname."""

    changes: Callable[[], int] = lambda: 0
    owners: Callable[[str], Iterable[str]] = lambda _hostname: ()

    def claimed(self, host: str) -> Iterable[str]:
        """Whose visitors somebody takes who answers for that host."""
        return (uid for hostname in covering(host) for uid in self.owners(hostname))


class LabelMirror:
    """A ``RouteMirror``. world: the live one. hostnames: of the Domains. proxies: None
    where none is asked. wait: seconds until a container counts as seen then. changed: told the uid
    whose part of the world changed. troubled: told when ``problem`` changes."""

    def __init__(
        self,
        world: Callable[[], World],
        instance: str,
        clock: Clock,
        hostnames: Hostnames,
        proxies: Proxies | None,
        wait: float,
        changed: Changed,
        troubled: Callable[[], None] = lambda: None,
    ) -> None:
        self._world = world
        self._instance = instance
        self._clock = clock
        self._hostnames = hostnames
        self._proxies = proxies
        self._wait = wait
        self._changed = changed
        self._troubled = troubled
        self._warned: frozenset[str] = frozenset()
        self._forget()
        self.problem = NOT_YET if proxies is not None else ""

    def _forget(self) -> None:
        self.unread = True
        self._gathered: tuple[int, int] | None = None
        """Versions of the world and of the hostnames."""
        self._carriers: Sequence[Container] = ()
        self._since: dict[str, float] = {}
        """By a container's id: since when it has been running and well."""
        self._sights: Sequence[Sight] = ()
        self._looked, self._looked_with = -NEVER, frozenset[str]()
        """When, and which containers were running and well then."""
        self._due = NEVER
        """When a container counts as seen without anything else happening."""
        self._eager_until = -NEVER

    # -- as a mirror is asked
    async def publish(self, step: PublishRoutes) -> None:
        raise UserError("DOMAIN_PUBLISHED_BY_LABELS", f"{step.target}: labels tell the proxies")

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """There is nothing to withdraw."""

    async def prepare(self) -> None:
        """Containers are read when it runs."""

    def rest(self) -> None:
        self._forget()

    @property
    def settled(self) -> bool:
        return self._clock.monotonic() >= self._eager_until

    # -- what is served
    async def run(self) -> None:
        """For ever."""
        while True:
            await self.turn()
            await asyncio.sleep(TICK)

    async def turn(self) -> None:
        moved = self._gather()
        told = await self._ask()
        if moved or told or self._clock.monotonic() >= self._due:
            self._place()
        if self.unread:
            self.unread = False
            self._troubled()

    def _gather(self) -> bool:
        """False when nothing changed since it was last done."""
        world, now = self._world(), self._clock.monotonic()
        versions = (world.version, self._hostnames.changes())
        if versions == self._gathered:
            return False
        self._gathered = versions
        self._carriers = container_routes.carriers(world, self._instance)
        well = (c.id for c in self._carriers if c.running and c.health in ("", "healthy"))
        self._since = {id_: self._since.get(id_, now) for id_ in well}
        return True

    async def _ask(self) -> bool:
        """Do the proxies tell anything new?"""
        if self._proxies is None:
            return False
        now, well = self._clock.monotonic(), frozenset(self._since)
        pause = EAGER if now < self._eager_until else IDLE
        if now < self._looked + pause and well == self._looked_with:
            return False
        before, self._looked_with = self._sights, well
        try:
            self._sights = await self._proxies.look()
            self._trouble("")
        except UserError as error:
            self._trouble(error.message)
        self._looked = self._clock.monotonic()
        return [*map(id, before)] != [*map(id, self._sights)]

    def _place(self) -> None:
        world, now = self._world(), self._clock.now()
        seen = {container.id: self._seen(container) for container in self._carriers}
        self._await(seen)
        domains = container_routes.domains(self._carriers, lambda c: seen[c.id])
        self._accuse(domains)
        for uid, faults in self._faults().items():
            domains[uid] = replace(domains[uid], faults=faults)
        services = container_routes.services(
            self._carriers, lambda c: seen[c.id], world.networks, world.serving, now
        )
        changed = [*_moved(world.labelled, domains), *_moved(world.serving, services)]
        METRICS.ingress.documents.set(len(domains))
        for uid in changed:
            self._changed(uid)

    def _seen(self, container: Container) -> bool:
        since = self._since.get(container.id)
        if self._proxies is None:
            return since is not None and self._clock.monotonic() - since >= self._wait
        found = definitions(container)
        wanted = [name for each in found.carried for name in found.routers(each)]
        urls = container_routes.urls(container, self._world().networks)
        return bool(self._sights and urls) and all(
            all(sight.routers.get(name) == "" for name in wanted)
            and all(url in sight.backends.get(name, ()) for name, url in urls)
            for sight in self._sights
        )

    def _await(self, seen: Mapping[str, bool]) -> None:
        """What is running and well is to be seen soon. (What is not, proxies leave out.)"""
        unseen = [since for id_, since in self._since.items() if not seen[id_]]
        patience = self._wait if self._proxies is None else HASTE
        self._due = min(unseen) + self._wait if unseen and self._proxies is None else NEVER
        self._eager_until = max(unseen) + patience if unseen else -NEVER

    def _faults(self) -> dict[str, Mapping[str, str]]:
        """By Domain: what a proxy says is wrong with its routers."""
        wrong = {n: why for sight in self._sights for n, why in sight.routers.items() if why}
        found: dict[str, dict[str, str]] = {}
        for container in self._carriers if wrong else ():
            defined = definitions(container)
            for each in defined.carried:
                for name in wrong.keys() & set(defined.routers(each)):
                    found.setdefault(each.uid, {})[name] = wrong[name]
        return dict(found)

    def _accuse(self, domains: dict[str, Labelled]) -> None:
        """Adds those who claim what is not theirs."""
        strangers = [c for c in self._world().containers.values() if self._strange(c)]
        self._warn(strangers)
        if not strangers:
            return
        accused: dict[str, set[str]] = {}
        defined: dict[str, set[str]] = {}
        for stranger in strangers:
            found = definitions(stranger)
            for name in found.names:
                defined.setdefault(name, set()).add(stranger.name)
            for host in found.claimed:
                for uid in self._hostnames.claimed(host):
                    accused.setdefault(uid, set()).add(stranger.name)
        for container in self._carriers:
            mine = definitions(container)
            for name in mine.names & defined.keys():
                for uid in mine.owners(name):
                    accused.setdefault(uid, set()).update(defined[name])
        for uid, names in accused.items():
            before = domains.get(uid) or Labelled(uid)
            domains[uid] = replace(before, impostors=tuple(sorted(names)))

    def _warn(self, strangers: Sequence[Container]) -> None:
        """Of each once: nobody can tell from a pattern whose visitors it takes."""
        sweeping = [c for c in strangers if (d := definitions(c)).enabled and d.sweeping]
        for container in sweeping:
            if container.id not in self._warned:
                rule = "".join(filter(str.isprintable, definitions(container).sweeping[0]))
                log.warning(
                    "a container that is not ours may take visitors of any domain",
                    container=container.name,
                    rule=rule[:SHOWN],
                )
        self._warned = frozenset(container.id for container in sweeping)

    def _strange(self, container: Container) -> bool:
        return (
            container.running
            and not is_ours(container.labels, self._instance)
            and bool(definitions(container).names)
        )

    def _trouble(self, problem: str) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        METRICS.ingress.up.set(not problem)
        self._troubled()


def _moved(known: dict[str, T], found: Mapping[str, T]) -> list[str]:
    """Makes what is known what was found, in place; the uids whose part changed."""
    changed = [uid for uid, one in found.items() if known.get(uid) != one]
    gone = known.keys() - found.keys()
    for uid in changed:
        known[uid] = found[uid]
    for uid in gone:
        del known[uid]
    return [*changed, *gone]
