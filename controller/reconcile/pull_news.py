"""How far a pull is, told to those who wait for it as an event that is renewed in place.

Most pulls are over before there is anything to tell. For the others each waiting resource gets one
event, ``Pulling``, whose words change every ``EVERY`` seconds while anything changed, all of them
in one statement: a large image makes a row, not a flood. Who did not ask for a pull is told nothing
of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from controller.engine.base import PullProgress
from controller.store.base import Deposed, Event, Store, StoreUnavailable
from resources.errors import UserError
from resources.meta import Key
from resources.quantity import format_size
from resources.steps import PullImage

log = structlog.get_logger("pulls")

EVERY = 5.0
"""Seconds between two tellings."""
REASON = "Pulling"
"""The event's: the store keeps the newest of them alone."""


@dataclass(slots=True)
class _Waiting:
    """askers: with their uids. told: the last words."""

    askers: dict[Key, str] = field(default_factory=dict)
    progress: PullProgress | None = None
    told: str = ""


class PullNews:
    def __init__(self, store: Store, epoch: Callable[[], int | None], every: float = EVERY) -> None:
        self._store = store
        self._epoch = epoch
        self._every = every
        self._waiting: dict[tuple[str, ...], _Waiting] = {}

    def asked(self, step: PullImage, key: Key, uid: str) -> None:
        """That resource waits for the pull."""
        self._waiting.setdefault(step.identity, _Waiting()).askers[key] = uid

    def ended(self, step: PullImage) -> None:
        """However it ended: that is told by who asked."""
        self._waiting.pop(step.identity, None)

    def heard(self, progress: PullProgress) -> None:
        waiting = self._waiting.get(progress.pull)
        if waiting is not None:
            waiting.progress = progress

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._every)
            await self.tell()

    async def tell(self) -> None:
        """What is new since the last time. Missing one of them is no harm."""
        epoch, events = self._epoch(), self._events()
        if epoch is None or not events:
            return
        try:
            await self._store.emit(events, epoch=epoch)
        except (StoreUnavailable, Deposed, UserError) as error:
            log.debug("not told", reason=str(error) or type(error).__name__)

    def _events(self) -> list[Event]:
        found: list[Event] = []
        for waiting in self._waiting.values():
            if waiting.progress is None or (words := spoken(waiting.progress)) == waiting.told:
                continue
            waiting.told = words
            found += [
                Event(uid, key, "Normal", REASON, words) for key, uid in waiting.askers.items()
            ]
        return found


def spoken(progress: PullProgress) -> str:
    """``registry/app:1: 2 of 5 layers, 12.5Mi of 54Mi``"""
    parts = [f"{progress.layers_done} of {progress.layers} layers"] if progress.layers else []
    if progress.total:
        parts.append(f"{format_size(progress.current)} of {format_size(progress.total)}")
    if progress.status.startswith("Retrying"):
        parts.append("the registry does not answer, it is tried again")
    return f"{progress.reference}: {', '.join(parts) or progress.status or 'begun'}"
