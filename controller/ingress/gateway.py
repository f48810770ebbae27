"""The ingress as one thing: what the platform says of it, and what goes on beside the passes.

It works while this process acts. What it started goes on without it: proxies keep serving what was
published last.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from controller.clock import Clock
from controller.ingress.base import Changed, Proxies, Publisher, RouteMirror
from controller.ingress.counting import Counting
from controller.ingress.label_mirror import Hostnames
from controller.ingress.mirror import Mirror
from controller.ingress.orders import OrderBook
from controller.ingress.rollouts import Rollouts
from controller.ingress.traefik import RESOLVER, has_resolver
from controller.settings import Settings, listed
from controller.store.base import Deposed
from controller.traffic import Lately
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import NO_INGRESS, Attempt, Ingress, Requests
from resources.sealed import Sealed
from resources.world import World

log = structlog.get_logger("ingress")


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a gateway is connected to. open_: of the vault. world: the live one. wanted: does a
    resource want to be routed to? here: is the engine on this host (None: not known yet)?
    hostnames: of the Domains. attempted: what the status of a Domain, by its uid, says of orders
    for a hostname. changed: told whose routes changed. troubled: told when what is told
    of the ingress changed. key_of: whose uid it is. wake: puts a key on the queue. epoch: of
    our leadership, as it can be proven now, else None; asked in threads too. drain: seconds
    that the owner of that uid waits for requests to end. informed: told once in
    a term, when it is known what is published and served. whole: has everything been looked at
    since?"""

    settings: Settings
    instance: str
    clock: Clock
    open_: Callable[[Sealed], str]
    world: Callable[[], World]
    wanted: Callable[[], bool]
    here: Callable[[], bool | None]
    changed: Changed
    troubled: Callable[[], None]
    key_of: Callable[[str], Key | None] = lambda _uid: None
    wake: Callable[[Key], None] = lambda _key: None
    hostnames: Hostnames = field(default_factory=Hostnames)
    attempted: Callable[[str, str], Attempt] = lambda _uid, _hostname: Attempt()
    epoch: Callable[[], int | None] = lambda: 0
    drain: Callable[[str], float] = lambda _uid: 3600.0
    informed: Callable[[], None] = lambda: None
    whole: Callable[[], bool] = lambda: True


AGAIN = 5.0
"""Seconds after which what failed is tried again."""

Task = Callable[[], Awaitable[None]]


class Gateway:
    """mode: as in ``Ingress``, once it is known. inherit: awaited before a term. retire: ends what
    former settings asked for, where we keep no proxy. beside: run while the gateway does. orders:
    for certificates, where the proxies order any. counting: of requests, where they can be asked
    for their metrics."""

    def __init__(
        self,
        wiring: Wiring,
        mirror: RouteMirror,
        *,
        mode: Callable[[], str],
        beside: Callable[[], Sequence[Task]] = tuple,
        inherit: Task | None = None,
        retire: Task | None = None,
        close: Task | None = None,
        orders: OrderBook | None = None,
        counting: Counting | None = None,
    ) -> None:
        self._settings = wiring.settings
        self._mode = mode
        self._beside = beside
        self._inherit = inherit
        self._retire = retire
        self._close = close
        self.orders = orders
        self._counting = counting
        self._rollouts: Rollouts | None = None
        if counting is not None:
            self._rollouts = Rollouts(counting, wiring.wake, wiring.clock)
        self._wanted = wiring.wanted
        self._told = NO_INGRESS
        self.mirror = mirror

    def describe(self) -> Ingress:
        """The same object as long as nothing in it changed: it is asked for at every pass."""
        mode = self._mode()
        problem = self.mirror.problem if mode != "none" else ""
        unread = mode != "none" and self.mirror.unread
        if (self._told.mode, self._told.problem, self._told.unread) != (mode, problem, unread):
            self._told = self._described(mode, problem, unread)
        return self._told

    def _described(self, mode: str, problem: str, unread: bool) -> Ingress:
        settings = self._settings
        if mode == "none":
            return NO_INGRESS
        return Ingress(
            mode=mode,
            publish=settings.ingress_publish,
            problem=problem,
            default_domain=settings.default_domain,
            addresses=listed(settings.domain_addresses),
            http_port=settings.http_port,
            https_port=settings.https_port,
            verification=settings.domain_verification,
            resolver=RESOLVER if has_resolver(settings) or self._by_labels else "",
            unread=unread,
            wildcards=settings.acme_challenge == "dns",
            asked=not self._by_labels or bool(listed(settings.ingress_apis)),
        )

    @property
    def _by_labels(self) -> bool:
        """Somebody else's Traefik has the resolver of that name."""
        return self._settings.ingress_publish == "labels"

    @property
    def _routing(self) -> bool:
        return self._mode() != "none"

    @property
    def settled(self) -> bool:
        return not self._routing or not self._wanted() or self.mirror.settled

    async def publish(self, step: PublishRoutes) -> None:
        await self.mirror.publish(step)

    async def withdraw(self, step: WithdrawRoutes) -> None:
        await self.mirror.withdraw(step)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            mode = self._mode()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None) as until_another:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._another(mode, until_another), name="ingress mode")
                        if self._retire is not None and mode in ("none", "external"):
                            group.create_task(_persistent(self._retire), name="former proxies")
                        if mode != "none":
                            group.create_task(self._routes(), name="routes")

    async def _another(self, mode: str, over: asyncio.Timeout) -> None:
        """Ends the work when the mode is another one, as when the engine was asked where it is."""
        while self._mode() == mode:  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(AGAIN)
        over.reschedule(asyncio.get_running_loop().time())

    async def _routes(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.mirror.run(), name="mirror of the proxies")
                if self._counting is not None:
                    group.create_task(self._counting.run(), name="counting of requests")
                for task in self._beside():
                    group.create_task(_persistent(task), name="beside the proxies")
        finally:
            self.mirror.rest()
            if self._counting is not None:
                self._counting.rest()
            if self._rollouts is not None:
                self._rollouts.rest()

    # -- what was asked of the proxies
    def observed(self, context: Context | None, key: Key) -> None:
        """Of each finished pass; None: the resource is gone."""
        if self._rollouts is not None:
            self._rollouts.observed(context, key)

    def requests(self, key: Key) -> Requests | None:
        """To a Service during its newest rollout, once it is over."""
        return self._rollouts.requests(key) if self._rollouts is not None else None

    def lately(self, uid: str) -> Lately | None:
        """Of a Domain; None: nobody tells."""
        return self._counting.lately(uid) if self._counting is not None else None

    async def begin(self) -> None:
        """Before the first pass of a term: what is published already is known then."""
        if self._inherit is not None and self._routing:
            await self._inherit()
        await self.prepare()

    async def prepare(self) -> None:
        """What is published already is known then."""
        await self.mirror.prepare()

    async def close(self) -> None:
        if self._close is not None:
            await self._close()


def document_mirror(wiring: Wiring, publisher: Publisher, proxies: Proxies) -> Mirror:
    """Of what is published as documents."""
    return Mirror(
        publisher,
        proxies,
        wiring.world,
        wiring.clock,
        wiring.changed,
        wiring.troubled,
        wiring.epoch,
        wiring.drain,
    )


async def _persistent(task: Task) -> None:
    """What fails is told and tried again: the controller does more than to route."""
    while True:
        try:
            await task()
            return
        except* (UserError, OSError, Deposed) as group:
            for error in group.exceptions:
                log.error("ingress", problem=str(error))
        await asyncio.sleep(AGAIN)
