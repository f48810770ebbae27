"""Orders for certificates that failed: tried again, and why they failed.

Traefik orders what a router wants when its configuration changes, and never again when that fails.
So while a certificate is missing the constant document is changed now and then, which makes it
order whatever is still missing: after ``first`` seconds, then more and more rarely, because
authorities count failures. All hostnames share the attempts; one that is newly missing has its own
first one soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from controller.clock import Clock

log = structlog.get_logger("ingress")

SLOWER, RAREST = 4.0, 3600.0
"""By which each pause is longer than the one before; seconds between two attempts at most."""
TAIL = 200_000
"""Bytes of the proxy's log that are looked through."""
LONGEST = 300
_FAILED = re.compile(
    r'^\S+ ERR Unable to obtain ACME certificate for domains error="((?:[^"\\]|\\.)*)"'
    r".*? domains=\[([^\]]*)\]",
    re.MULTILINE,
)


class Orders:
    """again: makes the proxies order what is missing; given the number of the attempt. failures: by
    hostname, as the proxies tell (blocking)."""

    def __init__(
        self,
        clock: Clock,
        first: float,
        again: Callable[[int], Awaitable[None]],
        failures: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._clock = clock
        self._first = first
        self._again = again
        self._failures = failures
        self._missing: set[str] = set()
        self._pause = first
        self._due: datetime | None = None
        self._news = asyncio.Event()
        self.attempts = 0

    def missing(self, uid: str) -> datetime | None:
        """No certificate is served for that Domain. When it is ordered again; to the second."""
        if uid not in self._missing:
            if not self._missing:
                self._pause = self._first
            self._missing.add(uid)
            soon = self._clock.now() + timedelta(seconds=self._first)
            self._due = soon if self._due is None else min(self._due, soon)
            self._news.set()
        return self._due.replace(microsecond=0) if self._due is not None else None

    def settled(self, uid: str) -> None:
        """It has one, or wants none any more."""
        self._missing.discard(uid)
        if not self._missing:
            self._due = None

    async def failure(self, hostname: str) -> str:
        """Why the last order for it failed; '' when nobody can tell."""
        failures = await asyncio.to_thread(self._failures)
        return failures.get(hostname, "")

    async def run(self) -> None:
        """Until cancelled. Raises what ``again`` raises; the attempt is made again then."""
        while True:
            self._news.clear()
            left = self._left()
            if left is None or left > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._news.wait()
                continue
            self.attempts += 1
            log.info("certificates that are missing are ordered again", missing=len(self._missing))
            await self._again(self.attempts)
            self._pause = min(self._pause * SLOWER, RAREST)
            if self._missing:
                self._due = self._clock.now() + timedelta(seconds=self._pause)

    def _left(self) -> float | None:
        """Seconds until the next attempt; None: nothing is missing."""
        if self._due is None:
            return None
        return (self._due - self._clock.now()).total_seconds()


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
