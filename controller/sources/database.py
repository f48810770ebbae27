"""The database as a source: keeps the catalogue current and says which keys changed.

Listen first, then read everything, then follow. Any doubt (lost connection, silent canary,
overflow) ends the stream; the supervisor reconnects and reads everything again. What was heard
while something was being read is read in one question; a flood is answered by reading everything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import structlog

from controller.loop.backoff import Backoff
from controller.metrics import METRICS
from controller.store.base import Change, Store, StoreUnavailable
from controller.store.catalogue import Catalogue
from controller.store.readings import Reading
from resources.meta import Key

log = structlog.get_logger("database")

FLOOD = 1000
"""More changed keys than this at once: read everything."""

BREATH = 100
"""Rows understood in a row before others (the lease, the API) may run."""


class DatabaseSource:
    """on_change(key, gone): the row changed; gone is what was known of it when it went. on_missed:
    something else changed than rows, or we do not know what."""

    name = "database"

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        on_change: Callable[[Key, Reading | None], None],
        random_: random.Random,
        on_missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._on_change = on_change
        self._on_missed = on_missed
        self._backoff: Backoff[str] = Backoff(0.1, 5.0, random_)
        self.connected = False
        self.synced = asyncio.Event()
        self.last_error = "not connected yet"

    async def run(self) -> None:
        """For ever."""
        reason = "start"
        while True:
            try:
                await self._follow(reason)
                reason = "end"
            except StoreUnavailable as error:
                reason = "error"
                self.last_error = str(error) or type(error).__name__
                log.warning("store lost", reason=self.last_error)
            self._set_connected(False)
            await asyncio.sleep(self._backoff.next(self.name))

    async def reread(self, reason: str) -> None:
        """All rows anew; says which changed. Raises StoreUnavailable."""
        METRICS.sources.relists.labels(self.name, reason).inc()
        asked = self._catalogue.moment()
        entries = await self._store.entries()
        for number, entry in enumerate(entries, 1):
            if self._catalogue.put(entry, asked):
                self._on_change(entry.key, None)
            if number % BREATH == 0:
                await asyncio.sleep(0)
        for reading in self._catalogue.keep({entry.key for entry in entries}, asked):
            self._on_change(reading.entry.key, reading)

    async def _follow(self, reason: str) -> None:
        async with self._store.changes() as stream:
            await self.reread(reason)
            self._set_connected(True)
            self._backoff.forget(self.name)
            async with aclosing(_batches(stream)) as batches:
                async for keys in batches:
                    await self._reread(keys)

    async def _reread(self, keys: list[Key] | None) -> None:
        """None of the readings is left running when another one fails."""
        if keys is None:
            await self.reread("missed")
            self._on_missed()
            return
        if len(keys) > FLOOD:
            await self.reread("flood")
            return
        readings = (self._reread_key(key) for key in keys)
        for failure in await asyncio.gather(*readings, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _reread_key(self, key: Key) -> None:
        asked = self._catalogue.moment()
        entry = await self._store.entry(key)
        if entry is None:
            gone = self._catalogue.drop(key, asked)
            self._on_change(key, gone)
        else:
            self._catalogue.put(entry, asked)
            self._on_change(key, None)

    def _set_connected(self, connected: bool) -> None:
        self.connected = connected
        METRICS.sources.connected.labels(self.name).set(connected)
        if connected:
            self.synced.set()
            self.last_error = ""


async def _batches(stream: AsyncIterator[Change]) -> AsyncGenerator[list[Key] | None, None]:
    """What has gathered while the last batch was being read, each key once, in the order in which
    it was heard of; None: read everything. A stream that ends takes along what nobody has taken
    yet: who connects again reads everything."""
    pending: dict[Key | None, None] = {}
    wakened = asyncio.Event()
    ended = False

    async def gather() -> None:
        nonlocal ended
        try:
            async for change in stream:
                pending[change.key] = None
                wakened.set()
        finally:
            ended = True
            wakened.set()

    reader = asyncio.create_task(gather(), name="database-reader")
    try:
        while True:
            await wakened.wait()
            if ended:
                await reader
                return
            wakened.clear()
            batch = list(pending)
            pending.clear()
            yield None if None in batch else [key for key in batch if key is not None]
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
