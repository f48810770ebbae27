"""Virtual time, and processes that can be frozen and killed.

Theory: one event loop on virtual time carries several processes. Whatever a process
schedules carries its context variable, so the loop knows whose callback it is about to run: those
of a frozen process are parked and run, late and in order, when it wakes (as after SIGSTOP and
SIGCONT); those of a dead one never run again, so nothing of it cleans up (as after SIGKILL). What
serves the processes (engine, store, users) runs in the neutral context and goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import selectors
from asyncio import events
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
NEUTRAL = contextvars.Context()


class Process:
    """What runs in the context of one simulated process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.dead = False
        self.parked: list[events.Handle] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def start(self, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return asyncio.get_running_loop().create_task(main, name=self.name, context=self.context)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        """Nothing for a dead one."""
        if not self.dead:
            self.frozen = False
            self._release()

    def die(self) -> None:
        self.dead = self.frozen = True

    async def bury(self) -> None:
        """Ends what a dead process left in memory; its calls to the outside raise ``Killed``."""
        self.frozen = False
        self._release()
        for _ in range(50):
            alive = [task for task in self.tasks if not task.done()]
            if not alive:
                break
            for task in alive:
                task.cancel()
            await asyncio.wait(alive, timeout=1.0)
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()
        self.tasks.clear()

    def _release(self) -> None:
        parked, self.parked = self.parked, []
        asyncio.get_running_loop()._ready.extend(parked)  # type: ignore[attr-defined]


class Killed(BaseException):
    """What a dead process meets when it still tries to reach the outside."""


class _Handle(events.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is not None and process.frozen:
            process.parked.append(self)
        else:
            super()._run()


class _TimerHandle(events.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is not None and process.frozen:
            process.parked.append(self)
        else:
            super()._run()


class _Time(selectors.SelectSelector):
    """There is no outside to wait for: waiting is moving on in time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is scheduled any more, and nobody will come")
        self.now += timeout
        return []


class Stuck(BaseException):
    """Every task waits for something that cannot happen."""


class SimLoop(asyncio.SelectorEventLoop):
    """Deterministic: callbacks run in the order in which they were scheduled or fall due."""

    def __init__(self) -> None:
        self._clock = _Time()
        super().__init__(self._clock)
        self.serials = itertools.count(1)
        self.set_task_factory(_task)
        self.complaints: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _loop, context: self.complaints.append(context))

    def time(self) -> float:
        return self._clock.now

    def _call_soon(self, callback: Any, args: Any, context: Any) -> events.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = _TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


class _Task(asyncio.Task[Any]):
    """Sets of tasks (a TaskGroup's) are walked in the same order each time."""

    serial = 0

    def __hash__(self) -> int:
        return self.serial


def _task(loop: Any, coroutine: Any, context: Any = None) -> asyncio.Task[Any]:
    """Every task is known to its process, so that it can be ended."""
    task = _Task.__new__(_Task)
    task.serial = next(loop.serials)
    task.__init__(coroutine, loop=loop, context=context)  # type: ignore[misc]
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.tasks.add(task)
        task.add_done_callback(process.tasks.discard, context=NEUTRAL)
    return task


class SimClock:
    """Wall time that is the loop's time. Implements ``controller.clock.Clock``."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def neutral(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that belongs to no process."""
    return asyncio.get_running_loop().create_task(work, context=NEUTRAL)


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """``main()`` from start to end on a loop of its own. Raises what it raises, and whatever went
    wrong in a callback or in a task that nobody waited for."""
    loop = SimLoop()
    try:
        result = loop.run_until_complete(loop.create_task(main(), context=contextvars.Context()))
        loop.run_until_complete(_rest())
    finally:
        loop.close()
    if loop.complaints:
        raise AssertionError(f"the loop complains: {loop.complaints}")
    return result


async def _rest() -> None:
    """Ends what still runs."""
    for _ in range(10):
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=1.0)
