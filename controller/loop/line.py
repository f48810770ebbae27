"""Who is next: groups take turns, and within one it is first come, first served.

A group is whoever must not be kept waiting by the others, like a tenant: one that queues a hundred
keys delays another's single key by one key of each group, not by a hundred.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Line(Generic[K]):
    """Keys, each with the moment since when it waits."""

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._since: dict[K, float] = {}
        self._groups: OrderedDict[Hashable, dict[K, None]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._since

    def __len__(self) -> int:
        return len(self._since)

    def add(self, key: K, since: float) -> None:
        self._since[key] = since
        self._groups.setdefault(self._group(key), {})[key] = None

    def remove(self, key: K, default: float) -> float:
        """Since when it was waiting; the default when it was not."""
        if key not in self._since:
            return default
        group = self._group(key)
        members = self._groups[group]
        del members[key]
        if not members:
            del self._groups[group]
        return self._since.pop(key)

    def take(self) -> tuple[K, float]:
        """The next one. There must be one."""
        group, members = next(iter(self._groups.items()))
        key = next(iter(members))
        since = self.remove(key, 0.0)
        if members:
            self._groups.move_to_end(group)
        return key, since

    def clear(self) -> None:
        self._since.clear()
        self._groups.clear()
