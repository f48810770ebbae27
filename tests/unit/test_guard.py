"""The mass-change guard's judgement."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from resources.guard import GuardVerdict, exceeds, fingerprint, judge


@dataclass(frozen=True)
class Batch:
    items: tuple[str, ...]
    state: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.items)


@pytest.mark.parametrize(
    ("removed", "total", "past"),
    [
        (0, 0, False),
        (4, 4, False),  # fewer than the minimum, though all of them
        (5, 5, True),
        (5, 16, True),
        (5, 17, False),  # 29.4 percent
        (30, 100, False),  # exactly the limit is within it
        (31, 100, True),
        (10_000, 10_000, True),
    ],
)
def test_both_limits_count(removed: int, total: int, past: bool) -> None:
    assert exceeds(removed, total, 30, 5) is past


def test_limits_at_their_ends() -> None:
    assert not exceeds(100, 100, 100, 1)
    assert exceeds(1, 1000, 0, 1)


def test_a_fingerprint_names_a_set() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a", "a"])
    assert fingerprint(["a", "b"]) != fingerprint(["ab"])
    assert fingerprint(["a"]) != fingerprint([])


@pytest.mark.parametrize(
    ("items", "suspect", "earlier", "verdict"),
    [
        ("ab", False, [], GuardVerdict.DELETE),
        ("ab", True, [], GuardVerdict.HOLD),
        ("ab", True, [("ab", "held")], GuardVerdict.HOLD),
        ("ab", True, [("ab", "approved")], GuardVerdict.DELETE),
        ("ab", True, [("ab", "discarded")], GuardVerdict.LEAVE),
        # what is left of an approved batch
        ("a", True, [("ab", "approved")], GuardVerdict.DELETE),
        ("abc", True, [("ab", "approved")], GuardVerdict.HOLD),
        # what was held or refused once is asked about again, however little it became
        ("a", False, [("ab", "held")], GuardVerdict.HOLD),
        ("a", False, [("ab", "discarded")], GuardVerdict.HOLD),
        ("abc", False, [("ab", "discarded")], GuardVerdict.HOLD),
        # what has nothing to do with it
        ("c", False, [("ab", "held")], GuardVerdict.DELETE),
        ("c", False, [("ab", "discarded")], GuardVerdict.DELETE),
        ("c", False, [("ab", "approved")], GuardVerdict.DELETE),
        ("c", True, [("ab", "approved")], GuardVerdict.HOLD),
        # an approval of more outweighs the refusal of less
        ("a", True, [("a", "discarded"), ("ab", "approved")], GuardVerdict.DELETE),
    ],
)
def test_verdicts(
    items: str, suspect: bool, earlier: list[tuple[str, str]], verdict: GuardVerdict
) -> None:
    known = [Batch(tuple(i), state) for i, state in earlier]
    assert judge(tuple(items), known, suspect=suspect) is verdict
