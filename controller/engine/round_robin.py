"""Whose turn it is to be looked at again: all of them, a share at a time, round and round."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Sequence


class RoundRobin:
    """everyone: who is there, all of them present; asked once a round."""

    def __init__(self, everyone: Callable[[], Sequence[str]]) -> None:
        self._everyone = everyone
        self._waiting: deque[str] = deque()
        self._count = 0
        self._due = 0.0

    def take(self, share: float, present: Container[str]) -> list[str]:
        """The next ones, each once, of those still present. Fractions are kept for next time."""
        if not self._round():
            return []
        self._due += share * self._count
        taken: dict[str, None] = {}
        while len(taken) < min(int(self._due), self._count) and self._round():
            if (name := self._waiting.popleft()) in present:
                taken[name] = None
        self._due %= 1
        return list(taken)

    def _round(self) -> bool:
        """Begins the next one when the last is over; False: nobody is there."""
        if not self._waiting:
            self._waiting.extend(self._everyone())
            self._count = len(self._waiting)
        return bool(self._waiting)
