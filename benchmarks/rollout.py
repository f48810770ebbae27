"""(h) A new environment for twenty running services at once, against the same calls alone.

Both sides replace each container by one whose environment differs: create, start, let it run for as
long as a replica without a health check must, stop the old one, remove it. The bare side knows
beforehand what is to be done, watches nothing and records nothing; creates, starts and removals
share its limit, while stops, which mostly wait, have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.bare import CANDIDATES, Bare, Recorded, bare
from benchmarks.measure import Measure
from benchmarks.processes import Usage
from benchmarks.rig import Rig, Running, organization_of, running
from resources.service.health import SETTLE

SERVICES = 20
ORGANIZATION = "rolling"
_CHANGE = """
UPDATE skyctl.resources
SET spec = jsonb_set(spec, '{{environment}}', '{{"ROUND": "{round}"}}')
WHERE kind = 'Service' AND organization = '{organization}'
"""


async def measure(rig: Rig, recorded: Recorded) -> Sequence[Measure]:
    ours: list[float] = []
    theirs: list[float] = []
    used: list[Usage] = []
    async with bare(rig, recorded) as floor, running(rig.host, rig.engine) as controller:
        await floor.converge(SERVICES, CANDIDATES[0])
        names = [f"s{number}" for number in range(SERVICES)]
        await controller.commit(*organization_of(ORGANIZATION, names, rig.image))
        await controller.ready()
        best = await _best_concurrency(rig, floor)
        await _rolled(controller, "warm")
        for pair in range(rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    before = controller.usage()
                    ours.append(await _rolled(controller, f"pair{pair}"))
                    used.append(controller.usage() - before)
                else:
                    theirs.append(await floor.roll(SETTLE, best))
            rig.say(f"(h) {pair + 1}: {ours[-1]:.2f} s, bare {theirs[-1]:.2f} s, {used[-1]}")
        await controller.clear()
    per = 1000 / SERVICES
    note = (
        "startFirst; one UPDATE of all, until every row is Ready and no old container is left,"
        f" against creates, starts, {SETTLE:g} s of running, stops and removals of the same bodies"
        f" by aiodocker, {best} at once"
    )
    return [
        Measure(
            "h",
            f"a rollout of {SERVICES} services",
            "s",
            ours,
            "bare aiodocker",
            theirs,
            "ratio <= 1.2",
            note,
        ),
        Measure("h", "CPU per service, controller", "ms", [u.controller * per for u in used]),
        Measure("h", "CPU per service, its PostgreSQL", "ms", [u.database * per for u in used]),
    ]


async def _rolled(controller: Running, round_: str) -> float:
    """Seconds from the commit to the last row's Ready at its new generation."""
    change = _CHANGE.format(round=round_, organization=ORGANIZATION)
    began = await controller.commit(change)
    return await controller.ready() - began


async def _best_concurrency(rig: Rig, floor: Bare) -> int:
    """The quickest of the candidates, each tried twice."""
    seconds = dict.fromkeys(CANDIDATES, float("inf"))
    for _ in range(2):
        for candidate in CANDIDATES:
            seconds[candidate] = min(seconds[candidate], await floor.roll(SETTLE, candidate))
            await asyncio.sleep(1.0)
    best = min(seconds, key=seconds.__getitem__)
    rig.say(f"(h) bare rollout at concurrency {best}: {seconds}")
    return best
