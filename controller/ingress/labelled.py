"""Keeps in the live world what the containers' labels make the proxies serve.

The containers are looked at several times a second, in the mirror of the engine. Where the proxies'
APIs are configured, they say what they have made of the labels. Else a container counts as seen
once it has run, and been well, for as long as a proxy may take to notice.

Containers that are not ours are looked at as well: one whose labels claim a Domain's hostname, or
define what a container of ours defines, takes visitors away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from controller.clock import Clock
from controller.ingress.base import Changed, Proxies, Shelved, Sight
from controller.metrics import METRICS
from resources.errors import UserError
from resources.hostname import covers
from resources.routing import labelled
from resources.routing.carried import PREFIX, read
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Labelled
from resources.world import L_ROUTES, Container, World, is_ours

TICK, EAGER, IDLE = 0.2, 0.4, 3.0
"""Seconds between two looks: at the containers; at the proxies, while something is awaited of them,
and otherwise."""
T = TypeVar("T")
NOT_YET = "the containers' labels have not been read yet"

Hostnames = Callable[[], Iterable[tuple[str, str]]]
"""Of all Domains: uid and hostname."""


class LabelWatch:
    """In the place of ``Mirror``. world: the live one. hostnames: of the Domains. proxies: None
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
        self._since: dict[str, float] = {}
        """By a container's id: since when it has been running and well."""
        self._sights: Sequence[Sight] = ()
        self._looked = float("-inf")
        self._awaiting = False
        self.problem = NOT_YET if proxies is not None else ""
        self.unread = True

    # -- as a mirror is asked
    async def publish(self, step: PublishRoutes) -> None:
        raise UserError("DOMAIN_PUBLISHED_BY_LABELS", f"{step.target}: labels tell the proxies")

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """There is nothing to withdraw."""

    async def read_shelf(self) -> None:
        """There is none."""

    def hurry(self) -> None:
        self._looked = float("-inf")

    def rest(self) -> None:
        """What is known may be old."""
        self.unread = True
        self._sights, self._since = (), {}
        self._looked = float("-inf")

    @property
    def shelf(self) -> Mapping[str, Shelved]:
        """No document lies anywhere."""
        return {}

    @property
    def informed(self) -> bool:
        return not self.unread

    @property
    def deaf(self) -> bool:
        """Whoever runs it looks after it."""
        return False

    @property
    def settled(self) -> bool:
        return not self._awaiting

    # -- what is served
    async def run(self) -> None:
        """For ever."""
        while True:
            await self.turn()
            await asyncio.sleep(TICK)

    async def turn(self) -> None:
        carriers = labelled.carriers(self._world().containers.values(), self._instance)
        await self._ask(carriers)
        now = self._clock.monotonic()
        well = {c.id for c in carriers if c.health in ("", "healthy")}
        self._since = {id_: self._since.get(id_, now) for id_ in well}
        self._place(carriers)
        if self.unread:
            self.unread = False
            self._troubled()

    async def _ask(self, carriers: Sequence[Container]) -> None:
        if self._proxies is None:
            return
        if self._clock.monotonic() < self._looked + (EAGER if self._awaiting else IDLE):
            new = any(c.id not in self._since for c in carriers) or len(carriers) < len(self._since)
            if not new:
                return
        try:
            self._sights = await self._proxies.look()
            self._trouble("")
        except UserError as error:
            self._trouble(error.message)
        self._looked = self._clock.monotonic()

    def _place(self, carriers: Sequence[Container]) -> None:
        world, now = self._world(), self._clock.now()
        seen = {container.id: self._seen(container) for container in carriers}
        self._awaiting = not all(seen.values())
        domains = labelled.labelled(carriers, lambda c: seen[c.id])
        self._accuse(domains, carriers)
        for uid, faults in self._faults(carriers).items():
            domains[uid] = replace(domains[uid], faults=faults)
        services = labelled.serving(carriers, lambda c: seen[c.id], world.serving, now)
        changed = [*_moved(world.labelled, domains), *_moved(world.serving, services)]
        METRICS.ingress_documents.set(len(domains))
        for uid in changed:
            self._changed(uid)

    def _seen(self, container: Container) -> bool:
        since = self._since.get(container.id)
        if self._proxies is None:
            return since is not None and self._clock.monotonic() - since >= self._wait
        wanted = {
            name
            for each in read(container.labels[L_ROUTES])
            for name in labelled.routers(container, each)
        }
        return bool(self._sights) and all(
            all(sight.routers.get(name) == "" for name in wanted)
            and all(url in sight.backends.get(name, ()) for name, url in labelled.urls(container))
            for sight in self._sights
        )

    def _faults(self, carriers: Sequence[Container]) -> dict[str, Mapping[str, str]]:
        """By Domain: what a proxy says is wrong with its routers."""
        found: dict[str, dict[str, str]] = {}
        if not any(fault for sight in self._sights for fault in sight.routers.values()):
            return {}
        for container in carriers:
            for each in read(container.labels[L_ROUTES]):
                for name in labelled.routers(container, each):
                    for sight in self._sights:
                        if fault := sight.routers.get(name):
                            found.setdefault(each.uid, {})[name] = fault
        return dict(found)

    def _accuse(self, domains: dict[str, Labelled], carriers: Sequence[Container]) -> None:
        """Adds those who claim what is not theirs."""
        strangers = [c for c in self._world().containers.values() if self._strange(c)]
        if not strangers:
            return
        own: dict[str, set[str]] = {}
        for container in carriers:
            for each in read(container.labels[L_ROUTES]):
                backends = (name for name, _ in labelled.urls(container))
                for name in (*labelled.routers(container, each), *backends):
                    own.setdefault(name, set()).add(each.uid)
        accused: dict[str, set[str]] = {}
        for stranger in strangers:
            claimed = labelled.claims(stranger)
            for uid, hostname in self._hostnames():
                if any(covers(hostname, host) for host in claimed):
                    accused.setdefault(uid, set()).add(stranger.name)
            for name in labelled.names(stranger) & own.keys():
                for uid in own[name]:
                    accused.setdefault(uid, set()).add(stranger.name)
        for uid, found in accused.items():
            before = domains.get(uid) or Labelled(uid)
            domains[uid] = replace(before, impostors=tuple(sorted(found)))

    def _strange(self, container: Container) -> bool:
        return (
            container.running
            and not is_ours(container.labels, self._instance)
            and any(name.lower().startswith(PREFIX) for name in container.labels)
        )

    def _trouble(self, problem: str) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        METRICS.ingress_up.set(not problem)
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
