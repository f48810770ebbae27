"""Hints from the operating system that a directory changed. Hints only: polling is the guarantee.

A watch belongs to what a path led to when it was set up. When the directory is replaced (a link
swapped, a mount, removed and made again) it is set up anew; to hear of a swapped link at once,
the directory that holds the link is watched too, not its other contents.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchfiles import Change, awatch

from controller.sources.manifests.blocking import Blocking

log = structlog.get_logger("manifests")

_STEP_MS = 50
_DEBOUNCE_MS = 400
_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a path leads to. identity: None when to nothing. holder: the directory of the path
    itself where that is a symbolic link."""

    place: str
    identity: tuple[int, int] | None
    holder: str | None


def link_target(directory: Path) -> LinkTarget:
    place = os.path.realpath(directory)
    holder = str(directory.absolute().parent) if directory.is_symlink() else None
    try:
        found = os.stat(place)
    except OSError:
        return LinkTarget(place, None, holder)
    return LinkTarget(place, (found.st_dev, found.st_ino), holder)


async def follow(directory: Path, wake: Callable[[], None], poll: float) -> None:
    """Until cancelled. poll: seconds between looks at what the path leads to."""
    blocking: Blocking[LinkTarget] = Blocking("manifests-hints")

    async def look() -> LinkTarget | None:
        try:
            return await blocking.call(lambda: link_target(directory), poll + 30)
        except TimeoutError:
            return None

    while True:
        now = await look()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watch) for watch in _watches(now, directory, wake)]
            await _replaced(now, look, poll)
            for task in tasks:
                task.cancel()
        wake()


async def _replaced(
    now: LinkTarget | None, look: Callable[[], Awaitable[LinkTarget | None]], poll: float
) -> None:
    """Returns when the path leads elsewhere."""
    while True:
        await asyncio.sleep(poll)
        later = await look()
        if later is not None and later != now:
            return


def _watches(
    now: LinkTarget | None, directory: Path, wake: Callable[[], None]
) -> Iterator[Coroutine[None, None, None]]:
    if now is not None and now.identity is not None:
        yield _watch(now.place, wake, recursive=True)
    if now is not None and now.holder is not None:
        link = os.path.join(now.holder, directory.name)
        yield _watch(now.holder, wake, recursive=False, only=link)


async def _watch(
    place: str, wake: Callable[[], None], *, recursive: bool, only: str | None = None
) -> None:
    """Ends quietly where the system cannot watch: polling goes on."""

    def matters(_change: Change, path: str) -> bool:
        if only is not None:
            return path == only
        parts = os.path.relpath(path, place).split(os.sep)
        return all(not part.startswith(".") or part.startswith("..") for part in parts)

    try:
        async for _ in awatch(
            place,
            watch_filter=matters,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            recursive=recursive,
            rust_timeout=_TIMEOUT_MS,
        ):
            wake()
    except Exception as error:  # also what a name that is no text makes of the library
        log.info("no hints from the system, polling only", directory=place, reason=str(error))
