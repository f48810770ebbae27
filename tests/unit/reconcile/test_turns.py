"""Turns among the rollouts: so many at once, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace

from controller.reconcile.turns import Turns, rolling
from resources.labels import L_REVISION
from resources.meta import Key
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

A, B, C = (Key("Service", "acme", name) for name in "abc")


def test_as_many_as_may_be_and_then_whoever_waited_is_woken() -> None:
    woken: list[Key] = []
    turns = Turns(1, woken.append)
    assert turns.take(A)
    assert turns.take(A)
    assert not turns.take(B)
    assert not turns.take(C)
    turns.release(A)
    assert woken == [B]
    turns.release(B)
    assert woken == [B, C]
    assert turns.take(C)
    assert turns.holds(C)
    assert not turns.holds(A)


def test_no_limit() -> None:
    turns = Turns(0, lambda _: None)
    assert turns.take(A)
    assert turns.holds(B)


def test_those_under_way_when_somebody_begins_to_act() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    assert list(rolling(stage.world, INSTANCE)) == []
    found = stage.only(web)
    stage.put(found, id="x", name="x", labels={**found.labels, L_REVISION: "v1:abcdef"})
    turns = Turns(1, lambda _: None)
    turns.begin(rolling(stage.world, INSTANCE))
    assert turns.holds(web)
    assert not turns.take(A)


def without(stage: Theatre, key: Key) -> str:
    context = stage.context(key)
    return _plan(stage, key, replace(context, turn=False)).render()


def _plan(stage: Theatre, key: Key, context):  # type: ignore[no-untyped-def]
    from resources.registry import kinds

    return kinds()["Service"].plan(context)


def test_a_rollout_without_its_turn_pulls_and_waits() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    stage.service(image="nginx:1.27")
    wait = "wait: its turn: as many rollouts as may be are under way"
    assert without(stage, web).splitlines()[-2:] == [
        "PullImage nginx:1.27 (not on the engine)",
        wait,
    ]
    for step in _plan(stage, web, replace(stage.context(web), turn=False)).steps:
        stage.apply(web, step)
    plan = _plan(stage, web, replace(stage.context(web), turn=False))
    assert plan.render() == wait
    assert plan.turn == "wanted"
    assert stage.pass_(web).turn == "held"
    stage.go(web)
    assert stage.plan(web).turn == ""


def test_what_replaces_nothing_needs_no_turn() -> None:
    stage = Theatre()
    web = stage.service()
    assert "CreateContainer" in without(stage, web)
    stage.go(web)
    stage.world.drop_container(stage.only(web).id)
    assert "CreateContainer" in without(stage, web)
