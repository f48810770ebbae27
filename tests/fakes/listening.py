"""Event streams of the fake engine: bounded buffers, with everything that can befall a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from controller.engine.base import EngineEvent
from controller.engine.docker import faults as words
from resources.errors import UserError

BUFFERED = 100_000
EventFilter = Callable[[EngineEvent], Iterable[EngineEvent]]
Buffer = asyncio.Queue[EngineEvent | UserError | None]


def unreachable() -> UserError:
    return words.unreachable("fake://", "connection refused")


class Listeners:
    """silence: seconds without an event after which a stream is given up.
    filter: may drop, repeat or hold back what is heard. mute: streams stay open, unheard."""

    def __init__(self, silence: float) -> None:
        self.filter: EventFilter = lambda event: (event,)
        self.mute = False
        self._silence = silence
        self._buffers: list[Buffer] = []

    @contextmanager
    def subscribed(self) -> Iterator[AsyncIterator[EngineEvent]]:
        buffer: Buffer = asyncio.Queue(BUFFERED)
        self._buffers.append(buffer)
        try:
            yield self._heard(buffer)
        finally:
            self._buffers.remove(buffer)

    async def _heard(self, buffer: Buffer) -> AsyncIterator[EngineEvent]:
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    item = await buffer.get()
            except TimeoutError as error:
                raise words.silent("fake://", "events", self._silence) from error
            if item is None:
                return
            if isinstance(item, UserError):
                raise item
            yield item

    def publish(self, event: EngineEvent) -> None:
        if not self.mute:
            for heard in self.filter(event):
                self.deliver(heard)

    def deliver(self, event: EngineEvent) -> None:
        """To every subscriber now (for filters that hold events back)."""
        for buffer in self._buffers:
            buffer.put_nowait(event)

    def end(self, *, broken: bool = False) -> None:
        """Every stream ends, cleanly or not."""
        for buffer in self._buffers:
            buffer.put_nowait(unreachable() if broken else None)
