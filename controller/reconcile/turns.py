"""Whose turn it is to replace containers: so many rollouts are under way at once on an engine.

A turn is held from the first new container until the rollout is over. It is not remembered beyond
this process: whoever begins to act sees from the containers which rollouts were under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resources.labels import L_KIND, L_NAME, L_ORGANIZATION, L_REVISION, L_ROLE, is_ours
from resources.meta import Key
from resources.observed import Container
from resources.world import World

WANTED = "wanted"
"""What a plan notes under ``turn`` when it lacks one."""


class Turns:
    """limit: 0 means none. wake: puts a key on the queue."""

    def __init__(self, limit: int, wake: Callable[[Key], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._held: dict[Key, None] = {}
        self._waiting: dict[Key, None] = {}

    def begin(self, under_way: Iterable[Key]) -> None:
        """Anew, with those that have been under way."""
        self._held = dict.fromkeys(under_way)
        self._waiting.clear()

    def holds(self, key: Key) -> bool:
        return not self._limit or key in self._held

    def take(self, key: Key) -> bool:
        """False: it is woken when there may be room."""
        if self.holds(key):
            return True
        if len(self._held) >= self._limit:
            self._waiting[key] = None
            return False
        self._waiting.pop(key, None)
        self._held[key] = None
        return True

    def release(self, key: Key) -> None:
        """It needs none (any more)."""
        known = key in self._held or key in self._waiting
        self._held.pop(key, None)
        self._waiting.pop(key, None)
        if known:
            for other in list(self._waiting)[: self._limit - len(self._held)]:
                self._wake(other)


def rolling(world: World, instance: str) -> Iterable[Key]:
    """Services that have containers of more than one revision."""
    seen: dict[Key, set[str]] = {}
    for container in world.containers.values():
        if is_ours(container.labels, instance) and L_ROLE not in container.labels:
            seen.setdefault(_key(container), set()).add(container.labels.get(L_REVISION, ""))
    return [key for key, revisions in seen.items() if len(revisions) > 1]


def _key(container: Container) -> Key:
    labels = container.labels
    return Key(labels.get(L_KIND, ""), labels.get(L_ORGANIZATION, ""), labels.get(L_NAME, ""))
