"""Work that goes on beside a body, inside an asynchronous context manager.

A TaskGroup around a ``yield`` would wrap whatever the body raises into a group, and cancel the body
when the work fails; here the body's own exceptions pass through, and the work tells the body
by its own means.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """The work is cancelled and awaited at the end; an error of it is raised then."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
