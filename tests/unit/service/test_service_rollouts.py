"""Rollouts of a Service: orders, proof, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from resources.context import Platform
from tests.property.apply import INSTANCE
from tests.unit.service.rollout_stage import CHECK, HTTP, lines, new, running
from tests.unit.service.theatre import Theatre

# ---------------------------------------------------------------- startFirst


def test_start_first_keeps_the_old_until_the_new_is_healthy() -> None:
    stage, web = running(healthCheck=CHECK)
    stage.service(healthCheck=CHECK, image="nginx:1.27")
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        BeginRollout generation 2 v1:fa36222a2b0d493f (generation 1 -> 2)
        PullImage nginx:1.27 (not on the engine)
        CreateContainer acme_web_0_fa3622 (image changed: nginx:1.26 -> nginx:1.27)
        StartContainer acme_web_0_fa3622 (image changed: nginx:1.26 -> nginx:1.27)
    """)
    assert stage.text(web) == "wait: replica 0, which is starting"
    stage.wait(200)
    assert stage.text(web) == "wait: replica 0, which is starting"
    (fresh,) = new(stage, web)
    stage.change(fresh, health="healthy")
    assert stage.pass_(web).render() == lines("""
        StopContainer acme_web_0_59af8b (image changed: nginx:1.26 -> nginx:1.27)
        RemoveContainer acme_web_0_59af8b (image changed: nginx:1.26 -> nginx:1.27)
    """)
    assert stage.text(web) == "EndRollout generation 2 ready (1 of 1 ready)"


def test_without_a_check_a_process_that_dies_at_once_replaces_nothing() -> None:
    stage, web = running()
    stage.service(image="nginx:1.27")
    stage.pass_(web)
    plan = stage.plan(web)
    assert plan.render() == "wait: replica 0, which has to run for a while"
    assert plan.wait is not None
    assert plan.wait.seconds == 2
    stage.wait(1)
    (fresh,) = new(stage, web)
    stage.change(fresh, state="restarting", restarts=1, exit_code=1)
    stage.wait(5)
    assert stage.text(web) == "wait: replica 0, which is being restarted (exit code 1)"
    stage.change(fresh, state="running", restarts=1, started_at=stage.now)
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 10


def test_min_ready_counts_from_the_first_healthy_probe() -> None:
    stage, web = running(healthCheck=HTTP, update={"minReady": "20s"})
    stage.service(healthCheck=HTTP, update={"minReady": "20s"}, image="nginx:1.27")
    stage.pass_(web)
    (fresh,) = new(stage, web)
    stage.wait(30)
    stage.probe(fresh, "healthy")
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 20
    stage.wait(20)
    assert "RemoveContainer" in stage.text(web)


def test_parallelism_bounds_what_is_replaced_at_once() -> None:
    stage, web = running(replicas=4, healthCheck=CHECK, update={"parallelism": 2})
    stage.service(replicas=4, healthCheck=CHECK, update={"parallelism": 2}, image="nginx:1.27")
    stage.pass_(web)
    assert len(new(stage, web)) == 2
    assert not stage.plan(web).steps
    stage.change(new(stage, web)[0], health="healthy")
    text = stage.pass_(web).render()
    assert text.count("RemoveContainer") == 1
    assert text.count("CreateContainer") == 1
    assert len(stage.containers(web)) == 6


def test_a_change_and_more_replicas_at_once() -> None:
    stage, web = running(healthCheck=CHECK)
    stage.service(replicas=3, healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    assert len(new(stage, web)) == 2
    assert len(stage.containers(web)) == 3


def test_a_change_and_fewer_replicas_at_once() -> None:
    stage, web = running(replicas=3, healthCheck=CHECK)
    stage.service(replicas=1, healthCheck=CHECK, image="nginx:1.27")
    text = stage.pass_(web).render()
    assert text.count("RemoveContainer") == 2
    assert "RemoveContainer acme_web_0" not in text
    assert text.count("CreateContainer") == 1


def test_what_does_not_serve_goes_first() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK)
    stage.change(stage.containers(web)[0], health="unhealthy")
    stage.service(replicas=2, healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    stage.change(new(stage, web)[0], health="healthy")
    assert "RemoveContainer acme_web_0_" in stage.text(web)


def test_another_change_in_the_middle_of_a_rollout() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK)
    stage.service(replicas=2, healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    stage.service(replicas=2, healthCheck=CHECK, image="nginx:1.28")
    text = stage.pass_(web).render()
    assert "EndRollout generation 2 superseded (generation 3 follows)" in text
    assert "RemoveContainer acme_web_0_fa3622 " in text
    assert len(stage.containers(web)) == 3


def test_back_to_what_still_runs_needs_no_new_container() -> None:
    stage, web = running(healthCheck=CHECK)
    before = stage.only(web).id
    stage.service(healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    stage.service(healthCheck=CHECK)
    text = stage.pass_(web).render()
    assert "CreateContainer" not in text
    assert stage.only(web).id == before


def test_an_old_one_that_dies_meanwhile_is_started_again() -> None:
    stage, web = running(healthCheck=CHECK)
    old = stage.only(web)
    stage.service(healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    stage.exits(old)
    assert f"StartContainer {old.name} (not running: it ended with exit code 137)" in (
        stage.text(web)
    )


def test_what_was_stopped_before_the_change_is_not_started_for_it() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK)
    stage.service(replicas=2, healthCheck=CHECK, state="stopped")
    stage.go(web)
    stage.service(replicas=2, healthCheck=CHECK, image="nginx:1.27")
    text = stage.pass_(web).render()
    assert [line.split()[0] for line in text.splitlines()] == [
        "Accept",
        "BeginRollout",
        "PullImage",
        "RemoveContainer",
        "RemoveContainer",
        "CreateContainer",
        "StartContainer",
        "CreateContainer",
        "StartContainer",
    ]
    assert len(stage.containers(web)) == 2


def test_what_was_stopped_stays_until_its_successor_can_be_made() -> None:
    stage, web = running()
    stage.service(state="stopped")
    stage.go(web)
    stage.wait(1)
    stage.service(image="nginx:1.27", imagePullPolicy="Never")
    stage.pass_(web)
    assert not stage.only(web).running
    assert not stage.plan(web).steps


# ---------------------------------------------------------------- stopFirst


def test_stop_first_removes_before_it_makes() -> None:
    stage, web = running(update={"order": "stopFirst"})
    stage.service(update={"order": "stopFirst"}, image="nginx:1.27")
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        BeginRollout generation 2 v1:0b53585fbb8b2f39 (generation 1 -> 2)
        PullImage nginx:1.27 (not on the engine)
        StopContainer acme_web_0_ea0e52 (image changed: nginx:1.26 -> nginx:1.27)
        RemoveContainer acme_web_0_ea0e52 (image changed: nginx:1.26 -> nginx:1.27)
        CreateContainer acme_web_0_0b5358 (image changed: nginx:1.26 -> nginx:1.27)
        StartContainer acme_web_0_0b5358 (image changed: nginx:1.26 -> nginx:1.27)
    """)


def test_stop_first_one_replica_after_the_other() -> None:
    update = {"order": "stopFirst"}
    stage, web = running(replicas=3, healthCheck=CHECK, update=update)
    stage.service(replicas=3, healthCheck=CHECK, update=update, image="nginx:1.27")
    stage.pass_(web)
    assert len(new(stage, web)) == 1
    assert not stage.plan(web).steps
    stage.change(new(stage, web)[0], health="healthy")
    stage.pass_(web)
    assert len(new(stage, web)) == 2
    assert len(stage.containers(web)) == 3


@pytest.mark.parametrize(
    ("spec", "first"),
    [
        ({}, "CreateContainer"),
        ({"volumes": [{"volume": "data", "mountPath": "/d"}]}, "StopContainer"),
        ({"volumes": [{"volume": "data", "mountPath": "/d", "readOnly": True}]}, "CreateContainer"),
        ({"ports": [{"containerPort": 80, "hostPort": 8080}]}, "StopContainer"),
        (
            {
                "volumes": [{"volume": "data", "mountPath": "/d"}],
                "update": {"order": "startFirst"},
            },
            "CreateContainer",
        ),
    ],
)
def test_the_order_that_auto_means(spec: dict[str, Any], first: str) -> None:
    stage = Theatre(platform=Platform(INSTANCE, host_ports=(1, 65535)))
    stage.volume()
    web = stage.service(**spec)
    stage.go(web)
    stage.service(**spec, image="nginx:1.27")
    verbs = [line.split()[0] for line in stage.text(web).splitlines()]
    assert next(v for v in verbs if v in ("CreateContainer", "StopContainer")) == first


def test_nothing_is_stopped_for_a_container_that_cannot_be_made() -> None:
    update = {"order": "stopFirst"}
    stage, web = running(update=update)
    stage.service(update=update, image="nginx:1.27", imagePullPolicy="Never")
    stage.pass_(web)
    assert stage.only(web).running
    assert "IMAGE_NOT_FOUND" in stage.text(web)


# ---------------------------------------------------------------- restarts, tightened profiles


def test_restart_requested_rolls_the_service() -> None:
    stage, web = running()
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    assert "(restart requested: 2026-02-01T00:00:00Z)" in stage.text(web)
    stage.go(web)
    assert stage.plan(web).converged
    assert stage.rows[web].resource.generation == 1


def test_a_tighter_profile_rolls_the_services() -> None:
    stage, web = running(user="1000")
    stage.declare("Organization", "", "acme", {"security": {"profile": "restricted"}})
    assert "(what the service refers to has changed)" in stage.text(web)
    stage.go(web)
    assert stage.plan(web).converged


# ---------------------------------------------------------------- drift during a rollout


def test_drifted_replicas_are_made_anew_one_at_a_time() -> None:
    stage, web = running(replicas=3, healthCheck=CHECK)
    for container in stage.containers(web):
        stage.change(container, image="evil:1")
    text = stage.pass_(web).render()
    assert text.count("CreateContainer") == 1
    assert not stage.plan(web).steps
    stage.change(stage.containers(web)[0], health="healthy")
    assert stage.pass_(web).render().count("CreateContainer") == 1


def test_a_replica_that_is_made_anew_stands_in_for_no_old_one() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK)
    stage.service(replicas=2, healthCheck=CHECK, image="nginx:1.27")
    stage.pass_(web)
    (fresh,) = new(stage, web)
    stage.change(fresh, health="healthy", image="evil:1")
    text = stage.text(web)
    assert f"RemoveContainer {fresh.name}" in text
    assert text.count("RemoveContainer") == 1
