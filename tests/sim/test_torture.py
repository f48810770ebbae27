"""Many seeds: users, vandals and faults for a while, then quiet, then the oracles.

``SKYCTL_TORTURE=1`` plays some thousands; ``SKYCTL_SEEDS=FROM-TO`` exactly those.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.sim.torture import Story, play

SHORT, LONG, AT_ONCE = 150, 4000, 10
_first, _, _last = os.environ.get("SKYCTL_SEEDS", "").partition("-")
SEEDS = (
    range(int(_first), int(_last or _first) + 1)
    if _first
    else range(LONG if os.environ.get("SKYCTL_TORTURE") else SHORT)
)
INJECTED: Counter[str] = Counter()
RARE = frozenset({"terminal"})
"""Not to be expected in the short form."""


@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
def test_the_end_is_as_declared(first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, SEEDS.stop)):
        INJECTED.update(play(Story.of(seed)).injected)


def test_every_class_of_faults_was_there() -> None:
    if len(SEEDS) < SHORT:
        pytest.skip("too few seeds")
    expected = set(Story.of(0).rates.names()) - (RARE if len(SEEDS) < LONG else set())
    never = [name for name in sorted(expected) if not INJECTED[name]]
    print(f"\n{len(SEEDS)} seeds: {dict(sorted(INJECTED.items()))}")
    assert not never
