"""A secret comes by SQL, is used, changes and goes on: killed anywhere on the way, every container
ends with the newest value, and the inbox is empty.

Not compared with an undisturbed run as the other scenarios are: a sealed box is another one each
time, and so is the revision.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache

from resources.meta import Key
from resources.sealed import is_sealed
from tests.sim import oracles
from tests.sim.harness import CrashAt, Simulation, simulate
from tests.sim.matrix import HOWS, ORGANIZATION, WEB, Scenario, played

FULL = bool(os.environ.get("SKYCTL_TORTURE"))
DB = Key("Secret", "acme", "db")
USES = {
    "image": "app:1",
    "replicas": 2,
    "environment": {"PASSWORD": {"secret": "db", "key": "PASSWORD"}},
    "files": [{"path": "/run/token", "secret": "db", "key": "TOKEN"}],
}


async def _begin(sim: Simulation) -> None:
    await sim.apply(ORGANIZATION, {})
    await sim.apply(WEB, {"image": "app:1", "replicas": 2})


async def _use(sim: Simulation) -> None:
    """In the wrong order, and changed before anybody is done with the first one."""
    await sim.apply(WEB, USES)
    await sim.apply(DB, {"data": {"PASSWORD": "one", "TOKEN": "t"}})
    await asyncio.sleep(3.0)
    await sim.apply(DB, {"data": {"PASSWORD": "two", "TOKEN": "t"}})


SCENARIO = Scenario("secret", (_begin,), _use, serving=1)


@cache
def recorded() -> tuple[int, int]:
    """The number of the first effect, and how many there are."""
    sim = Simulation(1)

    async def play(sim: Simulation) -> tuple[int, int]:
        sim.launch()
        first = await played(sim, SCENARIO)
        _check(sim)
        return first, sim.effects - first

    return simulate(sim, play)


def crash(number: int, how: str) -> None:
    sim = Simulation(1, crash_at=[CrashAt(recorded()[0] + number, how)], reborn_after=0.3)

    async def play(sim: Simulation) -> None:
        sim.launch()
        await played(sim, SCENARIO)
        _check(sim)

    simulate(sim, play)


def _check(sim: Simulation) -> None:
    mine = [c for c in oracles.ours(sim) if oracles.key_of(c.labels) == WEB]
    assert len(mine) == 2
    for container in mine:
        life = sim.engine.machine.lives[container.id]
        assert dict(life.spec.environment) == {"PASSWORD": "two"}
        assert life.files == {"/run/token": "t"}
    assert sim.database.inbox == {}
    values = sim.database.entries[DB].resource.spec["sealedData"]
    assert set(values) == {"PASSWORD", "TOKEN"}
    assert all(map(is_sealed, values.values()))


def test_killed_or_unheard_anywhere_the_newest_value_arrives() -> None:
    _, effects = recorded()
    assert effects >= 15
    points = [(number, how) for number in range(effects) for how in HOWS]
    for number, how in points if FULL else points[::9]:
        crash(number, how)
