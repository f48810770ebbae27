"""What looks at something again and again, one task for each Domain that wants it.

Targets are derived from each finished observation; one that is the same keeps its task. What was
found lives in the live world as long as its target does: after a restart of ours nothing is known
until the first look, and Unknown takes nothing away.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from controller.reconcile.observe import Observation
from resources.meta import Key

T = TypeVar("T")


class Watch(Generic[T]):
    def __init__(self) -> None:
        self._targets: dict[Key, T] = {}
        self._running: dict[Key, tuple[T, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None

    # -- what is watched, and how
    def _derived(self, observation: Observation | None) -> T | None:
        """None: there is nothing to look at."""
        raise NotImplementedError

    async def _look(self, key: Key, target: T) -> None:
        """Until cancelled. Never raises."""
        raise NotImplementedError

    def _forget(self, target: T, instead: T | None) -> None:
        """What was found of the one, and says nothing of what is watched instead (None: nothing
        is)."""
        raise NotImplementedError

    def _same(self, one: T, other: T) -> bool:
        """May the task go on as it is?"""
        return one == other

    # -- lifetimes
    async def run(self) -> None:
        """Until cancelled; then nothing is known any more."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for key, target in self._targets.items():
                self._start(key, target)
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None
                for key in list(self._running):
                    self._cancel(key, None)

    def observed(self, observation: Observation | None, key: Key) -> None:
        """Takes the target over from a finished pass; None: the resource is gone."""
        if key.kind != "Domain":
            return
        target = self._derived(observation)
        if target is None:
            self._targets.pop(key, None)
            self._cancel(key, None)
            return
        self._targets[key] = target
        if self._group is not None:
            self._start(key, target)

    def _start(self, key: Key, target: T) -> None:
        assert self._group is not None
        running = self._running.get(key)
        if running is not None and self._same(running[0], target):
            return
        self._cancel(key, target)
        name = f"{type(self).__name__} {key.name}"
        self._running[key] = target, self._group.create_task(self._look(key, target), name=name)

    def _cancel(self, key: Key, instead: T | None) -> None:
        running = self._running.pop(key, None)
        if running is None:
            return
        running[1].cancel()
        self._forget(running[0], instead)
