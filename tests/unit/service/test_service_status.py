"""What a Service's status says, and that it says the same when nothing happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.errors import UserError
from resources.meta import Key
from resources.registry import kinds
from resources.service.probing import targets
from tests.unit.service.theatre import Theatre

HTTP = {"healthCheck": {"http": {"port": 80}}}


def running(**spec: Any) -> tuple[Theatre, Key]:
    stage = Theatre()
    web = stage.service(**spec)
    stage.go(web)
    return stage, web


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: f"{c['status']} {c['reason']}" for c in status["conditions"]}


def test_running() -> None:
    stage, web = running(replicas=2, ports=[{"name": "http", "containerPort": 80}])
    status = stage.status(web)
    assert status["phase"] == "Running"
    assert status["state"] == "running"
    assert status["message"] == "2 of 2 replicas are ready"
    assert status["error"] is None
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (2, 2, 2)
    assert status["image"]["reference"] == "nginx:1.26"
    assert status["rollout"] == {
        "state": "complete",
        "revision": "v1:ea0e52bb0a4a4c83",
        "message": "",
    }
    assert status["endpoints"] == [
        {"port": 80, "protocol": "tcp", "address": "web:80", "name": "http"}
    ]
    assert status["inForce"]["memory"] == "256Mi"
    assert [c["ordinal"] for c in status["containers"]] == [0, 1]
    assert conditions(status) == {
        "Accepted": "True Accepted",
        "Available": "True Serving",
        "Ready": "True Ready",
        "Reconciling": "False Idle",
        "Stalled": "False NotStalled",
    }


def test_nothing_moves_while_nothing_happens() -> None:
    stage, web = running(replicas=2, **HTTP)
    before = stage.status(web)
    stage.wait(86400)
    assert stage.status(web) == before


def test_starting_then_running() -> None:
    stage = Theatre()
    stage.optimistic = False
    web = stage.service(**HTTP)
    stage.pass_(web)
    status = stage.status(web)
    assert status["phase"] == "Starting"
    assert status["state"] == "stopped"
    assert conditions(status) == {
        "Accepted": "True Accepted",
        "Available": "Unknown HealthUnknown",
        "Ready": "Unknown HealthUnknown",
        "Reconciling": "True Progressing",
        "Stalled": "False NotStalled",
    }
    stage.probe(stage.only(web), "healthy")
    stage.go(web)
    assert stage.status(web)["phase"] == "Running"


def test_updating_says_how_far_it_is() -> None:
    stage, web = running(replicas=2, **HTTP)
    stage.optimistic = False
    stage.service(replicas=2, **HTTP, image="nginx:1.27")
    stage.pass_(web)
    status = stage.status(web)
    assert status["phase"] == "Updating"
    assert (status["readyReplicas"], status["updatedReplicas"]) == (2, 1)
    assert status["message"] == (
        "0 of 2 replicas run the new revision; waiting for replica 0, which is starting"
    )
    assert conditions(status)["Available"] == "True Serving"
    assert conditions(status)["Ready"].startswith("Unknown")
    assert status["rollout"]["state"] == "progressing"


def test_degraded() -> None:
    stage, web = running(replicas=2, **HTTP)
    stage.probe(stage.containers(web)[1], "unhealthy", "HTTP 500")
    status = stage.status(web)
    assert status["phase"] == "Degraded"
    assert status["error"]["code"] == "DEPLOYMENT_UNHEALTHY"
    assert conditions(status)["Available"] == "True Serving"
    assert conditions(status)["Ready"] == "False DeploymentUnhealthy"
    assert status["containers"][1]["unhealthySince"] == "2026-01-02T03:04:05Z"


def test_unhealthy_since_does_not_move() -> None:
    stage, web = running(healthCheck={"exec": ["true"]})
    stage.change(stage.only(web), health="unhealthy")
    first = stage.status(web)
    stage.wait(30)
    assert stage.status(web) == first


def test_crash_loop() -> None:
    stage, web = running()
    container = stage.only(web)
    for restarts, phase in [(1, "Starting"), (2, "Starting"), (3, "Failed"), (4, "Failed")]:
        stage.change(
            container,
            state="restarting",
            restarts=restarts,
            exit_code=137,
            oom_killed=True,
            finished_at=stage.now,
        )
        stage.wait(1)
        status = stage.status(web)
        assert status["phase"] in (phase, "Starting")
    assert (status["phase"], status["state"]) == ("Failed", "error")
    assert status["error"]["code"] == "DEPLOYMENT_CRASH_LOOP"
    assert status["error"]["details"] == {
        "container": container.name,
        "restarts": 4,
        "exitCode": 137,
        "oomKilled": True,
        "logTail": "",
    }
    assert status["error"]["suggestions"] == [
        "raise resources.memory",
        "skyctl logs service/web --org acme --previous",
    ]
    assert conditions(status)["Stalled"] == "True DeploymentCrashLoop"
    assert conditions(status)["Reconciling"] == "False Idle"
    assert [e["exitCode"] for e in status["restarts"]] == [137, 137, 137, 137]
    stage.change(
        stage.only(web), state="running", exit_code=None, oom_killed=False, started_at=stage.now
    )
    again = stage.status(web)
    assert (again["phase"], again["readyReplicas"], again["error"]) == (
        "Failed",
        0,
        status["error"],
    )
    assert conditions(again) == conditions(status)
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 10
    stage.wait(10)
    status = stage.status(web)
    assert status["phase"] == "Running"
    assert status["error"] is None
    assert len(status["restarts"]) == 4


def test_only_the_last_few_restarts_are_shown() -> None:
    stage, web = running()
    container = stage.only(web)
    for restarts in range(1, 12):
        stage.change(
            container, state="restarting", restarts=restarts, exit_code=1, finished_at=stage.now
        )
        stage.wait(1)
        stage.status(web)
    assert len(stage.rows[web].status["restarts"]) == 5


def test_stopped_and_suspended() -> None:
    stage, web = running()
    stage.service(state="stopped")
    status = stage.status(web)
    assert status["phase"] == "Stopping"
    stage.go(web)
    status = stage.status(web)
    assert (status["phase"], status["state"]) == ("Stopped", "stopped")
    assert conditions(status)["Ready"] == "False Stopped"
    assert conditions(status)["Reconciling"] == "False Idle"
    stage.declare("Organization", "", "acme", {"suspended": True})
    status = stage.status(web)
    assert (status["phase"], status["state"]) == ("Suspended", "stopped")
    assert conditions(status)["Accepted"] == "True Accepted"


def test_no_replicas() -> None:
    stage, web = running(replicas=0)
    status = stage.status(web)
    assert (status["phase"], status["message"]) == ("Stopped", "it has no replicas")
    assert conditions(status)["Ready"] == "False Stopped"


def test_ran_to_completion() -> None:
    stage, web = running(restart={"policy": "never"})
    stage.exits(stage.only(web), 0)
    status = stage.status(web)
    assert (status["phase"], status["message"]) == ("Stopped", "it ran to completion")
    assert conditions(status)["Ready"] == "True Completed"
    assert conditions(status)["Available"] == "False NothingServes"
    stage.exits(stage.only(web), 3)
    status = stage.status(web)
    assert status["phase"] == "Failed"
    assert status["error"]["code"] == "DEPLOYMENT_FAILED"


def test_paused() -> None:
    stage, web = running()
    stage.annotate(web, paused="an incident")
    stage.exits(stage.only(web))
    status = stage.status(web)
    assert conditions(status)["Reconciling"] == "False Paused"
    assert conditions(status)["Available"] == "False NothingServes"
    (reconciling,) = [c for c in status["conditions"] if c["type"] == "Reconciling"]
    assert reconciling["message"] == "an incident"


def test_deleting() -> None:
    stage, web = running()
    stage.delete(web)
    status = stage.status(web)
    assert (status["phase"], status["state"]) == ("Deleting", "stopped")
    assert status["message"] == "being deleted; waiting for 1 container to be gone"
    assert conditions(status)["Reconciling"] == "True Progressing"
    stage.annotate(web, paused="an incident")
    assert stage.status(web)["message"] == "to be deleted, but paused: an incident"
    assert conditions(stage.status(web))["Reconciling"] == "False Paused"


def test_deleting_what_was_never_accepted() -> None:
    stage = Theatre()
    web = stage.service(volumes=[{"volume": "none", "mountPath": "/data"}])
    stage.rows[web] = replace(
        stage.rows[web],
        resource=replace(stage.rows[web].resource, deletion_requested_at=stage.now),
    )
    stage.annotate(web, paused="an incident")
    status = stage.status(web)
    assert (status["phase"], status["message"]) == (
        "Deleting",
        "to be deleted, but paused: an incident",
    )
    assert conditions(status)["Reconciling"] == "False Paused"


@pytest.mark.parametrize(
    ("error", "phase", "stalled"),
    [
        (UserError("IMAGE_PULL_FAILED", "no such image", retryable=True), "Failed", False),
        (UserError("IMAGE_NOT_FOUND", "no such image"), "Failed", True),
        (UserError("CONFIGURATION_ENGINE_BUSY", "busy", retryable=True), "Pulling", False),
    ],
)
def test_what_went_wrong_while_executing(error: UserError, phase: str, stalled: bool) -> None:
    stage = Theatre()
    web = stage.service()
    stage.run(web, 2)
    context = stage.context(web)
    service = kinds()["Service"]
    status = service.status(context, service.plan(context), error)
    assert status["phase"] == phase
    assert status["message"] == error.message
    assert status["error"]["code"] == error.code
    found = conditions(status)
    assert found["Stalled"].startswith(str(stalled))
    assert found["Reconciling"].startswith(str(not stalled))


def test_after_a_restart_of_ours_health_is_unknown() -> None:
    stage, web = running(**HTTP)
    stage.forget()
    status = stage.status(web)
    assert conditions(status)["Ready"] == "Unknown HealthUnknown"
    assert conditions(status)["Available"] == "Unknown HealthUnknown"
    assert status["error"] is None


def test_targets_of_the_prober() -> None:
    stage, web = running(
        healthCheck={"http": {"port": 8080, "path": "/up", "headers": {"A": "b"}}, "retries": 7}
    )
    container = stage.only(web)
    assert targets(stage.context(web)) == ()
    stage.change(container, networks=(replace(container.networks[0], address="10.0.0.2"),))
    (target,) = targets(stage.context(web))
    assert (target.address, target.port, target.path) == ("10.0.0.2", 8080, "/up")
    assert (target.headers, target.retries) == ({"A": "b"}, 7)
    assert targets(stage.context(stage.organization)) == ()
    stage.exits(stage.only(web))
    assert targets(stage.context(web)) == ()
