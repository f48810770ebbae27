"""Progress of image pulls, for whoever watches. Nobody watching costs nothing; a slow watcher
loses the oldest lines, never the loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from controller.engine.base import PullProgress

BACKLOG = 256


class PullFeed:
    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[PullProgress]] = set()

    def publish(self, progress: PullProgress) -> None:
        for watcher in self._watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(progress)

    async def follow(self) -> AsyncIterator[PullProgress]:
        """From now on, until closed."""
        watcher: asyncio.Queue[PullProgress] = asyncio.Queue(BACKLOG)
        self._watchers.add(watcher)
        try:
            while True:
                yield await watcher.get()
        finally:
            self._watchers.discard(watcher)
