"""(a) Fifty services from nothing, against the bare creates and starts."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bare import Bare, Recorded, bare
from benchmarks.measure import Measure
from benchmarks.processes import Usage
from benchmarks.rig import Rig, Running, organization_of, running


async def measure(rig: Rig, recorded: Recorded) -> Sequence[Measure]:
    ours: list[float] = []
    theirs: list[float] = []
    used: list[Usage] = []
    async with bare(rig, recorded) as floor, running(rig.host, rig.engine) as controller:
        best = await floor.best_concurrency(rig)
        for pair in range(rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    before = controller.usage()
                    ours.append(await converge(rig, controller, f"pair{pair}"))
                    used.append(controller.usage() - before)
                    await controller.clear()
                else:
                    theirs.append(await _bare(rig, floor, best))
            rig.say(f"(a) {pair + 1}: {ours[-1]:.2f} s, bare {theirs[-1]:.2f} s, {used[-1]}")
    per = 1000 / rig.services
    note = (
        "one transaction with an organization and all services, until every replica serves, against"
        f" a network, creates and starts of the same bodies by aiodocker, {best} at once"
    )
    return [
        Measure(
            "a",
            f"{rig.services} services from nothing",
            "s",
            ours,
            "bare aiodocker",
            theirs,
            "ratio <= 1.10",
            note,
        ),
        Measure("a", "CPU per service, controller", "ms", [u.controller * per for u in used]),
        Measure("a", "CPU per service, its PostgreSQL", "ms", [u.database * per for u in used]),
    ]


async def converge(rig: Rig, controller: Running, organization: str) -> float:
    """Seconds from the commit until the last replica serves."""
    names = [f"s{number}" for number in range(rig.services)]
    began = await controller.commit(*organization_of(organization, names, rig.image))
    return await controller.serves() - began


async def _bare(rig: Rig, floor: Bare, concurrency: int) -> float:
    took = await floor.converge(rig.services, concurrency)
    await floor.clear()
    return took
