"""What beds on virtual time share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.sim.clockwork import run_virtually


async def until(holds: Callable[[], object], seconds: float = 60.0) -> float:
    """How long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not holds():
        assert loop.time() - began < seconds
        await asyncio.sleep(0.01)
    return loop.time() - began


@asynccontextmanager
async def running(work: Awaitable[Any]) -> AsyncIterator[None]:
    """Beside what is done meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def virtually(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await story()

    run_virtually(main)
