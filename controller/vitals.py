"""What a process tells of itself at intervals, whether or not it acts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from controller.clock import Clock
from controller.metrics import METRICS
from controller.store.base import StoreUnavailable

log = structlog.get_logger("vitals")

LAG_SECONDS = 0.25
"""Often enough that half a minute's samples have a 99th percentile."""


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """For ever; an unavailable store is waited out, anything else is fatal on purpose."""
    while True:
        try:
            await work()
        except StoreUnavailable as error:
            log.debug("skipped", reason=str(error))
        await asyncio.sleep(seconds)


async def measure_lag(clock: Clock) -> None:
    """For ever: how late the event loop wakes who sleeps. What a scrape happens to see says little
    about what lies between two, so all of it is counted as well."""
    while True:
        before = clock.monotonic()
        await asyncio.sleep(LAG_SECONDS)
        METRICS.event_loop.lagged(max(0.0, clock.monotonic() - before - LAG_SECONDS))
