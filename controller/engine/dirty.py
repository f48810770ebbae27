"""Which objects are to be looked at again: a set with two urgencies, worked by a small pool.

An object noted while it is being looked at is looked at once more afterwards, and never twice at
once, so that an older answer cannot overwrite a newer one. The set holds keys, never events: a
storm on one object costs one look.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple


class Ref(NamedTuple):
    """type: container, network, volume, image. id: as the engine addresses it."""

    type: str
    id: str


class Dirty:
    def __init__(self) -> None:
        self._urgent: OrderedDict[Ref, None] = OrderedDict()
        self._idle: OrderedDict[Ref, None] = OrderedDict()
        self._waiting: dict[Ref, list[asyncio.Future[None]]] = {}
        self._looking: dict[Ref, list[asyncio.Future[None]]] = {}
        """Being looked at, and who is content with that look."""
        self._available = asyncio.Event()

    def add(self, ref: Ref, *, urgent: bool = True) -> None:
        if urgent:
            self._idle.pop(ref, None)
            self._urgent[ref] = None
        elif ref not in self._urgent:
            self._idle[ref] = None
        self._available.set()

    def discard(self, ref: Ref) -> None:
        """It is gone. If it is being looked at just now, that answer is old: look again."""
        self._urgent.pop(ref, None)
        self._idle.pop(ref, None)
        if ref in self._looking:
            self.add(ref)
        else:
            _resolve(self._waiting.pop(ref, []))

    async def get(self) -> Ref:
        """The next one; the taker calls ``done`` with it."""
        while (ref := self._next()) is None:
            self._available.clear()
            await self._available.wait()
        self._looking[ref] = self._waiting.pop(ref, [])
        return ref

    def _next(self) -> Ref | None:
        for waiting in (self._urgent, self._idle):
            ref = next((r for r in waiting if r not in self._looking), None)
            if ref is not None:
                del waiting[ref]
                return ref
        return None

    def done(self, ref: Ref) -> None:
        _resolve(self._looking.pop(ref, []))
        if ref in self._urgent or ref in self._idle:
            self._available.set()
        else:
            _resolve(self._waiting.pop(ref, []))

    async def settled(self, refs: Iterable[Ref]) -> None:
        """Each of these has been looked at since now. Raises ``ConnectionResetError``
        when the set was abandoned meanwhile."""
        loop = asyncio.get_running_loop()
        waiting = []
        for ref in refs:
            if ref in self._urgent or ref in self._idle or ref in self._looking:
                waiting.append(future := loop.create_future())
                self._waiting.setdefault(ref, []).append(future)
        for future in waiting:
            await future

    def abandon(self) -> None:
        """Nothing will be looked at any more: who waits is told."""
        self._urgent.clear()
        self._idle.clear()
        for futures in (*self._waiting.values(), *self._looking.values()):
            for future in futures:
                if not future.done():
                    future.set_exception(ConnectionResetError("the engine was lost"))
                    future.exception()
        self._waiting.clear()
        self._looking.clear()


def _resolve(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
