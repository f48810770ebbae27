"""Several calls at once, ending as one: all results, or one failure and nothing left running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def together(*calls: Awaitable[T]) -> list[T]:
    """All results in order; the first failure cancels the others and is raised as itself.

    Not a task group: that of Python 3.11 swallows a cancellation that comes while it is failing,
    and a worker that is told to end would then carry on.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise failure
    return [task.result() for task in tasks]
