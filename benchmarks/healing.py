"""(d) A container removed by hand to its successor running, against the bare create and start.

Both ends are the engine's own events: the removal's ``destroy`` and the successor's ``start``. The
bare side runs from sending the create to ``start``, of the same body on a network of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.bare import Bare, Recorded, bare
from benchmarks.measure import Measure
from benchmarks.rig import EngineEvent, Events, Rig, Running, events, organization_of, running
from tests.e2e.harness import Docker

BESIDE = 10
"""Services that stand beside the one that is removed."""


async def measure(rig: Rig, recorded: Recorded) -> Sequence[Measure]:
    ours: list[float] = []
    theirs: list[float] = []
    async with (
        events(rig.engine) as heard,
        bare(rig, recorded) as floor,
        running(rig.host, rig.engine) as controller,
    ):
        names = [f"s{number}" for number in range(BESIDE)]
        await controller.commit(*organization_of("heal", names, rig.image))
        await controller.ready()
        network = await floor.network(9_999)
        for pair in range(rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                await asyncio.sleep(0.5)
                if side:
                    ours.append(await _healed(rig, controller, heard))
                else:
                    theirs.append(await _made(floor, heard, network, f"heal_{pair}"))
            rig.say(f"(d) {pair + 1}: {ours[-1]:.0f} ms, bare {theirs[-1]:.0f} ms")
        await controller.clear()
    note = "from the engine's event 'destroy' to its event 'start'"
    return [
        Measure(
            "d",
            "a removed container's successor runs",
            "ms",
            ours,
            "bare create+start",
            theirs,
            "ratio <= 1.2",
            note,
        )
    ]


async def _healed(rig: Rig, controller: Running, heard: Events) -> float:
    """Milliseconds."""
    docker = Docker(rig.engine)
    label = f"io.skypanel.controller={controller.program.instance_known()}"
    found = await asyncio.to_thread(docker.containers, label, "io.skypanel.name=s0")
    removed, name = found[0]["Id"], found[0]["Names"][0].lstrip("/")

    def gone(event: EngineEvent) -> bool:
        return event.action == "destroy" and event.id == removed

    def back(event: EngineEvent) -> bool:
        made = event.action == "start" and event.id != removed
        return made and event.attributes.get("name") == name and event.at > began.at

    await asyncio.to_thread(docker.remove, removed)
    began = await heard.seen(gone)
    started = await heard.seen(back)
    await asyncio.sleep(0.3)
    await controller.ready()
    return (started.at - began.at) * 1000


async def _made(floor: Bare, heard: Events, network: str, name: str) -> float:
    """Milliseconds."""
    began = time.time()
    made = await floor.start(name, network)
    started = await heard.seen(lambda event: event.action == "start" and event.id == made)
    return (started.at - began) * 1000
