"""A generation has to prove itself in whichever order it comes, and one that crashes right after it
seemed ready is undone; who waits for the outcome learns that there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.conditions import find
from resources.errors import UserError
from resources.labels import L_GENERATION
from resources.meta import Key
from resources.observed import Container
from resources.service.probing import targets
from tests.unit.service.rollout_stage import new, running
from tests.unit.service.theatre import Theatre

STOP_FIRST: dict[str, Any] = {"update": {"order": "stopFirst", "progressDeadline": "20s"}}
BAD = "nginx:1.27"


def words(status: dict[str, Any], *types: str) -> list[str]:
    found = [find(status, type_) for type_ in types]
    return [str(condition["status"]) for condition in found if condition is not None]


def crash(stage: Theatre, container: Container, restarts: int = 3) -> Container:
    return stage.change(
        container, state="restarting", restarts=restarts, exit_code=9, finished_at=stage.now
    )


@pytest.mark.parametrize("order", ["startFirst", "stopFirst"])
def test_either_order_needs_two_seconds(order: str) -> None:
    stage, web = running(update={"order": order})
    stage.service(image=BAD, update={"order": order})
    stage.pass_(web)
    assert stage.text(web) == "wait: replica 0, which has to run for a while"
    stage.wait(1.9)
    assert not stage.plan(web).steps
    stage.wait(0.1)
    stage.go(web)
    assert stage.status(web)["rollout"]["state"] == "complete"


def test_stop_first_that_dies_at_once_goes_back() -> None:
    stage, web = running(**STOP_FIRST)
    stage.service(image=BAD, **STOP_FIRST)
    stage.pass_(web)
    (fresh,) = new(stage, web)
    stage.wait(1.5)
    crash(stage, fresh)
    stage.pass_(web)
    assert words(stage.status(web), "Stalled", "Reconciling") == ["False", "True"]
    stage.wait(20)
    stage.go(web)
    assert stage.only(web).labels[L_GENERATION] == "1"
    assert stage.status(web)["rollout"]["state"] == "rolledBack"
    assert stage.status(web)["error"]["code"] == "DEPLOYMENT_CRASH_LOOP"


def seemed_ready(**spec: Any) -> tuple[Theatre, Key, Container]:
    """Generation 2, two seconds after its start."""
    stage, web = running(**STOP_FIRST, **spec)
    earlier = stage.rows[web].resource.spec
    stage.service(image=BAD, **STOP_FIRST, **spec)
    stage.go(web)
    entry = stage.rows[web]
    assert entry.record.ready_generation == 2
    # what the store says once the readiness of generation 2 is taken back
    record = replace(entry.record, ready_generation=1, ready_spec=earlier)
    stage.taken_back = record  # type: ignore[attr-defined]
    (fresh,) = new(stage, web)
    return stage, web, fresh


def test_a_crash_loop_right_after_it_seemed_ready_undoes_it() -> None:
    stage, web, fresh = seemed_ready()
    stage.wait(8)
    crash(stage, fresh)
    plan = stage.pass_(web)
    reason = "replica 0 keeps restarting (exit code 9) within 1m of being ready"
    assert plan.steps[0].render() == f"EndRollout generation 2 failed ({reason})"
    assert plan.problem is not None
    assert plan.problem.code == "DEPLOYMENT_CRASH_LOOP"
    entry = stage.rows[web]
    taken_back = stage.taken_back  # type: ignore[attr-defined]
    record = replace(taken_back, rollout=entry.record.rollout)
    stage.rows[web] = replace(entry, record=record)
    stage.go(web)
    assert stage.only(web).labels[L_GENERATION] == "1"
    status = stage.status(web)
    assert status["rollout"]["state"] == "rolledBack"
    assert words(status, "Available", "Ready", "Stalled") == ["True", "False", "True"]
    stage.wait(1000)
    assert not stage.plan(web).steps


def test_later_than_that_it_is_no_longer_the_update_s_fault() -> None:
    stage, web, fresh = seemed_ready()
    stage.wait(61)
    crash(stage, fresh)
    assert not stage.plan(web).steps


def test_what_was_ready_before_is_not_taken_back_by_a_restart() -> None:
    stage, web, _ = seemed_ready()
    stage.wait(100)
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    stage.optimistic = True
    said = "\n".join(stage.go(web))
    assert "EndRollout generation 2 ready" in said
    crash(stage, stage.only(web))
    assert not stage.plan(web).steps


def test_who_pauses_and_a_first_generation_have_nothing_to_go_back_to() -> None:
    stage, web = running()
    crash(stage, stage.only(web))
    assert not stage.plan(web).steps
    update = {"update": {"order": "stopFirst", "onFailure": "pause"}}
    stage, web = running(**update)
    stage.service(image=BAD, **update)
    stage.go(web)
    crash(stage, stage.only(web))
    assert not stage.plan(web).steps


# ---------------------------------------------------------------- crash loops, and who waits


def test_a_crash_loop_looks_the_same_whether_it_runs_just_now_or_not() -> None:
    stage, web = running()
    container = stage.only(web)
    seen = []
    for restarts in (3, 4, 5):
        crash(stage, container, restarts)
        seen.append(stage.status(web))
        stage.wait(1)
        stage.change(container, state="running", restarts=restarts, started_at=stage.now)
        seen.append(stage.status(web))
        stage.wait(5)
    facts = [
        (s["phase"], s["state"], s["readyReplicas"], words(s, "Available", "Ready", "Stalled"))
        for s in seen
    ]
    assert set(map(str, facts)) == {str(("Failed", "error", 0, ["False", "False", "True"]))}
    stage.wait(5)
    assert stage.status(web)["phase"] == "Running"
    assert words(stage.status(web), "Ready", "Stalled", "Reconciling") == ["True", "False", "False"]


def test_one_that_is_started_again_by_us_counts_once_it_has_run_for_a_while() -> None:
    stage, web = running()
    for _ in range(3):
        stage.exits(stage.only(web), 1)
        stage.status(web)
        stage.wait(1)
        stage.run(web)
        stage.change(stage.only(web), started_at=stage.now)
        stage.status(web)
    assert stage.status(web)["error"]["code"] == "DEPLOYMENT_CRASH_LOOP"
    assert stage.status(web)["readyReplicas"] == 0
    wait = stage.plan(web).wait
    assert wait is not None
    assert wait.seconds == 10
    stage.wait(10)
    assert stage.plan(web).converged


def test_a_first_rollout_that_crash_loops_needs_somebody() -> None:
    stage = Theatre()
    web = stage.service()
    stage.pass_(web)
    crash(stage, stage.only(web))
    assert words(stage.status(web), "Stalled", "Reconciling") == ["True", "False"]


def test_what_may_put_it_right_in_place_is_waited_for() -> None:
    stage = Theatre()
    web = stage.service()
    stage.pass_(web)
    crash(stage, stage.only(web))
    stage.status(web)
    stage.wait(1)
    stage.service(resources={"memory": "1Gi"})
    stage.pass_(web)
    assert words(stage.status(web), "Stalled", "Reconciling") == ["False", "True"]
    stage.wait(1)
    crash(stage, stage.only(web), 4)
    assert words(stage.status(web), "Stalled", "Reconciling") == ["True", "False"]


def test_a_registry_that_stays_away_needs_somebody() -> None:
    stage = Theatre()
    web = stage.service()
    stage.run(web, 2)
    away = UserError("IMAGE_REGISTRY_UNREACHABLE", "no such host", retryable=True)
    assert words(stage.status(web, away), "Stalled", "Reconciling") == ["False", "True"]
    stage.wait(60)
    status = stage.status(web, away)
    assert words(status, "Stalled", "Reconciling") == ["True", "False"]
    assert status["error"]["retryable"]


def test_an_update_that_cannot_go_on_is_not_updating() -> None:
    stage, web = running()
    stage.service(image=BAD)
    stage.run(web, 2)
    denied = UserError("ACCESS_ROOT_DENIED", "the image runs as root")
    status = stage.status(web, denied)
    assert (status["phase"], status["state"]) == ("Degraded", "running")
    assert words(status, "Available", "Stalled") == ["True", "True"]


# ---------------------------------------------------------------- restarts and causes


def test_only_a_new_value_restarts() -> None:
    stage, web = running()
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    stage.optimistic = True
    stage.go(web)
    before = stage.only(web)
    entry = stage.rows[web]
    stage.rows[web] = replace(entry, resource=replace(entry.resource, annotations={}))
    assert stage.plan(web).converged
    stage.service(image=BAD)
    stage.go(web)
    assert stage.plan(web).converged
    assert stage.only(web).id != before.id


def test_after_a_suspension_the_causes_are_true() -> None:
    stage, web = running()
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    stage.optimistic = True
    stage.go(web)
    stage.declare("Organization", "", "acme", {"suspended": True})
    stage.go(web)
    stage.wait(60)
    stage.declare("Organization", "", "acme", {})
    begin, *_, start = stage.pass_(web).steps
    assert begin.cause == "no longer: the organization is suspended"
    assert start.render().endswith("(it was stopped, and is to run)")


def test_what_was_stopped_by_hand_while_paused_was_not_restarted() -> None:
    stage, web = running()
    stage.annotate(web, paused="an incident")
    stage.exits(stage.only(web), 137)
    assert stage.status(web)["restarts"] == []


# ---------------------------------------------------------------- old replicas are probed on


def test_what_is_scaled_away_is_probed_until_it_has_gone() -> None:
    stage, web = running(replicas=2, healthCheck={"http": {"port": 80}})
    for number, container in enumerate(stage.containers(web)):
        place = replace(container.networks[0], address=f"10.0.0.{number + 2}")
        stage.change(container, networks=(place,))
    before = {target.container: target for target in targets(stage.context(web))}
    assert len(before) == 2
    stage.service(replicas=1, healthCheck={"http": {"port": 80}})
    assert {target.container for target in targets(stage.context(web), before)} == before.keys()


def test_old_replicas_are_probed_until_they_are_replaced() -> None:
    check = {"healthCheck": {"http": {"port": 80, "path": "/old"}}}
    stage, web = running(**check)
    old = stage.only(web)
    place = replace(old.networks[0], address="10.0.0.2")
    old = stage.change(old, networks=(place,))
    (before,) = targets(stage.context(web))
    stage.service(image=BAD, healthCheck={"http": {"port": 81, "path": "/new"}})
    stage.pass_(web)
    assert targets(stage.context(web)) == ()
    assert targets(stage.context(web), {old.id: before}) == (before,)
    assert stage.status(web)["readyReplicas"] == 1
    stage.probe(old, "unhealthy", "HTTP 500")
    assert stage.status(web)["readyReplicas"] == 0
