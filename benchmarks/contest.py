"""(g) The same fifty services by the controller and by its peers, on one engine in turns.

The engine is one of the benchmark's own where that is possible (``docker stack`` needs a swarm, and
nobody makes one on an engine that is not his); else it is the usual one, without the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.bare import Recorded
from benchmarks.converge import converge
from benchmarks.measure import Measure
from benchmarks.peers import contestants, declarations
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.engine import lead_swarm, own_engine
from benchmarks.peers.packages import Absent
from benchmarks.rig import Rig, running
from tests.e2e.harness import short_directory
from tests.images import ensure_busybox_image

V2, V1, STACK = "Compose v2", "docker-compose 1.29", "docker stack deploy"
GOALS = {V2: "ratio <= 1", V1: "ratio < 1", STACK: "ratio < 1"}


async def measure(rig: Rig, recorded: Recorded) -> Sequence[Measure]:
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        place = stack.enter_context(short_directory())
        try:
            engine = stack.enter_context(own_engine())
            ensure_busybox_image(f"unix://{engine}")
        except Absent as error:
            engine, absent[STACK] = rig.engine, str(error)
        peers = _present(rig, engine, place, recorded, absent)
        ours, theirs = await _rounds(replace(rig, engine=engine), peers)
    what = f"{rig.services} services from nothing"
    note = "each until all run, from a file (peers) or a transaction (ours), in turns on one engine"
    return [
        Measure("g", what, "s", absent=absent[name], against=name, goal=goal)
        if name in absent
        else Measure("g", what, "s", ours, name, theirs[name], goal, note if name == V2 else "")
        for name, goal in GOALS.items()
    ]


def _present(
    rig: Rig, engine: str, place: Path, recorded: Recorded, absent: dict[str, str]
) -> dict[str, Contestant]:
    """Those who can take part; why the others cannot goes to ``absent``."""
    found: dict[str, Contestant] = {}

    def ask(name: str, make: Callable[[], Contestant]) -> None:
        if name in absent:
            return
        try:
            found[name] = make()
        except Absent as error:
            absent[name] = str(error)

    file = declarations.compose(recorded, rig.services, "10.99.1.0/24")
    ask(V2, lambda: contestants.compose_v2(engine, place, file))
    ask(V1, lambda: contestants.compose_v1(engine, place, file))
    if STACK not in absent:
        try:
            lead_swarm(engine)
        except Absent as error:
            absent[STACK] = str(error)
    ask(
        STACK,
        lambda: contestants.stack(engine, place, declarations.stack(recorded, rig.services)),
    )
    return found


async def _rounds(
    rig: Rig, peers: dict[str, Contestant]
) -> tuple[list[float], dict[str, list[float]]]:
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    async with running(rig.host, rig.engine) as controller:
        for number in range(rig.pairs):
            order = ["", *peers]
            for name in order[number % len(order) :] + order[: number % len(order)]:
                if name:
                    theirs[name].append(await peers[name].up())
                    await peers[name].down()
                else:
                    ours.append(await converge(rig, controller, f"round{number}"))
                    await controller.clear()
            last = {name: round(values[-1], 2) for name, values in theirs.items()}
            rig.say(f"(g) {number + 1}: {ours[-1]:.2f} s, {last}")
    return ours, theirs
