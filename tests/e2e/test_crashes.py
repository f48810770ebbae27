"""Killed before and after an engine call, the controller ends where it would have ended.

``SKYCTL_TORTURE=1`` plays every call; the short form one of each act.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.crashes import ACTS, HOWS, Act, Field, field
from tests.e2e.harness import short_directory

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))


@pytest.fixture(scope="module")
def played() -> Iterator[Field]:
    with short_directory() as place, field(place) as made:
        yield made


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name.replace(" ", "-"))
def test_killed_before_and_after_each_call(act: Act, played: Field) -> None:
    calls, expected = played.undisturbed(act)
    assert calls
    points = [(number, how) for number in range(len(calls)) for how in HOWS]
    chosen = points if TORTURE else [points[(2 * ACTS.index(act) + 1) % len(points)]]
    for number, how in chosen:
        played.crash(act, number, how, expected)
    print(f"{act.name}: {len(calls)} calls, {len(chosen)} points")
