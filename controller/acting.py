"""What only the leader does: work the queue, resync, sweep, expire, and read manifests.

Everything here is cancelled the moment the lease is in doubt. Nothing here remembers anything
that a successor would need.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from controller.engine.index import EngineIndex
from controller.loop.pool import Pool
from controller.loop.queue import Queue
from controller.reconcile.orphans import Sweeper
from controller.reconcile.retention import Retention
from controller.settings import Settings
from controller.sources.database import DatabaseSource
from controller.store.base import Deposed, StoreUnavailable
from controller.store.catalogue import Catalogue
from resources.errors import UserError
from resources.meta import Key

log = structlog.get_logger("acting")


class Resync:
    """The guarantee behind the hints: relist the engine, reread the store, look at every key."""

    def __init__(
        self,
        *,
        settings: Settings,
        random_: random.Random,
        index: EngineIndex,
        database: DatabaseSource,
        catalogue: Catalogue,
        queue: Queue[Key],
        sweeper: Sweeper,
        retention: Retention,
    ) -> None:
        self._settings = settings
        self._random = random_
        self._index = index
        self._database = database
        self._catalogue = catalogue
        self._queue = queue
        self._sweeper = sweeper
        self._retention = retention
        self.completed = 0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Resync now."""
        self._woken.set()

    async def run(self) -> None:
        """For ever; the first resync is at once."""
        await self._index.wait_synced()
        await self._database.synced.wait()
        self.enqueue(urgent=True)
        while True:
            self._woken.clear()
            await self._aside()
            # Not wait_for: that of Python 3.11 loses a cancellation that comes with the waking.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval()):
                    await self._woken.wait()
            await self.once()

    async def once(self) -> None:
        """One resync. A part that fails is logged; the other parts and the next resync go on."""
        try:
            await self._index.relist(self._settings.resync_inspect_share)
            await self._database.reread("resync")
        except (StoreUnavailable, Deposed, UserError) as error:
            log.warning("resync incomplete", reason=str(error) or type(error).__name__)
            return
        self.enqueue(urgent=False)
        self.completed += 1

    def enqueue(self, *, urgent: bool) -> None:
        for key in self._catalogue.all_keys():
            self._queue.add(key, urgent=urgent)

    async def _aside(self) -> None:
        """Objects without a row, and retained volumes whose window ended."""
        known = frozenset(
            entry.resource.uid
            for key in self._catalogue.all_keys()
            if (entry := self._catalogue.entry(key)) is not None
        )
        try:
            await self._sweeper.sweep(self._index.world, known)
            await self._retention.expire()
        except (StoreUnavailable, Deposed, UserError) as error:
            log.warning("sweep incomplete", reason=str(error) or type(error).__name__)

    def _interval(self) -> float:
        spread = self._settings.resync_jitter
        return self._settings.resync_interval * self._random.uniform(1 - spread, 1 + spread)


async def drained(pool: Pool, queue: Queue[Key], stop: asyncio.Event, deadline: float) -> None:
    """Runs the pool until ``stop``; then no new keys, and ``deadline`` seconds for the passes
    under way."""
    working = asyncio.create_task(pool.run(), name="pool")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return
        queue.close()
        await asyncio.wait({working}, timeout=deadline)
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """For ever; an unavailable store is waited out, anything else is fatal on purpose."""
    while True:
        try:
            await work()
        except StoreUnavailable as error:
            log.debug("skipped", reason=str(error))
        await asyncio.sleep(seconds)
