"""Killed before and after each effect of some scenarios, and each request or reply lost.

``SKYCTL_TORTURE=1`` plays all points; the short form every few, others each time the number of
effects changes.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.matrix import SCENARIOS, Scenario, crash, points, recorded

EVERY = 1 if os.environ.get("SKYCTL_TORTURE") else 3
HOWS = {"before": "killed before", "after": "killed after", "lost": "", "unanswered": ""}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_it_ends_the_same(scenario: Scenario) -> None:
    assert recorded(scenario).effects >= 5
    for number, how in points(scenario, every=EVERY):
        crash(scenario, number, how)
