"""The workers: key in, outcome out, mapped onto the queue. Knows no kind.

A pass that raises a retryable ``UserError`` is backed off; a terminal one is left until its key is
woken (its status says ``Stalled``). ``StoreUnavailable`` and ``Deposed`` are not the key's fault
and are retried without counting. Anything else is a bug: logged with its key, counted, backed
off, never fatal to the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from controller.loop.backoff import Backoff
from controller.loop.outcome import Done, Outcome, RequeueAfter
from controller.loop.queue import Closed, Queue
from controller.metrics import METRICS
from controller.store.base import Deposed, StoreUnavailable
from resources.errors import UserError
from resources.meta import Key

log = structlog.get_logger("loop")

STORE_RETRY_SECONDS = 1.0


class Pool:
    """``workers`` tasks over one queue."""

    def __init__(
        self,
        queue: Queue[Key],
        backoff: Backoff[Key],
        reconcile: Callable[[Key], Awaitable[Outcome]],
        *,
        workers: int,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._backoff = backoff
        self._reconcile = reconcile
        self._workers = workers
        self._clock = clock

    async def run(self) -> None:
        """Until the queue is closed; then the passes under way are finished."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"worker-{number}")

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except Closed:
                return
            METRICS.passes.active.inc()
            try:
                await self._one(key)
            finally:
                METRICS.passes.active.dec()
                self._queue.done(key)
            # A pass that finds nothing to do waits for nothing: thousands of them in a row must not
            # keep the lease, the probes and the API waiting.
            await asyncio.sleep(0)

    async def _one(self, key: Key) -> None:
        started = self._clock()
        result = "success"
        try:
            outcome = await self._reconcile(key)
            self._backoff.forget(key)
            if isinstance(outcome, RequeueAfter):
                result = "requeue_after"
                if outcome.problem is not None:
                    result = "terminal"
                    self._told(key, outcome.problem)
                self._queue.add_after(key, outcome.seconds)
            else:
                assert isinstance(outcome, Done)
        except UserError as error:
            result = "error" if error.retryable else "terminal"
            self._failed(key, error)
        except (StoreUnavailable, Deposed) as error:
            result = "unavailable"
            log.warning("pass given up", key=str(key), reason=str(error) or type(error).__name__)
            self._queue.add_after(key, STORE_RETRY_SECONDS)
        except Exception:
            result = "bug"
            METRICS.passes.errors.labels(key.kind, "INTERNAL").inc()
            log.exception("bug in a pass", **identity(key))
            self._retry(key)
        METRICS.passes.total.labels(key.kind, result).inc()
        METRICS.passes.seconds.labels(key.kind).observe(self._clock() - started)

    def _failed(self, key: Key, error: UserError) -> None:
        if error.retryable:
            METRICS.passes.errors.labels(key.kind, error.code).inc()
            seconds = self._retry(key)
            log.warning(error.message, code=error.code, retry_in=round(seconds, 1), **identity(key))
        else:
            self._backoff.forget(key)
            self._told(key, error)

    def _told(self, key: Key, error: UserError) -> None:
        METRICS.passes.errors.labels(key.kind, error.code).inc()
        log.error(error.message, code=error.code, **identity(key))

    def _retry(self, key: Key) -> float:
        METRICS.queue.retries.inc()
        seconds = self._backoff.next(key)
        self._queue.back_off(key, seconds)
        return seconds


def identity(key: Key) -> dict[str, str]:
    """The log fields that every line about a resource carries."""
    return {"kind": key.kind, "organization": key.organization, "name": key.name}
