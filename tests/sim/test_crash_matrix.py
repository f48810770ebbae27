"""Killed before and after each effect of some scenarios, and each request or reply lost.

``SKYCTL_TORTURE=1`` plays all points; the short form every few.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.matrix import SCENARIOS, Scenario, crash, pairs, points, recorded

FULL = bool(os.environ.get("SKYCTL_TORTURE"))
scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


@scenarios
def test_killed_or_unheard_anywhere_it_ends_the_same(scenario: Scenario) -> None:
    assert recorded(scenario).effects >= 5
    for point in points(scenario, every=1 if FULL else 7):
        crash(scenario, point)


@scenarios
def test_killed_twice_it_ends_the_same(scenario: Scenario) -> None:
    for both in pairs(scenario, every=1 if FULL else 41):
        crash(scenario, *both)


@scenarios
def test_with_a_standby_it_ends_the_same(scenario: Scenario) -> None:
    """Also when the leader was frozen in the moment of acting, and acts late."""
    hows = ("before", "after", "late", "asleep")
    for point in points(scenario, hows, every=1 if FULL else 9, controllers=2):
        crash(scenario, point, standby=True)
