"""(c) From the commit of a row to the engine's create call.

A pass-through on the engine's socket notes when ``POST /containers/create`` arrives. Organization
and image are there, nothing else is under way. Time runs from right before COMMIT is sent, so the
commit itself is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import quantiles

from benchmarks.measure import Measure
from benchmarks.rig import Rig, Running, organization_of, running, service
from benchmarks.wiretap import Request, Wiretap, wiretap
from tests.e2e.harness import short_directory

ORGANIZATION = "latency"


async def measure(rig: Rig) -> Sequence[Measure]:
    with short_directory() as place:
        async with (
            wiretap(place, rig.engine) as tap,
            running(tap.host, rig.engine) as controller,
        ):
            await controller.commit(*organization_of(ORGANIZATION, ["first"], rig.image))
            await controller.ready()
            found = [await once(rig, tap, controller, n) for n in range(max(3 * rig.pairs, 10))]
            await controller.clear()
    rig.say(f"(c) {[round(value, 1) for value in found]}")
    ninetieth = quantiles(found, n=10, method="inclusive")[-1]
    return [
        Measure(
            "c",
            "commit of a row to the engine's create call",
            "ms",
            found,
            goal="median <= 25 ms",
            note=f"p90 {ninetieth:.1f} ms; the commit itself is in it",
            more={"p90": ninetieth},
        )
    ]


async def once(rig: Rig, tap: Wiretap, controller: Running, number: int) -> float:
    """Milliseconds."""
    name = f"s{number}"

    def creates(request: Request) -> bool:
        return request.method == "POST" and f"create?name={ORGANIZATION}_{name}_" in request.path

    async with asyncio.TaskGroup() as group:
        seen = group.create_task(tap.seen(creates))
        await asyncio.sleep(0.2)
        committed = await controller.commit(service(ORGANIZATION, name, rig.image))
        request = await seen
    await controller.ready()
    await asyncio.sleep(0.2)
    return (request.at - committed) * 1000
