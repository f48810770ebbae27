"""The work queue: one entry per key, one worker per key.

Theory (client-go's): ``dirty`` holds what must be worked, ``processing`` what is being worked. An
add during processing is remembered and runs once more afterwards, so no change is ever missed
and no key is ever worked twice at once. Keys that shall come later wait in a heap; the
earliest date of a key wins, and an immediate add overtakes it. While nobody works the queue
it is suspended: it would grow by every key that was ever heard of.

Changes (urgent) go before resyncs (not urgent), but for every ``FAIRNESS`` urgent keys in a row
one of the others is let through, so that a flood of changes cannot suspend the guarantee. Within
each of the two, groups of keys take turns.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from controller.loop.line import Line

K = TypeVar("K", bound=Hashable)

FAIRNESS = 16
SLACK = 64
"""Dates in the heap that no key has any more, beside as many as there are."""


class QueueMeter(Protocol):
    """What the queue tells about itself; times in seconds."""

    def added(self) -> None: ...
    def depth(self, depth: int) -> None: ...
    def waited(self, seconds: float) -> None: ...


class Closed(Exception):
    """The queue was closed; there will be no more keys."""


class Queue(Generic[K]):
    """Not thread-safe: for one event loop. group: of a key; without it all are of one."""

    def __init__(
        self,
        meter: QueueMeter | None = None,
        now: Callable[[], float] | None = None,
        group: Callable[[K], Hashable] = lambda _: None,
    ) -> None:
        self._meter = meter
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._urgent: Line[K] = Line(group)
        self._rest: Line[K] = Line(group)
        self._processing: set[K] = set()
        self._again: dict[K, bool] = {}
        self._waiting: dict[K, float] = {}
        self._backed_off: set[K] = set()
        self._hinted: set[K] = set()
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0
        self._run = 0
        self._getters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._suspended = False

    # -- adding
    def add(self, key: K, *, urgent: bool = True) -> None:
        """Now. Adding what is already dirty changes at most its urgency."""
        if self._closed or self._suspended:
            return
        if self._meter:
            self._meter.added()
        self._waiting.pop(key, None)
        self._backed_off.discard(key)
        if key in self._processing:
            self._again[key] = self._again.get(key, False) or urgent
            return
        if key in self._urgent:
            return
        if urgent:
            self._urgent.add(key, self._rest.remove(key, self._now()))
        elif key not in self._rest:
            self._rest.add(key, self._now())
        self._idle.clear()
        self._measure()
        self._wake()

    def hint(self, key: K) -> None:
        """Like ``add``, but leaves a key that failed to its date: a failing call makes events of
        its own, and would be tried again at once for ever."""
        if key in self._processing:
            self._hinted.add(key)
        elif key not in self._backed_off:
            self.add(key)

    def back_off(self, key: K, seconds: float) -> None:
        """After a failure: ``add_after``, and hints do not hasten it."""
        self.add_after(key, seconds)
        if key in self._waiting:
            self._backed_off.add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Later; the earliest date asked for wins. Nothing when the key is dirty already."""
        if self._closed or self._suspended:
            return
        if key in self._urgent or key in self._rest or key in self._again:
            return
        due = self._now() + max(0.0, seconds)
        if (known := self._waiting.get(key)) is not None and known <= due:
            return
        self._waiting[key] = due
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, key))
        self._arm()

    # -- taking
    async def get(self) -> K:
        """The next key, now marked as being worked: call ``done`` for it. Raises Closed."""
        while True:
            if self._closed:
                raise Closed
            if self._urgent or self._rest:
                return self._take()
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # pass the wake-up on
                elif getter in self._getters:
                    self._getters.remove(getter)
                raise

    def _take(self) -> K:
        urgent = bool(self._urgent) and not (self._rest and self._run >= FAIRNESS)
        key, since = (self._urgent if urgent else self._rest).take()
        self._run = self._run + 1 if urgent else 0
        self._processing.add(key)
        if self._meter:
            self._meter.waited(self._now() - since)
        self._measure()
        return key

    def done(self, key: K) -> None:
        self._processing.discard(key)
        again = self._again.pop(key, None)
        hinted = key in self._hinted
        self._hinted.discard(key)
        if again is not None:
            self.add(key, urgent=again)
        elif hinted:
            self.hint(key)
        if not (self._processing or self._urgent or self._rest):
            self._idle.set()

    # -- the rest
    @property
    def depth(self) -> int:
        return len(self._urgent) + len(self._rest)

    @property
    def processing(self) -> int:
        return len(self._processing)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def join(self) -> None:
        """Until nothing is dirty and nothing is worked (dated keys do not count)."""
        await self._idle.wait()

    def suspend(self) -> None:
        """Nobody works it: all keys are dropped, and none is taken until ``resume``. Who resumes
        adds whatever is to be worked."""
        self._suspended = True
        self._urgent.clear()
        self._rest.clear()
        self._again.clear()
        self._waiting.clear()
        self._backed_off.clear()
        self._hinted.clear()
        self._arm()
        self._measure()
        if not self._processing:
            self._idle.set()

    def resume(self) -> None:
        self._suspended = False

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)

    def _measure(self) -> None:
        if self._meter:
            self._meter.depth(self.depth)

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._heap) > 2 * len(self._waiting) + SLACK:
            self._heap = [entry for entry in self._heap if self._waiting.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        while self._heap and self._waiting.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._ripe)

    def _ripe(self) -> None:
        now = self._now()
        while self._heap and self._heap[0][0] <= now + 1e-6:
            due, _, key = heapq.heappop(self._heap)
            if self._waiting.get(key) == due:
                del self._waiting[key]
                self.add(key)
        self._arm()
