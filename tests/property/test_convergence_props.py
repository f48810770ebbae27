"""Organizations and Volumes under random declarations, disturbances and deaths of the controller.

After any history, carrying out plans ends; then every plan is empty (or says what it waits for),
data that was there is there, and what is not ours is as it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resources.effective import effective
from resources.labels import L_CONTROLLER, L_UID
from resources.meta import Key
from resources.naming import network_name, volume_identity, volume_name
from resources.observed import Attachment, Container, Mount, Network, Volume
from resources.plan import Plan
from resources.subnets import overlaps
from resources.world import World
from tests.property.apply import INSTANCE, Stage, killed_anywhere, uid_of

NAMES = ("acme", "beta")
SUBNETS = (None, "192.168.10.0/24", "192.168.11.0/24")


def organization_spec(draw: random.Random) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if draw.random() < 0.4:
        spec["suspended"] = draw.random() < 0.5
    if draw.random() < 0.6:
        spec["network"] = {"internal": draw.random() < 0.5}
    if draw.random() < 0.1:
        spec["nonsense"] = 1
    return spec


def volume_spec(draw: random.Random) -> dict[str, Any]:
    spec: dict[str, Any] = {"deletionPolicy": draw.choice(["Retain", "Expire", "Delete"])}
    if draw.random() < 0.1:
        spec["nonsense"] = 1
    return spec


def declare_organization(stage: Stage, draw: random.Random) -> None:
    stage.declare("Organization", "", draw.choice(NAMES), organization_spec(draw))


def declare_volume(stage: Stage, draw: random.Random) -> None:
    organization = draw.choice(NAMES)
    row = stage.rows.get(Key("Organization", "", organization))
    if row is None or not row.resource.deleting:
        stage.declare("Volume", organization, draw.choice("ab"), volume_spec(draw))


def delete(stage: Stage, draw: random.Random) -> None:
    if stage.rows:
        stage.delete(draw.choice(sorted(stage.rows)))


def half_a_pass(stage: Stage, draw: random.Random) -> None:
    """The controller is killed after some steps."""
    if stage.rows:
        stage.run(draw.choice(sorted(stage.rows)), draw.randrange(3))


def network_goes(stage: Stage, draw: random.Random) -> None:
    ours = [n for n in stage.world.networks.values() if n.labels.get(L_CONTROLLER) == INSTANCE]
    if ours:
        gone = draw.choice(sorted(ours, key=lambda n: n.id))
        for container in stage.world.containers_on(gone.id):
            stage.world.drop_container(container.id)
        stage.world.drop_network(gone.id)


def container_comes(stage: Stage, draw: random.Random) -> None:
    networks = sorted(n.id for n in stage.world.networks.values() if n.labels.get(L_UID))
    volumes = sorted(stage.world.volumes)
    name = f"container-{draw.randrange(4)}"
    stage.world.put_container(
        Container(
            id=name,
            name=name,
            labels={L_CONTROLLER: INSTANCE, L_UID: "some-service"},
            image="i",
            image_id="sha256:i",
            state=draw.choice(["running", "exited"]),
            networks=tuple(Attachment(n) for n in networks[:1]),
            mounts=tuple(Mount(v, "/data") for v in volumes[:1] if draw.random() < 0.3),
        )
    )


def foreign_things(stage: Stage, draw: random.Random) -> None:
    """Others take the very names that we want."""
    name = draw.choice(NAMES)
    if draw.random() < 0.5:
        wanted = network_name(name, uid_of("Organization", "", name))
        stage.world.put_network(Network(f"foreign-{name}", wanted, {"whose": "else"}))
    else:
        wanted = volume_name(name, "a", uid_of("Volume", name, "a"))
        if stage.world.volume(wanted) is None:
            stage.world.put_volume(Volume(wanted, {"whose": "else"}))


def settle(stage: Stage, _draw: random.Random) -> None:
    stage.settle()


ACTIONS: tuple[Callable[[Stage, random.Random], None], ...] = (
    declare_organization,
    declare_organization,
    declare_volume,
    declare_volume,
    delete,
    half_a_pass,
    half_a_pass,
    network_goes,
    container_comes,
    foreign_things,
    settle,
)


def history(seed: int, length: int) -> Stage:
    draw = random.Random(seed)
    stage = Stage()
    for _ in range(length):
        draw.choice(ACTIONS)(stage, draw)
    return stage


def foreign(world: World) -> set[object]:
    things = (*world.networks.values(), *world.volumes.values())
    return {(t.name, t.labels["whose"]) for t in things if "whose" in t.labels}


@given(st.integers(0, 2**32), st.integers(1, 25))
def test_it_ends_and_then_nothing_is_left_to_do(seed: int, length: int) -> None:
    stage = history(seed, length)
    others, data = foreign(stage.world), dict(stage.world.volumes)
    expendable = {
        volume_identity(entry).engine_name
        for entry in stage.rows.values()
        if getattr(effective(entry).spec, "deletion_policy", "") == "Delete"
    }
    removed = [step for step in stage.settle() if step.startswith("RemoveVolume")]
    for key in stage.rows:
        plan = stage.plan(key)
        assert plan.steps == ()
        assert plan.converged or plan.wait or plan.problem
    assert foreign(stage.world) == others
    assert {step.split()[1] for step in removed} <= expendable
    assert len(set(data) - set(stage.world.volumes)) == len(removed)
    subnets = [s for n in stage.world.networks.values() for s in n.subnets]
    assert not any(overlaps(a, b) for i, a in enumerate(subnets) for b in subnets[:i])


@given(st.integers(0, 2**32), st.integers(1, 25))
def test_equal_input_gives_an_equal_plan_whatever_the_order(seed: int, length: int) -> None:
    stage = history(seed, length)
    again = history(seed, length)
    objects = [
        *again.world.containers.values(),
        *again.world.networks.values(),
        *again.world.volumes.values(),
    ]
    random.Random(seed).shuffle(objects)
    again.world = World.of(objects)
    again.rows = dict(sorted(again.rows.items(), reverse=True))
    for key in stage.rows:
        one, other = stage.plan(key), again.plan(key)
        assert one == other
        assert one.render() == other.render()
        assert stage.status(key) == again.status(key)


@given(st.integers(0, 2**32), st.integers(1, 15))
def test_killed_after_any_step_it_ends_in_the_same_state(seed: int, length: int) -> None:
    for key in history(seed, length).rows:
        outcomes = list(killed_anywhere(lambda: history(seed, length), key, lasting))
        assert all(outcome == outcomes[-1] for outcome in outcomes)


def lasting(stage: Stage) -> object:
    """What matters of the end, without the engine's own ids."""
    world = stage.world
    return (
        {k: (e.record.subnet, e.record.volume_created) for k, e in stage.rows.items()},
        sorted((n.name, n.subnets, n.internal) for n in world.networks.values()),
        sorted(world.volumes),
        sorted(stage.retained),
        {k: _outline(stage.plan(k)) for k in stage.rows},
    )


def _outline(plan: Plan) -> object:
    return plan.render()
