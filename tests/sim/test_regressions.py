"""What the simulation found once, by name (see ``BUGS.md``). A seed's course changes whenever the
code does; where a point of the crash matrix or a direct test shows the same, it stands beside."""

from __future__ import annotations

import pytest

from controller.store.catalogue import Catalogue
from resources.meta import Entry, Key, Resource
from tests.sim.matrix import SCENARIOS, crash
from tests.sim.torture import Story, play

SEEDS = {
    "leader-wakes-late": 213,
    "pull-nobody-awaits": 29,
    "remembered-unreported": 285,
    "remembered-unreported-2": 383,
    "sweep-deposed": 22,
}
POINTS = {
    "stop-first-gap": ("stop-first", 3, "after"),
    "remembered-unreported": ("suspend", 5, "after"),
}


@pytest.mark.parametrize("name", SEEDS)
def test_seed(name: str) -> None:
    play(Story.of(SEEDS[name]))


@pytest.mark.parametrize("name", POINTS)
def test_point(name: str) -> None:
    scenario, number, how = POINTS[name]
    crash(next(s for s in SCENARIOS if s.name == scenario), (number, how))


def test_successor_dropped() -> None:
    """A slow answer "there is none" takes away nothing that came in after the question."""
    key = Key("Volume", "acme", "data")
    catalogue = Catalogue()
    asked = catalogue.moment()
    catalogue.put(Entry(Resource(key, "uid-1", {})))
    assert catalogue.drop(key, asked) is None
    assert catalogue.replace([], asked) == ([], [])
    assert catalogue.entry(key) is not None
    catalogue.finalized("uid-0")
    assert catalogue.entry(key) is not None
    catalogue.finalized("uid-1")
    assert catalogue.entry(key) is None
