"""Rollouts of a Service: orders, proof, deadlines, preDeploy, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from resources.context import Platform
from resources.labels import L_ROLE
from resources.meta import Key
from resources.observed import Container
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

CHECK = {"exec": ["true"]}
HTTP = {"http": {"port": 80}}
PAUSE = {"onFailure": "pause"}


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def running(**spec: Any) -> tuple[Theatre, Key]:
    stage = Theatre(platform=Platform(INSTANCE, host_ports=(1, 65535)))
    web = stage.service(**spec)
    stage.go(web)
    stage.optimistic = False
    return stage, web


def new(stage: Theatre, key: Key) -> list[Container]:
    """Of the newest generation."""
    generation = str(stage.rows[key].resource.generation)
    return [c for c in stage.containers(key) if c.labels["io.skypanel.generation"] == generation]


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


# ---------------------------------------------------------------- failing


def test_a_rollout_past_its_deadline_is_paused_and_the_old_one_serves() -> None:
    stage, web = running(healthCheck=CHECK, update=PAUSE)
    old = stage.only(web)
    stage.service(healthCheck=CHECK, update=PAUSE, image="nginx:1.27")
    stage.pass_(web)
    stage.wait(299)
    assert not stage.plan(web).steps
    stage.wait(1)
    assert stage.pass_(web).render() == lines("""
        EndRollout generation 2 failed (replica 0 is starting after 5m)
        problem: DEPLOYMENT_DEADLINE: the rollout was stopped: replica 0 is starting after 5m
    """)
    assert stage.text(web) == (
        "wait: replica 0, which is starting\n"
        "problem: DEPLOYMENT_DEADLINE: the rollout was stopped: replica 0 is starting after 5m"
    )
    status = stage.status(web)
    assert status["phase"] == "Degraded"
    assert status["rollout"]["state"] == "paused"
    stage.exits(old)
    assert "StartContainer" in stage.text(web)


def test_a_paused_rollout_stays_so_even_if_the_new_one_turns_healthy() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK, update=PAUSE)
    stage.service(replicas=2, healthCheck=CHECK, update=PAUSE, image="nginx:1.27")
    stage.pass_(web)
    stage.wait(300)
    stage.pass_(web)
    stage.change(new(stage, web)[0], health="healthy")
    assert not stage.plan(web).steps
    assert stage.status(web)["readyReplicas"] == 3


def test_a_paused_rollout_goes_on_when_the_spec_changes() -> None:
    stage, web = running(healthCheck=CHECK, update=PAUSE)
    stage.service(healthCheck=CHECK, update=PAUSE, image="nginx:1.27")
    stage.pass_(web)
    stage.wait(300)
    stage.pass_(web)
    stage.optimistic = True
    stage.service(healthCheck=CHECK, update=PAUSE, image="nginx:1.28")
    stage.go(web)
    assert stage.only(web).image == "nginx:1.28"
    assert stage.plan(web).converged


def test_a_first_rollout_that_came_too_late_is_ready_all_the_same() -> None:
    stage = Theatre()
    stage.optimistic = False
    web = stage.service(healthCheck=CHECK)
    stage.pass_(web)
    stage.wait(300)
    stage.pass_(web)
    assert stage.plan(web).problem is not None
    stage.change(stage.only(web), health="healthy")
    assert stage.pass_(web).render() == "EndRollout generation 1 ready (1 of 1 ready)"
    assert stage.plan(web).converged


def test_what_is_unknown_neither_fails_a_rollout_nor_ends_it() -> None:
    stage, web = running(healthCheck=HTTP)
    stage.service(healthCheck=HTTP, image="nginx:1.27")
    stage.pass_(web)
    stage.forget()
    stage.wait(10_000)
    plan = stage.plan(web)
    assert plan.render() == "wait: replica 0, which is starting"
    (fresh,) = new(stage, web)
    stage.probe(fresh, "unhealthy", "HTTP 500")
    assert "replica 0 is unhealthy: HTTP 500 after 5m" in stage.text(web)


def test_pulling_and_waiting_do_not_use_up_the_deadline() -> None:
    stage = Theatre()
    stage.service("db")
    web = stage.service(dependsOn=["db"], healthCheck=CHECK)
    stage.optimistic = False
    stage.pass_(web)
    stage.wait(10_000)
    assert stage.text(web) == "wait: service db to be ready"
    stage.go(Key("Service", "acme", "db"))
    stage.pass_(web)
    stage.wait(200)
    assert not stage.plan(web).steps


# ---------------------------------------------------------------- unhealthy afterwards


def test_unhealthy_for_longer_than_patience_is_made_anew() -> None:
    stage, web = running(healthCheck={**HTTP, "patience": "60s"})
    stage.probe(stage.only(web), "unhealthy", "HTTP 500")
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 60
    stage.wait(60)
    plan = stage.plan(web)
    assert plan.steps[0].render() == ("StopContainer acme_web_0_ea0e52 (unhealthy for 1m)")


def test_the_engine_tells_no_time_so_the_status_remembers() -> None:
    stage, web = running(healthCheck={**CHECK, "patience": "60s"})
    stage.change(stage.only(web), health="unhealthy")
    stage.wait(600)
    stage.status(web)
    stage.wait(59)
    assert not stage.plan(web).steps
    stage.status(web)
    stage.wait(1)
    assert "unhealthy for 1m" in stage.text(web)


def test_a_restart_of_ours_makes_no_healthy_container_suspect() -> None:
    stage, web = running(healthCheck={**HTTP, "patience": "60s"})
    stage.forget()
    stage.wait(10_000)
    assert not stage.plan(web).steps
    stage.probe(stage.only(web), "healthy")
    assert stage.plan(web).converged


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


# ---------------------------------------------------------------- preDeploy

MIGRATE = {"command": ["migrate"], "timeout": "60s"}


def test_pre_deploy_runs_before_anything_is_rolled_out() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    assert stage.pass_(web).render() == lines("""
        Accept generation 1 (new)
        BeginRollout generation 1 v1:ea0e52bb0a4a4c83 (new)
        PullImage nginx:1.26 (not on the engine)
        CreateContainer acme_web_predeploy_ea0e52 (preDeploy)
        StartContainer acme_web_predeploy_ea0e52 (preDeploy)
        wait: preDeploy to finish
    """)
    assert stage.pass_(web).render() == lines("""
        RecordPreDeploy generation 1 succeeded (exit code 0)
        RemoveContainer acme_web_predeploy_ea0e52 (preDeploy succeeded)
        CreateContainer acme_web_0_ea0e52 (new replica 0)
        StartContainer acme_web_0_ea0e52 (new replica 0)
    """)
    stage.go(web)
    assert stage.plan(web).converged


def test_pre_deploy_that_fails_stops_the_rollout_and_is_kept_for_its_logs() -> None:
    stage, web = running()
    stage.service(preDeploy=MIGRATE, image="nginx:1.27")
    stage.pass_(web)
    (once,) = [c for c in stage.containers(web) if L_ROLE in c.labels]
    stage.change(once, exit_code=3)
    assert stage.pass_(web).render() == lines("""
        RecordPreDeploy generation 2 exit code 3 (preDeploy failed)
        EndRollout generation 2 failed (preDeploy failed)
        problem: DEPLOYMENT_PREDEPLOY_FAILED: the preDeploy command failed: exit code 3; nothing \
was rolled out
    """)
    assert stage.pass_(web).render() == (
        "EndRollout generation 2 rolledBack (1 of 1 of generation 1 ready)"
    )
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "DEPLOYMENT_PREDEPLOY_FAILED"
    assert not plan.problem.retryable
    assert once.id in stage.world.containers
    stage.service(preDeploy=MIGRATE, image="nginx:1.28")
    stage.go(web)
    assert stage.only(web).image == "nginx:1.28"


def test_pre_deploy_that_takes_too_long_fails() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    once = stage.only(web)
    stage.change(once, state="running", exit_code=None)
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 60
    stage.wait(60)
    assert (
        stage.pass_(web)
        .render()
        .startswith(
            lines("""
        StopContainer acme_web_predeploy_ea0e52 (preDeploy timed out)
        RecordPreDeploy generation 1 timed out after 1m (preDeploy failed)
    """)
        )
    )
    assert not stage.plan(web).steps


def test_pre_deploy_is_tried_again_when_a_restart_is_requested() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), exit_code=3)
    stage.pass_(web)
    stage.annotate(web, restartedAt="now")
    text = stage.pass_(web).render()
    assert "RecordPreDeploy generation 1  (tried again)" in text
    assert "RemoveContainer acme_web_predeploy_ea0e52 (preDeploy is over)" in text
    stage.go(web)
    assert stage.only(web).running


def test_pre_deploy_of_an_earlier_generation_says_nothing_about_this_one() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), exit_code=3)
    stage.pass_(web)
    stage.service(preDeploy=MIGRATE, replicas=2)
    stage.go(web)
    assert len(stage.containers(web)) == 2
    assert stage.plan(web).converged


def test_scaling_needs_no_pre_deploy() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.go(web)
    stage.service(preDeploy=MIGRATE, replicas=2)
    assert "preDeploy" not in stage.text(web)
    stage.go(web)
    for container in stage.containers(web):
        stage.world.drop_container(container.id)
    assert "preDeploy" not in stage.text(web)


def test_a_one_off_is_no_replica() -> None:
    stage = Theatre()
    stage.volume()
    stage.volume("conf")
    web = stage.service(
        preDeploy=MIGRATE,
        volumes=[
            {"volume": "data", "mountPath": "/d"},
            {"volume": "conf", "mountPath": "/c", "readOnly": True},
        ],
        ports=[{"containerPort": 80}],
    )
    plan = stage.plan(web)
    (create,) = [step for step in plan.steps if type(step).__name__ == "CreateContainer"]
    spec = create.spec  # type: ignore[attr-defined]
    assert spec.aliases == ()
    assert spec.ports == ()
    assert [mount.path for mount in spec.mounts] == ["/c"]
    assert list(spec.volume_uids) == [spec.mounts[0].volume]
    assert spec.restart == "never"
    assert spec.entrypoint == ("migrate",)


def test_a_foreign_container_in_the_way_of_pre_deploy_stays() -> None:
    stage, web = running()
    stage.put(stage.only(web), id="f1", name="acme_web_predeploy_0b5358", labels={})
    stage.service(preDeploy=MIGRATE, image="nginx:1.27")
    stage.pass_(web)
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"
    assert stage.only(web).running


def test_deletion_takes_the_one_off_along() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), state="running")
    stage.delete(web)
    assert "RemoveContainer acme_web_predeploy_ea0e52 (deletion requested)" in stage.text(web)


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
