"""Calls that may take long run beside the workers: one tenant's slow registry, or a process that
takes an hour to stop, must not hold the hands that heal everybody else.

A pass starts such a call, waits a moment for it, and if it is not done by then ends; its key is
woken when the call ends, and the next pass asks again. Equal calls (one image, one container) are
one. What is under way here is never needed to know where we are: after a crash the world says it.
The world has changed when the next pass looks, so that it may have no reason to ask again: what was
done meanwhile is kept for it (``done``), because nobody else tells of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from resources.meta import Key
from resources.steps import Step

PATIENCE = 2.0
"""Seconds that a pass waits for a long call before it ends without it."""
NEWS = 60.0
"""Seconds for which the end of a call is news to who asked; a later asker means another call."""


class Slots:
    """At most ``total`` at once, and at most ``each`` of one organization. Next is who has the
    fewest, and among equals who asked first."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._taken: Counter[str] = Counter()
        self._queue: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, organization: str) -> AsyncIterator[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((organization, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._taken[organization] -= 1
                self._taken += Counter()  # forgets organizations that hold nothing
            else:
                self._queue.remove((organization, turn))
            self._admit()

    def _admit(self) -> None:
        while self._taken.total() < self._total:
            waiting = [each for each in self._queue if not each[1].done()]
            if not waiting:
                return
            chosen = min(waiting, key=lambda each: self._taken[each[0]])
            organization, turn = chosen
            if self._taken[organization] >= self._each:
                return
            self._queue.remove(chosen)
            self._taken[organization] += 1
            turn.set_result(None)


@dataclass(slots=True)
class _Call:
    task: asyncio.Task[None]
    askers: dict[Key, Step] = field(default_factory=dict)


class LongCalls:
    """wake: puts a key on the queue."""

    def __init__(self, wake: Callable[[Key], None], patience: float = PATIENCE) -> None:
        self._wake = wake
        self._patience = patience
        self._running: dict[Hashable, _Call] = {}
        self._ended: dict[tuple[Key, Hashable], tuple[float, BaseException | None]] = {}
        self._done: dict[Key, tuple[Step, ...]] = {}

    async def ask(
        self, key: Key, name: Hashable, step: Step, call: Callable[[], Awaitable[None]]
    ) -> bool:
        """True: it is done (now, or since this key asked last). False: it is under way, and the
        key will be woken. Raises the call's error, once to every key that asked."""
        self._forget_old()
        if (key, name) in self._ended:
            return self._told(key, name)
        running = self._running.get(name)
        if running is None:
            running = self._start(name, call)
        await asyncio.wait({running.task}, timeout=self._patience)
        if running.task.done():
            running.task.result()  # raises what it raised
            return True
        running.askers.setdefault(key, step)
        return False

    def done(self, key: Key) -> tuple[Step, ...]:
        """What the key asked for in vain and was done since, in order; until ``told``."""
        return self._done.get(key, ())

    def told(self, key: Key, steps: Sequence[Step]) -> None:
        """Of these it has been told."""
        left = tuple(step for step in self._done.pop(key, ()) if step not in steps)
        if left:
            self._done[key] = left

    def forget(self, key: Key) -> None:
        """The key is gone: nobody will ask for how its calls ended."""
        for ended in [e for e in self._ended if e[0] == key]:
            del self._ended[ended]
        self._done.pop(key, None)

    async def close(self) -> None:
        """Cancels what is under way."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _told(self, key: Key, name: Hashable) -> bool:
        _, error = self._ended.pop((key, name))
        if error is not None:
            raise error
        return True

    def _start(self, name: Hashable, call: Callable[[], Awaitable[None]]) -> _Call:
        running = _Call(asyncio.create_task(_awaited(call), name=f"long {name}"))
        self._running[name] = running
        running.task.add_done_callback(lambda task: self._end(name, running, task))
        return running

    def _end(self, name: Hashable, running: _Call, task: asyncio.Task[None]) -> None:
        """Runs before anybody who waits for the task goes on."""
        del self._running[name]
        if task.cancelled():
            return
        news = (asyncio.get_running_loop().time(), task.exception())
        for key, step in running.askers.items():
            self._ended[key, name] = news
            if news[1] is None:
                self._done[key] = (*self._done.get(key, ()), step)
            self._wake(key)

    def _forget_old(self) -> None:
        horizon = asyncio.get_running_loop().time() - NEWS
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest][0] >= horizon:
                return
            del self._ended[oldest]


async def _awaited(call: Callable[[], Awaitable[None]]) -> None:
    await call()
