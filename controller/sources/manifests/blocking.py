"""Filesystem calls beside the event loop, with a deadline.

On a dead network mount a call may never return. Its thread is a daemon, so neither the loop nor
the end of the process waits for it, and while it hangs no second one is started.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Blocking(Generic[T]):
    """One call at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle = asyncio.Event()
        self._idle.set()

    async def call(self, work: Callable[[], T], seconds: float) -> T:
        """Raises TimeoutError, also when an earlier call hangs so long; else what ``work`` does."""
        async with asyncio.timeout(seconds):
            await self._idle.wait()
            return await self._start(work)

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: Any, error: BaseException | None) -> None:
            self._idle.set()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def run() -> None:
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, result, failure)

        self._idle.clear()
        threading.Thread(target=run, name=self._name, daemon=True).start()
        return future
