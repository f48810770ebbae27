"""The last lines of containers that we remove: what ``skyctl logs --previous`` shows afterwards.

The engine forgets a container's log together with the container. So before one of a service goes,
the end of its log is put into a file of the state directory: bounded per container, per replica and
altogether, the oldest go first. Nothing relies on it, so whatever fails here is told to the log
and holds nothing up.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from controller.clock import Clock
from controller.engine.base import Engine, LogLine
from resources.conditions import timestamp
from resources.errors import UserError
from resources.labels import L_GENERATION, L_ORDINAL, L_ROLE
from resources.observed import Container

log = structlog.get_logger("lastwords")

LINES = 1000
BYTES = 256 * 1024
"""Of one container; the end is kept."""
SECONDS = 3.0
"""That the engine may take to tell them."""
CONTAINERS = 2
"""Kept of each replica."""
ALTOGETHER = 64 * 1024 * 1024
"""Bytes on disk, of everybody; past that the oldest go, until a quarter is free again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of a container that was removed. ordinal: -1 of one that is no replica; role: then what it
    was. removed_at: RFC 3339."""

    container: str
    ordinal: int
    role: str
    generation: str
    exit_code: int | None
    oom_killed: bool
    removed_at: str
    lines: tuple[LogLine, ...]


class LastWords:
    """directory: None keeps nothing."""

    def __init__(self, engine: Engine, clock: Clock, directory: Path | None) -> None:
        self._engine = engine
        self._clock = clock
        self._directory = directory
        self._total: int | None = None
        self._writing = asyncio.Lock()

    async def keep(self, uid: str, container: Container) -> None:
        """uid: of its service. Called right before it is removed, after it was stopped."""
        if self._directory is None or container.state == "created":
            return
        try:
            lines = await self._lines(container.id)
            if lines:
                async with self._writing:
                    await asyncio.to_thread(self._write, uid, self._kept(container, lines))
        except (UserError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            log.warning("last lines are lost", container=container.name, reason=reason)

    async def kept(self, uid: str) -> list[Kept]:
        """Of a service's containers, the oldest first."""
        if self._directory is None:
            return []
        return await asyncio.to_thread(self._read, self._directory / uid)

    async def forget(self, uid: str) -> None:
        """The service is gone."""
        if self._directory is not None:
            async with self._writing:
                await asyncio.to_thread(shutil.rmtree, self._directory / uid, ignore_errors=True)

    async def _lines(self, container: str) -> list[LogLine]:
        lines: deque[LogLine] = deque(maxlen=LINES)
        async with asyncio.timeout(SECONDS):
            async for line in self._engine.logs(container, tail=LINES):
                lines.append(line)
        return _end(lines)

    def _kept(self, container: Container, lines: Iterable[LogLine]) -> Kept:
        labels = container.labels
        role, ordinal = labels.get(L_ROLE, ""), labels.get(L_ORDINAL, "")
        return Kept(
            container=container.name,
            ordinal=int(ordinal) if ordinal.isdecimal() and not role else -1,
            role=role,
            generation=labels.get(L_GENERATION, ""),
            exit_code=container.exit_code,
            oom_killed=container.oom_killed,
            removed_at=timestamp(self._clock.now()),
            lines=tuple(lines),
        )

    # -- files, in a thread
    def _write(self, uid: str, kept: Kept) -> None:
        assert self._directory is not None
        place = self._directory / uid
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.mkdir(exist_ok=True, mode=0o700)
        milliseconds = int(self._clock.now().timestamp() * 1000)
        file = place / f"{milliseconds:015d}_{kept.role or kept.ordinal}_{kept.container}.json"
        text = json.dumps(asdict(kept), ensure_ascii=False)
        beside = file.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogatepass") as out:
            out.write(text)
        beside.replace(file)
        self._few(place, f"_{kept.role or kept.ordinal}_")
        self._bounded(len(text))

    def _few(self, place: Path, mark: str) -> None:
        mine = sorted(file for file in place.glob("*.json") if file.name[15:].startswith(mark))
        for file in mine[:-CONTAINERS]:
            file.unlink(missing_ok=True)

    def _bounded(self, size: int) -> None:
        assert self._directory is not None
        if self._total is not None and self._total + size <= ALTOGETHER:
            self._total += size
            return
        files = sorted(self._directory.glob("*/*.json"), key=lambda file: file.name)
        sizes = {file: file.stat().st_size for file in files if file.exists()}
        total = sum(sizes.values())
        if total > ALTOGETHER:
            for file in files:
                if total <= ALTOGETHER * 3 // 4:
                    break
                total -= sizes.get(file, 0)
                file.unlink(missing_ok=True)
        self._total = total

    def _read(self, place: Path) -> list[Kept]:
        """What is damaged or goes meanwhile is left out."""
        found = []
        for file in sorted(place.glob("*.json")):
            try:
                raw = json.loads(file.read_text(encoding="utf-8", errors="surrogatepass"))
                lines = tuple(LogLine(**line) for line in raw.pop("lines"))
                found.append(Kept(**raw, lines=lines))
            except (OSError, ValueError, TypeError, KeyError):
                continue
        return found


def _end(lines: Iterable[LogLine]) -> list[LogLine]:
    """As many of the last as fit."""
    fitting: deque[LogLine] = deque()
    room = BYTES
    for line in reversed(list(lines)):
        room -= len(line.text.encode(errors="replace"))
        if room < 0:
            break
        fitting.appendleft(line)
    return list(fitting)
