"""One subscription to the events of the engine, to its end, and what goes on beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from controller.engine.base import Engine, EngineEvent
from resources.errors import UserError

Beside = Callable[[], Coroutine[None, None, None]]


async def follow(
    engine: Engine, note: Callable[[EngineEvent], None], beside: Sequence[Beside]
) -> UserError | None:
    """Notes each event. beside: begun once subscribed, ended with it; what one of them raises ends
    the subscription. Why it failed, or None when the engine closed it.

    The end is an exception too: a task group that is left in peace while one of its tasks
    fails takes its own cancellation for somebody else's (Python 3.11).
    """
    failed: UserError | None = None
    try:
        async with engine.events() as events, asyncio.TaskGroup() as group:
            for each in beside:
                group.create_task(each())
            async for event in events:
                note(event)
            raise _Ended
    except* _Ended:
        pass
    except* UserError as errors:
        failed = _first(errors)
    _cancelled_meanwhile()
    return failed


class _Ended(Exception):
    """The engine closed the stream."""


def _cancelled_meanwhile() -> None:
    """A task group of Python 3.11 swallows a cancellation that comes while it is failing."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(errors: BaseExceptionGroup[UserError]) -> UserError:
    inner: BaseException = errors
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    assert isinstance(inner, UserError)
    return inner
