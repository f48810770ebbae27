"""Reads what the proxies count of requests, and adds it up for each Domain and each Service.

Every ten seconds, and at once when somebody asks; what took long is read more rarely. Counts are
kept for as long as this process acts: a proxy that was there before is counted from its first
reading on, one that starts later from its start. What a proxy counted in the last moments before it
ended is lost, so all of it is a lower bound. A proxy that tells nothing is no error of anybody's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from controller.clock import Clock
from controller.ingress.api import Address, Apis
from controller.ingress.base import Shelved
from controller.ingress.exposition import (
    BUCKET,
    REQUESTS,
    Exposition,
    Scrape,
    Series,
    increases,
)
from controller.metrics import METRICS
from controller.traffic import CODES, Lately, Traffic
from resources.errors import UserError
from resources.meta import Key

log = structlog.get_logger("traffic")

EVERY, LATEST = 10.0, 300.0
"""Seconds between two readings, and at most."""
SHARE, EAGER_SHARE = 50.0, 4.0
"""What was read is not read before this many times its own duration has passed; the second: while
somebody waits for it."""
FIRST_WAIT = 0.05
KEPT, APART = 6, 60.0
"""Earlier counts for what ``lately`` tells: how many, and seconds between them."""


@dataclass(slots=True)
class Served:
    """Of a Service's requests, by whatever name they came."""

    seen: float = 0.0
    failed: float = 0.0


@dataclass(frozen=True, slots=True)
class Owners:
    """By name: the uid of whose document defines it."""

    routers: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shelf: Iterable[Shelved]) -> Owners:
        routers, backends = {}, {}
        for one in shelf:
            routers.update(dict.fromkeys(one.routers, one.published.uid))
            backends.update(dict.fromkeys(one.backends, one.published.uid))
        return cls(routers, backends)


Told = Callable[[float], None]
"""Told when a reading began (monotonic), once it has been added up."""


class Counting:
    """shelf: what is published. key_of: whose uid it is. own: the proxies are ours, so that what
    they do not tell did not happen."""

    def __init__(
        self,
        apis: Apis,
        addresses: Callable[[], Sequence[Address]],
        shelf: Callable[[], Mapping[str, Shelved]],
        key_of: Callable[[str], Key | None],
        clock: Clock,
        *,
        own: Callable[[], bool],
    ) -> None:
        self._apis = apis
        self._addresses = addresses
        self._shelf = shelf
        self._key_of = key_of
        self._clock = clock
        self._own = own
        self.told: Told = lambda _began: None
        self._news = asyncio.Event()
        self._forget()

    def _forget(self) -> None:
        self._scrapes: dict[Address, Scrape] = {}
        self._since = self._clock.now().timestamp()
        self._domains: dict[str, Traffic] = {}
        self._services: dict[str, Served] = {}
        self._earlier: deque[tuple[float, Mapping[str, Traffic]]] = deque(maxlen=KEPT)
        self._took = 0.0
        self.telling = False
        """Did any proxy tell at the last reading?"""

    async def run(self) -> None:
        """For ever."""
        self._forget()
        while True:
            self._news.clear()
            await self.read()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LATEST, max(EVERY, SHARE * self._took))):
                    await self._news.wait()
                    await asyncio.sleep(max(FIRST_WAIT, EAGER_SHARE * self._took))

    def hurry(self) -> None:
        """Somebody waits for a reading that has not begun yet."""
        self._news.set()

    def rest(self) -> None:
        """Nobody reads any more."""
        self._forget()
        METRICS.traffic.show({})

    async def read(self) -> None:
        began = self._clock.monotonic()
        addresses = self._addresses()
        for gone in self._scrapes.keys() - set(addresses):
            del self._scrapes[gone]
        found = await asyncio.gather(*(self._asked(address) for address in addresses))
        grown: dict[Series, float] = {}
        self.telling = False
        for address, scrape in zip(addresses, found, strict=True):
            if scrape is None:
                continue
            self.telling = self.telling or self._own() or bool(scrape.counts)
            new = increases(self._scrapes.get(address), scrape, self._since)
            self._scrapes[address] = scrape
            for series, value in new.items():
                grown[series] = grown.get(series, 0.0) + value
        self._add(grown)
        self._took = self._clock.monotonic() - began
        METRICS.ingress.traffic.observe(self._took)
        self.told(began)

    async def _asked(self, address: Address) -> Scrape | None:
        exposition = Exposition()
        try:
            await self._apis.pour(address, "/metrics", exposition.feed)
        except UserError as error:
            log.debug("no metrics", problem=error.message)
            return None
        return exposition.scrape()

    def _add(self, grown: Mapping[Series, float]) -> None:
        owners = Owners.of(self._shelf().values())
        parts: dict[str, dict[Series, float]] = {}
        for series, value in grown.items():
            if (uid := owners.routers.get(series.router)) is not None:
                parts.setdefault(uid, {})[series] = value
            service = owners.backends.get(series.service)
            if service is not None and series.what == REQUESTS:
                served = self._services.setdefault(service, Served())
                served.seen += value
                served.failed += value if series.label == "5xx" else 0.0
        known = {uid: self._key_of(uid) for uid in (*self._shelf(), *self._domains)}
        domains = {uid: key for uid, key in known.items() if key and key.kind == "Domain"}
        self._domains = {
            uid: grew(self._domains.get(uid, _NOTHING), parts.get(uid)) for uid in domains
        }
        self._services = {uid: one for uid, one in self._services.items() if uid in known}
        self._remember()
        METRICS.traffic.show(
            {(key.organization, key.name): self._domains[uid] for uid, key in domains.items()}
            if self.telling or self._scrapes
            else {}
        )

    def _remember(self) -> None:
        now = self._clock.monotonic()
        if self.telling and (not self._earlier or now - self._earlier[-1][0] >= APART):
            self._earlier.append((now, self._domains))

    # -- what was counted
    def served(self, uid: str) -> Served | None:
        """Of a Service since this process acts; None: no router leads to it, or nobody tells."""
        one = self._shelf().get(uid)
        if one is None or not one.backends or not self.telling:
            return None
        found = self._services.get(uid, Served())
        return Served(found.seen, found.failed)

    def lately(self, uid: str) -> Lately | None:
        """Of a Domain, in the last minutes; None: nobody tells."""
        traffic = self._domains.get(uid)
        if traffic is None or not self._earlier or not self.telling:
            return None
        at, before = self._earlier[0]
        then = before.get(uid, _NOTHING)
        return Lately(traffic.since(then), self._clock.monotonic() - at)


_NOTHING = Traffic(dict.fromkeys(CODES, 0.0))


def grew(traffic: Traffic, grown: Mapping[Series, float] | None) -> Traffic:
    if not grown:
        return traffic
    codes, buckets, seconds = dict(traffic.codes), dict(traffic.buckets), traffic.seconds
    for (_, _, what, label), value in grown.items():
        if what == REQUESTS:
            codes[label] = codes.get(label, 0.0) + value
        elif what == BUCKET:
            bound = float(label)
            buckets[bound] = buckets.get(bound, 0.0) + value
        else:
            seconds += value
    return Traffic(codes, buckets, seconds)
