"""The certificate watcher: reads what the proxies really serve for each Domain that is published.

It connects to the HTTPS entry point, names the hostname (SNI) and reads the certificate that comes
back; nothing is verified, since a makeshift certificate is exactly what is to be found out. Of
several proxies the worst counts; one that cannot be reached from here says nothing. While a
hostname's own certificate is not served yet it is looked at often, afterwards now and then.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from controller.clock import Clock
from controller.reconcile.observe import Observation
from controller.reconcile.watching import Watch
from resources.domain.routing import certified
from resources.domain.standing import stand
from resources.hostname import WILDCARD, covers
from resources.meta import Key
from resources.routing.world import Attempt, Certificate
from resources.world import World
from resources.x509 import Said, read_der

TIMEOUT = 5.0
"""Seconds for one connection."""
SOON, NOW_AND_THEN = 5.0, 600.0
"""Seconds between two looks, while something is amiss, and when all is well."""
PATIENCE = 60
"""Looks in a row that found something amiss, after which it is looked at now and then."""
SOON_OVER, SOON_SHARE = timedelta(days=7), 0.2
"""Before its end a certificate should long have been renewed; a short-lived one in the last part of
its life."""
CONCURRENCY = 8
MOST = 8
"""Proxies that are looked at."""
Place = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class HandshakeTarget:
    """uid: the Domain's. name: to ask for; of a wildcard some name that it covers. digest: of what
    is published; something else published is looked at anew. ordered: by the proxies."""

    uid: str
    hostname: str
    name: str
    digest: str
    ordered: bool = False


class Fetch(Protocol):
    """The certificates that are served for a name, as DER; none where nobody knows by whom. Raises
    OSError, TimeoutError."""

    async def __call__(self, name: str) -> Sequence[bytes]: ...


class CertificateOrders(Protocol):
    """That the proxies make."""

    def missing(self, uid: str, hostname: str) -> Attempt: ...

    def known(self, uid: str, hostname: str) -> Attempt: ...

    def settled(self, hostname: str) -> None: ...

    def forget(self, uid: str, hostname: str) -> None: ...

    async def failure(self, hostname: str) -> str:
        """Of the last order; '' when there is none."""
        ...


class Handshake:
    """places: host and port of every HTTPS entry point, asked anew each time. A name stands for
    all of its addresses."""

    def __init__(self, places: Callable[[], Sequence[Place]]) -> None:
        self._places = places
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def __call__(self, name: str) -> list[bytes]:
        looks = [self._resolved(place) for place in self._places()]
        found = await asyncio.gather(*looks, return_exceptions=True)
        known = [one for one in found if not isinstance(one, BaseException)]
        places = [*dict.fromkeys(place for one in known for place in one)][:MOST]
        tries = [self._shown(name, place) for place in places]
        shown = await asyncio.gather(*tries, return_exceptions=True)
        served = [one for one in shown if isinstance(one, bytes)]
        for error in (*shown, *found):
            if isinstance(error, BaseException) and not served:
                raise error
        return served

    async def _resolved(self, place: Place) -> list[Place]:
        async with asyncio.timeout(TIMEOUT):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(*place, type=socket.SOCK_STREAM)
        return [(str(address[0]), place[1]) for *_, address in found]

    async def _shown(self, name: str, place: Place) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(
                *place, ssl=self._context, server_hostname=name
            )
        try:
            found: ssl.SSLObject = writer.get_extra_info("ssl_object")
            return found.getpeercert(binary_form=True) or b""
        finally:
            writer.transport.abort()


class CertificateWatcher(Watch[HandshakeTarget]):
    def __init__(
        self,
        world: Callable[[], World],
        wake: Callable[[Key], None],
        clock: Clock,
        random_: random.Random,
        fetch: Fetch,
        orders: CertificateOrders | None = None,
    ) -> None:
        super().__init__()
        self._world = world
        self._wake = wake
        self._clock = clock
        self._random = random_
        self._fetch = fetch
        self._orders = orders
        self._slots = asyncio.Semaphore(CONCURRENCY)

    def _derived(self, observation: Observation | None) -> HandshakeTarget | None:
        return _target(observation)

    def _forget(self, target: HandshakeTarget, instead: HandshakeTarget | None) -> None:
        if instead is not None and instead.hostname == target.hostname:
            return
        if self._orders is not None:
            self._orders.forget(target.uid, target.hostname)
        self._world().certificates.pop(target.uid, None)

    async def _look(self, key: Key, target: HandshakeTarget) -> None:
        amiss = 0
        while True:
            async with self._slots:
                found = await self._with_order(target, await self._read(target))
            certificates = self._world().certificates
            if certificates.get(target.uid) != found:
                certificates[target.uid] = found
                self._wake(key)
            amiss = 0 if found.covers and not found.ending else amiss + 1
            pause = SOON if 0 < amiss <= PATIENCE else NOW_AND_THEN
            await asyncio.sleep(pause * self._random.uniform(0.9, 1.1))

    async def _with_order(self, target: HandshakeTarget, found: Certificate) -> Certificate:
        if self._orders is None or not target.ordered:
            return found
        if found.covers:
            self._orders.settled(target.hostname)
            return found
        if found.error:  # perhaps it is served
            return replace(found, attempt=self._orders.known(target.uid, target.hostname))
        attempt = self._orders.missing(target.uid, target.hostname)
        failure = await self._orders.failure(target.hostname)
        return replace(found, failure=failure, attempt=attempt)

    async def _read(self, target: HandshakeTarget) -> Certificate:
        try:
            served = [read_der(each) for each in await self._fetch(target.name)]
        except TimeoutError:
            return Certificate(target.uid, error="the HTTPS entry point does not answer in time")
        except OSError as error:
            return Certificate(target.uid, error=f"no HTTPS connection: {_words(error)}")
        except ValueError as error:
            return Certificate(target.uid, error=f"what is served {error}")
        now = self._clock.now()
        unknown = Certificate(target.uid, hidden=True)
        return min((seen(target, said, now) for said in served), key=_worth, default=unknown)


def seen(target: HandshakeTarget, said: Said, now: datetime) -> Certificate:
    hit = any(covers(name, target.hostname) for name in said.names)
    left = said.not_after - now
    soon = min(SOON_OVER, (said.not_after - said.not_before) * SOON_SHARE)
    ending = "over" if left <= timedelta() else "soon" if left <= soon else ""
    return Certificate(target.uid, said.issuer, said.names, said.not_after, hit, ending)


def _worth(found: Certificate) -> tuple[bool, datetime | None]:
    return found.covers, found.not_after


def _words(error: OSError) -> str:
    """Without the addresses and ports that differ from time to time."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "the handshake failed"
    return error.strerror or type(error).__name__


def _target(observation: Observation | None) -> HandshakeTarget | None:
    """Of what every proxy serves and ought to have a certificate."""
    context = observation.context if observation is not None else None
    if context is None or context.deleting or context.spec is None:
        return None
    if context.ref("Organization", context.key.organization) is None:
        return None
    standing = stand(context)
    if standing.declared.spec is None or standing.suspended or standing.obstacle is not None:
        return None
    if not certified(standing.spec, standing.ingress) or not standing.programmed:
        return None
    hostname = standing.spec.hostname
    name = hostname.replace(WILDCARD, "certificate-check.", 1)
    digest = standing.published.digest if standing.published is not None else ""
    ordered = standing.spec.tls.issuer == "letsencrypt"
    return HandshakeTarget(context.uid, hostname, name, digest, ordered)
