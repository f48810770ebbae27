"""Remembering what a pure function said for the inputs it was last given.

One result per name; asked with other inputs it is computed anew. Unchanged inputs usually are
the very same objects, so the comparison costs nothing; equal ones do as well. Bounded: past the
limit the longest unused is forgotten. A memo never changes an answer, only its price.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from operator import is_
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LIMIT = 65536


class Attached(Generic[T]):
    """Remembers what was said of an immutable object as long as that object lives; the objects can
    be referred to weakly, and need not be hashable."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, of: Any, compute: Callable[[], T]) -> T:
        known = self._known.get(id(of))
        if known is not None and known[0]() is of:
            return known[1]
        value, place = compute(), id(of)
        self._known[place] = (weakref.ref(of, lambda _: self._known.pop(place, None)), value)
        return value


class Memo(Generic[T]):
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: OrderedDict[Hashable, tuple[tuple[Any, ...], T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: Hashable, inputs: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """inputs: everything that ``compute`` depends on, immutable."""
        known = self._known.get(name)
        if known is not None:
            self._known.move_to_end(name)
            before, value = known
            if all(map(is_, before, inputs)):
                return value
            if before == inputs:
                self._known[name] = (inputs, value)
                return value
        value = compute()
        self._known[name] = (inputs, value)
        self._known.move_to_end(name)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return value
