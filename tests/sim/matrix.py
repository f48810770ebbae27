"""The crash matrix: killed before and after each effect on the outside, and started anew.

An undisturbed run of a scenario is recorded first: its N effects (engine steps and store writes).
Then the scenario is played once for each effect and each way to lose it, and must end the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from resources.labels import L_REVISION
from resources.meta import Key
from resources.observed import Limits
from tests.sim import oracles
from tests.sim.harness import CrashAt, Simulation, simulate
from tests.sim.universe import organization_key

BOUND = 300.0
"""Virtual seconds until an act has had its effect, crash or not."""
HOWS = ("before", "after", "lost", "unanswered")
ORGANIZATION = organization_key("acme")
VOLUME = Key("Volume", "acme", "data")
WEB = Key("Service", "acme", "web")
API = Key("Service", "acme", "api")

Act = Callable[[Simulation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """before: what is there when the recording begins. act: what is recorded. serving: how many
    containers of WEB must serve throughout. kept: its containers are the same ones at the end."""

    name: str
    before: tuple[Act, ...]
    act: Act
    serving: int = 0
    kept: bool = False


async def _create(sim: Simulation) -> None:
    await sim.apply(ORGANIZATION, {})
    await sim.apply(VOLUME, {"deletionPolicy": "Retain"})
    await sim.apply(
        WEB,
        {
            "image": "app:1",
            "replicas": 2,
            "volumes": [{"volume": "data", "mountPath": "/data"}],
            "files": [{"path": "/etc/app.conf", "content": "x"}],
        },
    )


async def _stateless(sim: Simulation) -> None:
    await sim.apply(ORGANIZATION, {})
    await sim.apply(WEB, _web("app:1", "startFirst"))


def _web(image: str, order: str, replicas: int = 2) -> dict[str, object]:
    return {
        "image": image,
        "replicas": replicas,
        "update": {"order": order, "minReady": "1s"},
        "healthCheck": {"exec": ["true"], "interval": "1s", "startPeriod": "10s"},
    }


async def _start_first(sim: Simulation) -> None:
    await sim.apply(WEB, _web("app:2", "startFirst"))


async def _stop_first(sim: Simulation) -> None:
    await sim.apply(WEB, _web("app:2", "stopFirst"))


async def _scale_down(sim: Simulation) -> None:
    await sim.apply(WEB, _web("app:1", "startFirst", 0))


async def _with_pre_deploy(sim: Simulation) -> None:
    spec = {**_web("app:2", "startFirst"), "preDeploy": {"command": ["migrate"]}}
    await sim.apply(WEB, spec)


async def _bad_start_first(sim: Simulation) -> None:
    """Goes back by itself."""
    await sim.apply(WEB, _bad("startFirst"))


async def _bad_stop_first(sim: Simulation) -> None:
    await sim.apply(WEB, _bad("stopFirst"))


async def _bad_twice(sim: Simulation) -> None:
    """A newer spec, bad as well, comes in the middle of the way back."""
    await sim.apply(WEB, _bad("stopFirst"))
    await sim.until(
        lambda: (r := sim.database.entries[WEB].record.rollout) is not None and r.failed,
        BOUND,
        "it fails",
        every=0.1,
    )
    await sim.apply(WEB, {**_bad("stopFirst"), "environment": {"N": 2}})


def _bad(order: str) -> dict[str, object]:
    update = {"order": order, "progressDeadline": "8s", "minReady": "1s"}
    return {**_web("crash:1", order), "update": update}


async def _in_place(sim: Simulation) -> None:
    more = {"resources": {"memory": "512Mi"}, "restart": {"policy": "onFailure"}}
    await sim.apply(WEB, {**_web("app:1", "startFirst"), **more})


async def _in_place_and_more(sim: Simulation) -> None:
    """Limits alone first, then limits and the image, then limits again before that is over."""
    spec = _web("app:1", "startFirst")
    await sim.apply(WEB, {**spec, "resources": {"memory": "128Mi"}})
    await asyncio.sleep(0.3)
    await sim.apply(WEB, {**spec, "resources": {"memory": "64Mi"}, "image": "app:2"})
    await asyncio.sleep(2.6)
    await sim.apply(WEB, {**spec, "resources": {"memory": "96Mi"}, "image": "app:2"})


async def _network(sim: Simulation) -> None:
    await sim.apply(ORGANIZATION, {"network": {"internal": True}})


async def _suspend(sim: Simulation) -> None:
    await sim.apply(ORGANIZATION, {"suspended": True})


async def _delete_everything(sim: Simulation) -> None:
    await sim.delete(ORGANIZATION)


async def _delete_data(sim: Simulation) -> None:
    await sim.apply(VOLUME, {"deletionPolicy": "Delete"})
    await asyncio.sleep(1.0)
    await sim.delete(WEB)
    await sim.delete(VOLUME)


async def _again(sim: Simulation) -> None:
    """Deleted and made again under the same name as soon as that is possible."""
    await sim.delete(WEB)
    await sim.until(lambda: WEB not in sim.database.entries, BOUND, "the row is gone", every=0.1)
    await sim.apply(WEB, _web("app:3", "startFirst", 1))


async def _adopt(sim: Simulation) -> None:
    """The data of a deleted volume, under another name."""
    await sim.delete(WEB)
    await sim.delete(VOLUME)
    await sim.until(lambda: VOLUME not in sim.database.entries, BOUND, "it is gone", every=0.1)
    (retained,) = sim.database.retained
    await sim.apply(Key("Volume", "acme", "saved"), {"adopt": retained})
    spec = {"image": "app:1", "volumes": [{"volume": "saved", "mountPath": "/data"}]}
    await sim.apply(API, spec)


async def _break(sim: Simulation) -> None:
    hand, (first, second) = sim.engine.hand, sorted(c.name for c in oracles.ours(sim))
    hand.rm(first)
    hand.stop(second)
    hand.update(second, Limits(10**8, 32 * 1024 * 1024, 16))
    await asyncio.sleep(0.1)


async def _lose_network(sim: Simulation) -> None:
    (network,) = oracles.our_networks(sim)
    for container in sim.engine.world.containers_on(network.id):
        sim.engine.hand.disconnect(network.id, container.name)
    sim.engine.hand.rm_network(network.id)
    await asyncio.sleep(0.1)


async def _scale_up(sim: Simulation) -> None:
    await sim.apply(WEB, _web("app:1", "startFirst", 4))


SCENARIOS = (
    Scenario("create", (), _create),
    Scenario("start-first", (_stateless,), _start_first, serving=2),
    Scenario("stop-first", (_stateless,), _stop_first, serving=1),
    Scenario("pre-deploy", (_stateless,), _with_pre_deploy, serving=2),
    Scenario("rollback", (_stateless,), _bad_start_first, serving=2),
    Scenario("rollback-stop-first", (_stateless,), _bad_stop_first, serving=1),
    Scenario("rollback-twice", (_stateless,), _bad_twice, serving=1),
    Scenario("in-place", (_stateless,), _in_place, serving=2, kept=True),
    Scenario("in-place-and-more", (_stateless,), _in_place_and_more, serving=2),
    Scenario("scale-down", (_stateless,), _scale_down),
    Scenario("network", (_stateless,), _network),
    Scenario("suspend", (_stateless,), _suspend),
    Scenario("delete", (_create,), _delete_everything),
    Scenario("delete-data", (_create,), _delete_data),
    Scenario("delete-and-again", (_stateless,), _again),
    Scenario("adopt", (_create,), _adopt),
    Scenario("heal", (_stateless,), _break),
    Scenario("network-lost", (_stateless,), _lose_network),
    Scenario("scale-up", (_stateless,), _scale_up),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """effects: how many the act has. first: number of its first."""

    first: int
    effects: int
    end: oracles.Normal
    lines: tuple[str, ...]


@cache
def recorded(scenario: Scenario, controllers: int = 1) -> Recording:
    sim = Simulation(1)

    async def play(sim: Simulation) -> Recording:
        for _ in range(controllers):
            sim.launch()
        first = await played(sim, scenario)
        lines = tuple(sim.trace.lines())
        return Recording(first, sim.effects - first, _end(sim), lines)

    return simulate(sim, play)


def crash(scenario: Scenario, *at: tuple[int, str], standby: bool = False) -> None:
    """at: numbers of effects and how they are lost. standby: a second controller is there, else
    somebody starts one soon. Raises AssertionError when the end differs, or something bad
    happened on the way."""
    controllers = 1 + standby
    recording = recorded(scenario, controllers)
    crashes = [CrashAt(recording.first + number, how) for number, how in at]
    sim = Simulation(1, crash_at=crashes, reborn_after=None if standby else 0.3)

    async def play(sim: Simulation) -> oracles.Normal:
        for _ in range(controllers):
            sim.launch()
        await played(sim, scenario)
        assert sim.effects > recording.first + at[0][0], "the crash never came"
        return _end(sim)

    found = oracles.difference(simulate(sim, play), recording.end)
    shown = "\n".join(sim.trace.lines())
    assert not found, f"{scenario.name} {at}: {found}\n{shown}"


def points(
    scenario: Scenario, hows: tuple[str, ...] = HOWS, every: int = 1, controllers: int = 1
) -> Iterator[tuple[int, str]]:
    for number in range(recorded(scenario, controllers).effects):
        for index, how in enumerate(hows):
            if (number * len(hows) + index) % every == 0:
                yield number, how


def pairs(scenario: Scenario, every: int = 1) -> Iterator[tuple[tuple[int, str], ...]]:
    """Killed, and killed again soon after."""
    kills = ("before", "after")
    for number in range(recorded(scenario).effects):
        for index, (first, second) in enumerate(product(kills, kills)):
            for gap in (1, 2, 4):
                if (number * 12 + index * 3 + gap) % every == 0:
                    yield (number, first), (number + gap, second)


async def played(sim: Simulation, scenario: Scenario) -> int:
    """Returns the number of the act's first effect."""
    for act in scenario.before:
        await act(sim)
        await _settled(sim)
    first = sim.effects
    if scenario.serving:
        sim.watch.append(lambda _: _serves(sim, scenario.serving))
    ids = {container.id for container in oracles.ours(sim)}
    await scenario.act(sim)
    await _settled(sim)
    await _idle(sim)
    if scenario.kept:
        assert {container.id for container in oracles.ours(sim)} == ids
    return first


async def _settled(sim: Simulation) -> None:
    """What the engine was told to do by somebody who died may still be under way: so quiet for
    some time."""
    calm = 0

    def settled() -> bool:
        nonlocal calm
        calm = calm + 1 if sim.processes and not oracles.faults_of(sim) else 0
        return calm >= 8

    await sim.until(settled, BOUND, lambda: f"it settles: {oracles.faults_of(sim)}")


async def _idle(sim: Simulation) -> None:
    """Converged: after a resync, two more write nothing at all."""
    await asyncio.sleep(30.0)
    before = sim.calls.copy()
    await asyncio.sleep(55.0)
    wrote = sim.calls - before
    assert not wrote, f"converged, and yet it wrote {dict(wrote)}"


def _serves(sim: Simulation, number: int) -> None:
    """At every moment, whatever crashes: never fewer than were promised."""
    mine = [c for c in oracles.ours(sim) if oracles.key_of(c.labels) == WEB]
    serving = sum(c.running and c.health in ("", "healthy") for c in mine)
    if serving < number:
        sim.failures.append(f"only {serving} of {number} serve at {sim.clock.monotonic():.3f}")
    names = [(c.labels.get(L_REVISION), c.name) for c in mine]
    if len(names) > 3:
        sim.failures.append(f"{len(names)} containers at once: {names}")


def _end(sim: Simulation) -> oracles.Normal:
    """With what was kept and what was removed of the data."""
    end = oracles.normal(sim)
    world = sim.engine.world
    end["volumes"] = sorted(world.volumes)
    end["data"] = sorted(sim.engine.machine.data)
    end["removed"] = sorted({volume.name for volume in sim.engine.removed_volumes})
    end["retained"] = sorted(r.engine_name for r, _ in sim.database.retained.values())
    end["containers"] = sorted(c.name for c in world.containers.values())
    end["networks"] = sorted(n.name for n in world.networks.values())
    return end
