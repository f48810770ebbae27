"""Rollouts of a Service that fail or are too late, and replicas that turn unhealthy afterwards."""

from __future__ import annotations

from resources.meta import Key
from tests.unit.service.rollout_stage import CHECK, HTTP, PAUSE, lines, new, running
from tests.unit.service.theatre import Theatre


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
