"""Orders of certificates: when they are made, and why they failed.

Traefik orders whatever its routers ask for and do not have, at *each* change of its configuration,
by whomever; authorities count failures (Let's Encrypt allows five for a hostname in an hour). So no
route of a tenant asks for anything: an order is a router of its own in the constant document, which
is there until every proxy has seen it and no longer.

Attempts are counted for each hostname, and told in the status of its Domains before they are made,
where a restart finds them: the first at once, the next after ``first`` seconds, then more and more
rarely.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Set
from datetime import timedelta
from pathlib import Path

import structlog

from controller.clock import Clock
from resources.routing.world import Attempt

log = structlog.get_logger("ingress")

SLOWER, RAREST = 10.0, 3600.0
"""By which each pause is longer than the one before; seconds between two attempts at most."""
TELLING = 0.1
"""Seconds between two looks whether a status tells of an attempt by now."""
REMEMBERED = 10_000
"""Hostnames of which attempts are known though nobody asks any more."""
TAIL = 200_000
"""Bytes of the proxy's log that are looked through."""
LONGEST = 300
_FAILED = re.compile(
    r'^\S+ ERR Unable to obtain ACME certificate for domains error="((?:[^"\\]|\\.)*)"'
    r".*? domains=\[([^\]]*)\]",
    re.MULTILINE,
)


class OrderBook:
    """order: makes the proxies order certificates for these hostnames, once. told: of a Domain, by
    its uid, what the store's status says of a hostname. failures: by hostname, as the proxies tell
    (blocking)."""

    def __init__(
        self,
        clock: Clock,
        first: float,
        order: Callable[[Set[str]], Awaitable[None]],
        told: Callable[[str, str], Attempt],
        failures: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._clock = clock
        self._first = first
        self._order = order
        self._told = told
        self._failures = failures
        self._known: dict[str, Attempt] = {}
        self._wanted: dict[str, set[str]] = {}
        """Attempts that are to be made, by hostname: the uids of the Domains that ask."""
        self._news = asyncio.Event()

    def missing(self, uid: str, hostname: str) -> Attempt:
        """No certificate is served for that Domain: what is to be told of it."""
        known = self.known(uid, hostname)
        if known.due is None or known.due <= self._clock.now():
            known = self._next(known)
            self._wanted[hostname] = set()
        if hostname in self._wanted:
            self._wanted[hostname].add(uid)
            self._news.set()
        self._remember(hostname, known)
        return known

    def known(self, uid: str, hostname: str) -> Attempt:
        """Of whichever Domain has that hostname; also while nobody can tell what is served."""
        told, here = self._told(uid, hostname), self._known.get(hostname, Attempt())
        return max(told, here, key=lambda attempt: attempt.number)

    def settled(self, hostname: str) -> None:
        """It is served."""
        self._known.pop(hostname, None)
        self._wanted.pop(hostname, None)

    def forget(self, uid: str, hostname: str) -> None:
        """That Domain asks no more; what was attempted stays known."""
        asking = self._wanted.get(hostname, set())
        asking.discard(uid)
        if not asking:
            self._wanted.pop(hostname, None)

    async def failure(self, hostname: str) -> str:
        """Why the last order for it failed; '' when nobody can tell."""
        failures = await asyncio.to_thread(self._failures)
        return failures.get(hostname, "")

    async def run(self) -> None:
        """Until cancelled. Raises what ``order`` raises; it is ordered again then."""
        while True:
            self._news.clear()
            if ready := self._ready():
                await self._make(ready)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELLING if self._wanted else None):
                    await self._news.wait()
                await asyncio.sleep(TELLING)

    async def _make(self, hostnames: frozenset[str]) -> None:
        log.info("certificates that are missing are ordered", hostnames=sorted(hostnames))
        asking = {hostname: self._wanted.pop(hostname) for hostname in hostnames}
        try:
            await self._order(hostnames)
        except BaseException:
            self._wanted = {**asking, **self._wanted}
            raise

    def _ready(self) -> frozenset[str]:
        """Some status tells of the attempt: whoever comes after us knows of it."""
        return frozenset(
            hostname
            for hostname, uids in self._wanted.items()
            if any(self._told(u, hostname).number >= self._known[hostname].number for u in uids)
        )

    def _next(self, before: Attempt) -> Attempt:
        pause = min(self._first * SLOWER**before.number, RAREST)
        due = self._clock.now() + timedelta(seconds=pause)
        return Attempt(before.number + 1, due.replace(microsecond=0))

    def _remember(self, hostname: str, attempt: Attempt) -> None:
        self._known.pop(hostname, None)
        self._known[hostname] = attempt
        while len(self._known) > REMEMBERED:
            oldest = next(iter(self._known))
            self._known.pop(oldest)
            self._wanted.pop(oldest, None)


class Log:
    """What a Traefik beside us wrote about orders; read only when there is more of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._found: dict[str, str] = {}

    def __call__(self) -> dict[str, str]:
        """The last failure by hostname. Blocking."""
        try:
            status = self._path.stat()
            seen = status.st_mtime_ns, status.st_size
            if seen != self._seen:
                with self._path.open("rb") as opened:
                    opened.seek(max(0, status.st_size - TAIL))
                    self._found = failed(opened.read().decode(errors="replace"))
                self._seen = seen
        except OSError:
            return {}
        return self._found


def failed(text: str) -> dict[str, str]:
    """By hostname, out of the proxy's log: the last one counts."""
    found = {}
    for line in _FAILED.finditer(text):
        words = re.sub(r"\\(.)", lambda c: " " if c[1] in "nt" else c[1], line[1])
        words = "".join(c if c.isprintable() else "?" for c in words)
        for hostname in re.findall(r'"([^"]+)"', line[2]):
            found[hostname] = words if len(words) <= LONGEST else words[:LONGEST] + "..."
    return found
