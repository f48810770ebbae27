"""Some hundreds of services at rest: what a full resync costs, and that it does nothing.

The figures for thousands are ``benchmarks``' (the same rig); here they only must not grow wrongly.
"""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog

from benchmarks.scale import Scale, leading

SMALL, LARGE = 100, 400
LAG = 0.3
"""Seconds for which nothing may keep the event loop from everything else."""


@pytest.fixture(autouse=True)
def _silent() -> object:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


async def _resync(services: int) -> tuple[float, float]:
    """CPU seconds of a no-op resync, and the longest time for which the loop was kept busy."""
    scale = Scale()
    async with leading(scale):
        await scale.declare(services)
        await scale.converged(120.0)
        await scale.resync()
        reads, engine, status = scale.engine.reads.copy(), scale.engine.writes, scale.database
        writes = sum(engine.values()), status.status_writes
        lag = asyncio.create_task(_longest())
        await asyncio.sleep(0)
        began = time.process_time()
        await scale.resync()
        cpu = time.process_time() - began
        lag.cancel()
        assert writes == (sum(engine.values()), status.status_writes)
        asked = scale.engine.reads - reads
        assert asked["list"] == 1
        assert asked["read"] == 0
        assert asked["inspect_container"] <= services * 0.2 + 8
        return cpu, await lag


async def _longest() -> float:
    """In CPU time of this process: what others on the machine do is not our fault."""
    longest, last = 0.0, time.process_time()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.process_time()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


async def test_a_resync_grows_with_the_number_of_services_and_does_nothing() -> None:
    small, _ = await _resync(SMALL)
    large, lag = await _resync(LARGE)
    assert large < 2.5 * small * LARGE / SMALL + 0.05
    assert lag < LAG
