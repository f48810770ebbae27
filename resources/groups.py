"""An index of who belongs to what, in the order in which they came."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
M = TypeVar("M", bound=Hashable)


class Groups(dict[K, dict[M, None]], Generic[K, M]):
    """Members by key; a key without any is not there."""

    def add(self, key: K, member: M) -> None:
        self.setdefault(key, {})[member] = None

    def discard(self, key: K, member: M) -> None:
        members = self.get(key)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self[key]

    def of(self, key: K) -> Collection[M]:
        return self.get(key, ())
