"""The lines of the access log that are about one Domain. Blocking.

Names of routers are ours, and Traefik escapes every quote that a visitor sent, so no request can
pass for another Domain's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from controller.ingress.access_log import NAME, files

PIECE = 4_000_000
"""Bytes that are looked through at once."""
LONGEST = 1_000_000
"""Bytes; what goes on for longer is no line of Traefik's."""


class AccessLines:
    """routers: the Domain's. What the log has of it, oldest first, and then what is added: ``more``
    returns what a piece of the log has, ``idle`` says that all of it was read."""

    def __init__(self, home: Path, routers: Collection[str]) -> None:
        self._path = home / NAME
        self._routers = frozenset(routers)
        self._marks = [f'"RouterName":"{name}@'.encode() for name in routers]
        self._files: deque[BinaryIO] = deque()
        for path in files(home):
            with suppress(FileNotFoundError):
                self._files.append(path.open("rb"))
        self._rest = b""
        self.idle = False

    def close(self) -> None:
        while self._files:
            self._files.popleft().close()

    def more(self) -> list[dict[str, Any]]:
        """Raises OSError."""
        piece = self._files[0].read(PIECE) if self._files else b""
        self.idle = not piece and not self._next()
        whole, end, rest = (self._rest + piece).rpartition(b"\n")
        self._rest = rest if len(rest) <= LONGEST else b""
        return list(self._ours(whole)) if end else []

    def _next(self) -> bool:
        """Is there more, behind a file that was read to its end? One is given up only when it had
        no more after the next one was there."""
        if len(self._files) > 1:
            self._files.popleft().close()
            return True
        try:
            opened = self._path.open("rb")
        except FileNotFoundError:
            return False
        if self._files and _same(self._files[0], opened):
            opened.close()
            return False
        self._files.append(opened)
        return True

    def _ours(self, whole: bytes) -> Iterator[dict[str, Any]]:
        if not any(mark in whole for mark in self._marks):
            return
        for line in whole.split(b"\n"):
            if any(mark in line for mark in self._marks):
                with suppress(ValueError):
                    found = orjson.loads(line)
                    if str(found.get("RouterName", "")).rpartition("@")[0] in self._routers:
                        yield found


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    first, second = os.fstat(one.fileno()), os.fstat(other.fileno())
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def shown(found: dict[str, Any]) -> str:
    """For reading: whose request, what for, the answer's code and bytes, how long it took, and who
    answered. Visitors may send anything: what is not printable is replaced."""
    target = f"{found.get('RequestScheme')}://{found.get('RequestHost')}{found.get('RequestPath')}"
    words = [
        found.get("ClientHost"),
        found.get("RequestMethod"),
        target,
        found.get("DownstreamStatus"),
        found.get("DownstreamContentSize"),
        f"{int(found.get('Duration') or 0) / 1e6:.1f}ms",
        found.get("ServiceURL") or "-",
    ]
    text = " ".join(str(word) for word in words)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
