"""Updates, moves and restarts under constant traffic through a real Traefik: no request fails."""

from __future__ import annotations

import os

import pytest

from controller.ingress.binary import find_traefik
from tests.e2e import route_drift
from tests.e2e.harness import short_directory
from tests.e2e.stage import stage, table
from tests.e2e.traffic import CASES

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))


def test_no_request_fails() -> None:
    cases = [case for case in CASES if TORTURE or not case.whole]
    with short_directory() as place, stage(place) as made:
        played = list(made.play(cases))
    print("\n" + table(played))
    for case, found in played:
        assert found.requests > 20, case.name
        assert case.free or not found.failures, (case.name, found.failures)


@pytest.mark.skipif(not TORTURE, reason="with SKYCTL_TORTURE=1")
def test_drift_of_routes_is_told_and_healed() -> None:
    with short_directory() as place, stage(place) as made:
        played = list(route_drift.play(made, route_drift.ROWS))
    print("\n" + route_drift.table(played))
    for row, found in played:
        route_drift.judge(row, found)
