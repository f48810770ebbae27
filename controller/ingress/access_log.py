"""The log of requests that our Traefik writes: JSON, a line for each, with neither headers nor
query strings, since these hold what is secret of visitors.

As a process it writes a file, which is turned over here: Traefik opens it anew when it is told to.
As a container it writes to its output, which the engine turns over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

from controller.ingress.alive import Alive
from controller.settings import Settings

log = structlog.get_logger("traefik")

NAME = "access.log"
MEGABYTES, FILES = 50, 4
"""Of each file, and how many there are, the newest included."""
LOOK = 5.0
"""Seconds between two looks at its size."""


def configuration(settings: Settings, home: Path) -> dict[str, Any]:
    """Traefik's ``accessLog``. It drops headers by itself, and does not log requests to itself."""
    told: dict[str, Any] = {
        "format": "json",
        "fields": {"queryParameters": {"defaultMode": "drop"}},
    }
    return told if settings.ingress == "container" else {"filePath": str(home / NAME), **told}


def files(home: Path) -> list[Path]:
    """Where lines may be, the oldest first. Not all of them need exist."""
    return [*(home / f"{NAME}.{n}" for n in range(FILES - 1, 0, -1)), home / NAME]


class LogRotation:
    """answering: the proxy that serves, if it answers now; one that is just starting would not
    survive the signal."""

    def __init__(
        self,
        home: Path,
        answering: Callable[[], Awaitable[Alive | None]],
        megabytes: float = MEGABYTES,
    ) -> None:
        self._home = home
        self._answering = answering
        self._limit = megabytes * 1_000_000

    async def run(self) -> None:
        """For ever. Raises OSError."""
        while True:
            await self.turn()
            await asyncio.sleep(LOOK)

    async def turn(self) -> None:
        """One that is not there was turned over, and nobody told the proxy."""
        size = await asyncio.to_thread(self._size)
        if size is not None and size < self._limit:
            return
        proxy = await self._answering()
        if proxy is None:
            return
        if size is not None:
            await asyncio.to_thread(self._shift)
            log.info("the access log is turned over", bytes=size)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(int(proxy.id), signal.SIGUSR1)

    def _size(self) -> int | None:
        try:
            return (self._home / NAME).stat().st_size
        except FileNotFoundError:
            return None

    def _shift(self) -> None:
        """The oldest is overwritten."""
        for older, newer in pairwise(files(self._home)):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
