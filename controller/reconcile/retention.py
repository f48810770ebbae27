"""The end of what has outlived its window: retained volumes past it, old events.

A retained volume's data is removed here and nowhere else: its window (or ``skyctl purge``) is the
explicit policy. Somebody may be adopting it at this moment, and our clock is not the store's: the
store decides in one statement that it goes, after which no adoption is possible. The engine checks
the volume's labels once more before it removes.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.clock import Clock
from controller.loop.leadership import leading
from controller.reconcile.execute import Executor
from controller.store.base import Store
from resources.context import Retained
from resources.errors import UserError
from resources.steps import RemoveVolume

log = structlog.get_logger("retention")

HOUSEKEEPING_SECONDS = 3600.0


class Retention:
    def __init__(
        self, store: Store, executor: Executor, clock: Clock, epoch: Callable[[], int | None]
    ) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock
        self._epoch = epoch
        self._cleaned = float("-inf")

    async def expire(self) -> None:
        """Each volume by itself: one that is still in use waits, the others go."""
        now = self._clock.now()
        for retained in await self._store.retained():
            if retained.expires_at is None or retained.expires_at > now:
                continue
            if not await self._store.claim_expired(retained.uid, epoch=leading(self._epoch)):
                continue
            step = RemoveVolume(
                name=retained.engine_name,
                uid=retained.label_uid or retained.uid,
                instance=await self._store.instance(),
                cause=_cause(retained),
            )
            try:
                await self._executor.remove([step], lambda s: log.warning(s.render()))
            except UserError as error:
                log.warning("retained volume stays", volume=step.name, reason=error.message)
                continue
            await self._store.release_retained(retained.uid, epoch=leading(self._epoch))
        await self._clean()

    async def _clean(self) -> None:
        if self._clock.monotonic() - self._cleaned >= HOUSEKEEPING_SECONDS:
            await self._store.housekeeping(epoch=leading(self._epoch))
            self._cleaned = self._clock.monotonic()


def _cause(retained: Retained) -> str:
    if retained.purged_by is None:
        return "its retention window ended"
    return f"purge requested by {retained.purged_by}" if retained.purged_by else "purge requested"
