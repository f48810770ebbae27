"""The guarantee behind the hints: relist the engine, reread the store, look at every key.

A list does not show everything of a container. So between two resyncs a share of the containers is
inspected, evenly spread over the time, and all of them in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from controller.engine.index import EngineIndex
from controller.loop.queue import Queue
from controller.reconcile.disused import Disused
from controller.reconcile.orphans import Sweeper
from controller.reconcile.pulling import Pulling
from controller.reconcile.retention import Retention
from controller.settings import Settings
from controller.sources.database import DatabaseSource
from controller.store.base import Deposed, StoreUnavailable
from controller.store.catalogue import Catalogue
from controller.together import together
from resources.errors import UserError
from resources.meta import Key

log = structlog.get_logger("resync")

SLICE_SECONDS = 1.0


class Resync:
    """completed: how many were whole. Between two of them the sweep and what expires. swept: told
    after each sweep."""

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
        disused: Disused,
        pulling: Pulling,
        swept: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._random = random_
        self._index = index
        self._database = database
        self._catalogue = catalogue
        self._queue = queue
        self._sweeper = sweeper
        self._retention = retention
        self._disused = disused
        self._pulling = pulling
        self._swept = swept
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
            await self._pause(self._interval())
            await self.once()

    async def _pause(self, seconds: float) -> None:
        """Until then, or until woken."""
        left = seconds
        while left > 0 and not self._woken.is_set():
            slice_ = min(SLICE_SECONDS, left)
            # Not wait_for: that of Python 3.11 loses a cancellation that comes with the waking.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(slice_):
                    await self._woken.wait()
            left -= slice_
            self._index.look_again(self._settings.resync_inspect_share * slice_ / seconds)

    async def once(self) -> None:
        """One resync. A part that fails is logged; the other part and the next resync go on."""
        relisted, reread = await together(
            self._tried(self._index.relist()), self._tried(self._database.reread("resync"))
        )
        if relisted and reread:
            self.enqueue(urgent=False)
            self.completed += 1

    async def _tried(self, part: Awaitable[None]) -> bool:
        try:
            await part
        except (StoreUnavailable, Deposed, UserError) as error:
            log.warning("resync incomplete", reason=str(error) or type(error).__name__)
            return False
        return True

    def enqueue(self, *, urgent: bool) -> None:
        for key in self._catalogue.all_keys():
            self._queue.add(key, urgent=urgent)

    async def _aside(self) -> None:
        """Objects without a row, retained volumes whose window ended, images nobody needs."""
        known = frozenset(
            entry.resource.uid
            for key in self._catalogue.all_keys()
            if (entry := self._catalogue.entry(key)) is not None
        )
        try:
            await self._sweeper.sweep(self._index.world, known)
            self._swept()
            await self._retention.expire()
            await self._disused.sweep(self._index.world)
            await self._pulling.tidy()
        except (StoreUnavailable, Deposed, UserError) as error:
            log.warning("sweep incomplete", reason=str(error) or type(error).__name__)

    def _interval(self) -> float:
        spread = self._settings.resync_jitter
        return self._settings.resync_interval * self._random.uniform(1 - spread, 1 + spread)
