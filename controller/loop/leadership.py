"""Acting only while leading: acquire, act, and on any doubt stop acting first.

``act`` is cancelled as soon as the lease is in doubt, before anything else happens; only then is
the lease released and asked for again. The epoch is None whenever we do not lead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from controller.loop.backoff import Backoff
from controller.metrics import METRICS
from controller.store.base import Deposed, Lease, StoreUnavailable

log = structlog.get_logger("leadership")

STOP_SECONDS = 30.0
"""What acted and was cancelled may take so long to end; nothing of it waits for anybody."""


def leading(epoch: Callable[[], int | None]) -> int:
    """Our epoch. Raises Deposed while we do not lead."""
    found = epoch()
    if found is None:
        raise Deposed("not the leader")
    return found


class Leadership:
    def __init__(self, lease: Lease, backoff: Backoff[str]) -> None:
        self._lease = lease
        self._backoff = backoff
        self.epoch: int | None = None

    def current(self) -> int | None:
        """None also when the lease was not proven lately: a process that slept must not act in
        the moment before it notices."""
        return self.epoch if self._lease.fresh() else None

    async def run(self, act: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Until ``act`` returns while we lead (then the lease is released)."""
        while True:
            try:
                epoch = await self._lease.acquire()
                self._backoff.forget("lease")
                if await self._lead(epoch, act):
                    await self._release()
                    return
            except (StoreUnavailable, Deposed) as error:
                log.warning("not leading", reason=str(error) or type(error).__name__)
            finally:
                self._resign()
            await self._release()
            await asyncio.sleep(self._backoff.next("lease"))

    async def _lead(self, epoch: int, act: Callable[[int], Coroutine[Any, Any, None]]) -> bool:
        """True when ``act`` finished by itself, False when the lease was lost."""
        self.epoch = epoch
        METRICS.leader.set(1)
        log.info("leading", epoch=epoch)
        hold = asyncio.create_task(self._hold(), name="lease")
        acting = asyncio.create_task(act(epoch), name="acting")
        try:
            await asyncio.wait({hold, acting}, return_when=asyncio.FIRST_COMPLETED)
            if hold.done():
                log.warning("lease lost: acting stops", epoch=epoch)
                return False
            await acting
            return True
        finally:
            self._resign()
            for task in (acting, hold):
                task.cancel()
            await _ended(acting, hold)
            if acting.done() and not acting.cancelled() and (error := acting.exception()):
                raise error

    async def _hold(self) -> None:
        """The epoch goes in the same step in which doubt arises, not when somebody wakes."""
        try:
            await self._lease.hold()
        except (StoreUnavailable, Deposed) as error:
            log.warning("lease in doubt", reason=str(error) or type(error).__name__)
        finally:
            self._resign()

    def _resign(self) -> None:
        self.epoch = None
        METRICS.leader.set(0)

    async def _release(self) -> None:
        try:
            await self._lease.release()
        except (StoreUnavailable, Deposed) as error:
            log.debug("lease not released", reason=str(error))


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """Raises RuntimeError when one has lost its cancellation: better no process than one that
    never leads again. Waits twice, since one that slept finds its time over when it wakes."""
    for _ in range(2):
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    if late:
        raise RuntimeError(f"{', '.join(task.get_name() for task in late)} did not stop")
    await asyncio.gather(*tasks, return_exceptions=True)
