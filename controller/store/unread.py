"""What was heard of the store and not yet read.

Theory: the reader wants to know which keys to look at, not how often they changed. So what waits
is a set of keys, bounded by how many there are; past a limit it becomes "something was missed,
read everything". A failure ends the reading, whatever else waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from controller.store.base import Change, StoreUnavailable
from resources.meta import Key

LIMIT = 20_000  # keys that may wait unread


class Unread:
    """What was heard and not yet read. One reader."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._keys: dict[Key, None] = {}
        self._missed = ""
        self._failure: StoreUnavailable | None = None
        self._limit = limit
        self._stirred = asyncio.Event()

    def heard(self, key: Key) -> None:
        if self._missed:
            return
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self.missed("too many changes at once")
        self._stirred.set()

    def missed(self, reason: str) -> None:
        """Everything is to be read again, whatever the keys were."""
        self._keys.clear()
        self._missed = reason
        self._stirred.set()

    def fail(self, failure: StoreUnavailable) -> None:
        self._failure = self._failure or failure
        self._stirred.set()

    async def read(self) -> AsyncIterator[Change]:
        while True:
            await self._stirred.wait()
            if self._failure is not None:
                raise self._failure
            if self._missed:
                reason, self._missed = self._missed, ""
                yield Change(None, reason)
            elif self._keys:
                key = next(iter(self._keys))
                del self._keys[key]
                yield Change(key)
            else:
                self._stirred.clear()
