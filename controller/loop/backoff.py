"""Exponential backoff with full jitter, per key, forgotten on success."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

K = TypeVar("K")


class Backoff(Generic[K]):
    """The n-th failure in a row waits uniformly between half and all of min(cap, base * 2**n).

    "Half and all" instead of "nothing and all": a lucky draw must not make a hot loop.
    """

    def __init__(self, base: float, cap: float, random_: random.Random) -> None:
        self._base = base
        self._cap = cap
        self._random = random_
        self._failures: dict[K, int] = {}

    def next(self, key: K) -> float:
        """Seconds to wait after one more failure."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        ceiling = min(self._cap, self._base * 2.0 ** min(failures, 32))
        return self._random.uniform(ceiling / 2, ceiling)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)
