"""What is remembered, and what is forgotten first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resources.memo import Attached, Memo
from resources.observed import Container


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


@pytest.mark.parametrize("again", [lambda given: given, lambda given: (list(given[0]),)])
def test_the_longest_unused_goes_first(again: Callable[[Any], Any]) -> None:
    """Unused, not uncomputed. Hit with the very same objects, or with equal ones."""
    memo: Memo[int] = Memo(limit=2)
    compute = Counted()
    old = ([1],)
    memo.get("old", old, compute)
    memo.get("new", (1,), compute)
    memo.get("old", again(old), compute)
    memo.get("third", (1,), compute)
    assert (len(memo), compute.calls) == (2, 3)
    memo.get("old", old, compute)
    assert compute.calls == 3, "what was asked for lately is still known"
    memo.get("new", (1,), compute)
    assert compute.calls == 4


def test_computed_anew_it_is_in_use() -> None:
    memo: Memo[int] = Memo(limit=2)
    compute = Counted()
    for name, inputs in (("a", (1,)), ("b", (1,)), ("a", (2,)), ("c", (1,)), ("a", (2,))):
        memo.get(name, inputs, compute)
    assert (len(memo), compute.calls) == (2, 4)


def test_what_is_attached_to_an_object_goes_with_it() -> None:
    known: Attached[int] = Attached()
    compute = Counted()
    one = Container("c1", "web", {}, "nginx", "sha256:i", "running")
    equal = Container("c1", "web", {}, "nginx", "sha256:i", "running")
    assert [known.get(one, compute), known.get(one, compute)] == [1, 1]
    assert known.get(equal, compute) == 2
    del one
    assert len(known) == 1
    assert known.get(equal, compute) == 2
