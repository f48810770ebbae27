"""A rollout that failed undoes itself: back to what was Ready, and not tried again by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.labels import L_GENERATION
from resources.meta import Key
from resources.observed import Container, Ending
from tests.property.apply import killed_anywhere
from tests.unit.service.rollback_stage import (
    BAD,
    SHORT,
    failing,
    generations,
    go_back,
    rolled_back,
    word,
)
from tests.unit.service.rollout_stage import CHECK, HTTP, lines, new, running
from tests.unit.service.theatre import Theatre


def test_start_first_goes_back_and_says_so() -> None:
    stage, web = failing()
    stage.wait(20)
    assert stage.pass_(web).render() == lines("""
        EndRollout generation 2 failed (replica 0 is starting after 20s)
        problem: DEPLOYMENT_DEADLINE: the rollout was stopped: replica 0 is starting after 20s
    """)
    assert stage.pass_(web).render() == lines("""
        StopContainer acme_web_0_fa3622 (rolled back: generation 2 failed)
        RemoveContainer acme_web_0_fa3622 (rolled back: generation 2 failed)
    """)
    assert stage.pass_(web).render() == (
        "EndRollout generation 2 rolledBack (1 of 1 of generation 1 ready)"
    )
    told = "generation 2 was rolled back to generation 1: replica 0 is starting after 20s"
    assert stage.pass_(web).render() == f"problem: DEPLOYMENT_DEADLINE: {told}"
    status = stage.status(web)
    assert status["phase"] == "Degraded"
    assert status["state"] == "running"
    assert status["rollout"] == {
        "state": "rolledBack",
        "revision": stage.only(web).labels["io.skypanel.revision"],
        "message": told,
    }
    assert status["message"] == told
    words = {t: word(status, t) for t in ("Available", "Ready", "Stalled", "Reconciling")}
    assert words == {
        "Available": "True",
        "Ready": "False",
        "Stalled": "True",
        "Reconciling": "False",
    }
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (1, 1, 0)
    stage.wait(10_000)
    assert stage.status(web) == status
    assert not stage.plan(web).steps


def test_stop_first_makes_the_earlier_one_anew() -> None:
    stage, web = failing(update={"order": "stopFirst"})
    stage.wait(20)
    stage.pass_(web)
    assert [line.split(" (")[0] for line in stage.pass_(web).render().splitlines()] == [
        "StopContainer acme_web_0_fa3622",
        "RemoveContainer acme_web_0_fa3622",
        "CreateContainer acme_web_0_59af8b",
        "StartContainer acme_web_0_59af8b",
    ]
    assert stage.text(web) == "wait: replica 0, which is starting"
    status = stage.status(web)
    assert status["rollout"]["state"] == "progressing"
    assert word(status, "Reconciling") == "True"
    assert word(status, "Stalled") == "False"
    stage.change(stage.only(web), health="healthy")
    go_back(stage, web)
    assert generations(stage, web) == ["1"]
    assert stage.status(web)["rollout"]["state"] == "rolledBack"


def test_the_replicas_that_were_replaced_already_come_back_one_by_one() -> None:
    stage, web = failing(replicas=3)
    stage.change(new(stage, web)[0], health="healthy")
    stage.pass_(web)
    assert sorted(generations(stage, web)) == ["1", "1", "2", "2"]
    stage.wait(20)
    least = 3
    for _ in range(20):
        plan = stage.pass_(web)
        serving = [c for c in stage.containers(web) if c.running and c.health == "healthy"]
        least = min(least, len(serving))
        for container in stage.containers(web):
            if container.labels[L_GENERATION] == "1":
                stage.change(container, health="healthy")
        stage.wait(plan.wait.seconds if plan.wait and plan.wait.seconds else 0)
    assert generations(stage, web) == ["1", "1", "1"]
    assert least == 3
    assert stage.status(web)["rollout"]["state"] == "rolledBack"


def test_it_is_not_tried_again_until_the_spec_changes() -> None:
    stage, web = rolled_back()
    stage.forget()
    stage.wait(100_000)
    assert not stage.plan(web).steps
    stage.service(healthCheck=CHECK, update=SHORT, image="nginx:1.28")
    stage.optimistic = True
    stage.go(web)
    assert stage.only(web).image == "nginx:1.28"
    assert stage.status(web)["rollout"]["state"] == "complete"


def test_a_restart_tries_the_newest_generation_again() -> None:
    stage, web = rolled_back()
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    assert "BeginRollout generation 2" in stage.text(web)
    go_back(stage, web)
    assert stage.only(web).image == BAD
    assert stage.plan(web).converged
    assert word(stage.status(web), "Ready") == "True"


def test_a_restart_that_fails_goes_back_to_the_containers_that_were_ready() -> None:
    base = {"healthCheck": CHECK, "update": SHORT}
    stage, web = running(**base)
    before = stage.only(web).id
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    stage.pass_(web)
    assert len(stage.containers(web)) == 2
    stage.wait(20)
    go_back(stage, web)
    assert stage.only(web).id == before
    assert stage.status(web)["rollout"]["state"] == "rolledBack"
    stage.annotate(web, restartedAt="2026-03-01T00:00:00Z")
    go_back(stage, web)
    assert stage.only(web).id != before
    assert stage.plan(web).converged


def test_what_was_rolled_back_is_healed_to_what_was_ready() -> None:
    stage, web = rolled_back()
    container = stage.only(web)
    stage.world.drop_container(container.id)
    plan = stage.pass_(web)
    wanted = f"CreateContainer {container.name} (new replica 0) [drift: missing]"
    assert plan.steps[0].render() == wanted
    assert {step.drift for step in plan.steps} == {"missing"}
    go_back(stage, web)
    assert generations(stage, web) == ["1"]
    stage.exits(stage.only(web))
    assert stage.plan(web).steps[0].drift == "state"


def test_limits_go_back_as_well() -> None:
    stage, web = running(healthCheck=CHECK, update=SHORT, resources={"memory": "64Mi"})
    stage.service(healthCheck=CHECK, update=SHORT, resources={"memory": "96Mi"}, image=BAD)
    stage.pass_(web)
    stage.wait(20)
    go_back(stage, web)
    limits = stage.only(web).limits
    assert limits is not None
    assert limits.memory == 64 * 1024 * 1024


def test_so_does_the_number_of_replicas() -> None:
    stage, web = running(healthCheck=CHECK, update=SHORT, replicas=2)
    stage.service(healthCheck=CHECK, update=SHORT, replicas=1, image=BAD)
    stage.pass_(web)
    stage.wait(20)
    go_back(stage, web)
    assert generations(stage, web) == ["1", "1"]


def test_a_newer_spec_supersedes_the_way_back() -> None:
    stage, web = failing(update={"order": "stopFirst"})
    stage.wait(20)
    stage.pass_(web)
    stage.pass_(web)
    stage.service(healthCheck=CHECK, update=SHORT, image="nginx:1.28")
    stage.optimistic = True
    stage.go(web)
    assert stage.only(web).image == "nginx:1.28"
    assert stage.plan(web).converged


def test_the_earlier_one_that_is_sick_too_is_said_and_waited_for() -> None:
    """No rollback of a rollback."""
    stage, web = failing(update={"order": "stopFirst"})
    stage.wait(20)
    stage.pass_(web)
    stage.pass_(web)
    stage.wait(1000)
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert stage.status(web)["rollout"]["state"] == "progressing"
    assert word(stage.status(web), "Stalled") == "True"
    stage.change(stage.only(web), health="healthy")
    go_back(stage, web)
    assert stage.status(web)["rollout"]["state"] == "rolledBack"


def test_nothing_was_ready_before() -> None:
    stage = Theatre()
    stage.optimistic = False
    web = stage.service(healthCheck=CHECK, update=SHORT)
    stage.pass_(web)
    stage.wait(20)
    stage.pass_(web)
    assert not stage.plan(web).steps
    status = stage.status(web)
    assert status["rollout"]["state"] == "paused"
    assert word(status, "Stalled") == "True"


def test_pause_waits_for_somebody() -> None:
    stage, web = failing(update={"onFailure": "pause"})
    stage.wait(20)
    stage.pass_(web)
    assert not stage.plan(web).steps
    assert sorted(generations(stage, web)) == ["1", "2"]
    rollout = stage.status(web)["rollout"]
    assert rollout["state"] == "paused"
    assert "nobody paused the service" in rollout["message"]


def test_what_the_organization_decided_is_not_undone() -> None:
    """The rollout was not of another spec: there is nothing to go back to."""
    stage, web = running(healthCheck=CHECK, update=SHORT, user="1000")
    stage.declare("Organization", "", "acme", {"security": {"profile": "restricted"}})
    stage.pass_(web)
    stage.wait(20)
    stage.pass_(web)
    assert not stage.plan(web).steps
    assert stage.status(web)["rollout"]["state"] == "paused"


def test_suspended_and_resumed_as_it_was() -> None:
    stage, web = rolled_back()
    stage.declare("Organization", "", "acme", {"suspended": True})
    stage.go(web)
    assert stage.only(web).state == "exited"
    stage.declare("Organization", "", "acme", {})
    go_back(stage, web)
    assert stage.only(web).running
    assert generations(stage, web) == ["1"]
    assert stage.status(web)["rollout"]["state"] == "rolledBack"


def test_a_newer_generation_that_is_refused_changes_nothing() -> None:
    stage, web = rolled_back()
    stage.declare("Service", "acme", "web", {"image": 7})
    stage.go(web)
    assert generations(stage, web) == ["1"]
    assert stage.status(web)["rollout"]["state"] == "rolledBack"
    assert word(stage.status(web), "Accepted") == "False"


def crashing(stage: Theatre, web: Key) -> Container:
    (fresh,) = new(stage, web)
    return stage.change(
        fresh, state="restarting", restarts=4, exit_code=7, oom_killed=True, finished_at=stage.now
    )


def test_a_crash_is_told_with_its_last_words() -> None:
    stage, web = failing()
    stage.wait(20)
    found = crashing(stage, web)
    context = stage.context(web)
    stage.context = lambda key: replace(  # type: ignore[method-assign]
        context, endings={found.id: Ending(found.finished_at, 7, True, "boom\nbang")}
    )
    (step,) = stage.plan(web).steps
    assert step.told == "boom\nbang"  # type: ignore[attr-defined]
    failure = step.failure  # type: ignore[attr-defined]
    assert failure["code"] == "DEPLOYMENT_CRASH_LOOP"
    assert failure["details"] == {
        "reason": "replica 0 keeps restarting (exit code 7) after 20s",
        "container": found.name,
        "restarts": 4,
        "exitCode": 7,
        "oomKilled": True,
        "logTail": "boom\nbang",
    }
    del stage.context  # type: ignore[method-assign]
    stage.apply(web, step)
    go_back(stage, web)
    error = stage.status(web)["error"]
    assert error["code"] == "DEPLOYMENT_CRASH_LOOP"
    assert not error["retryable"]
    assert error["details"]["exitCode"] == 7
    assert error["details"]["rolledBackTo"] == 1


def test_one_that_cannot_be_started_fails_all_the_same() -> None:
    """Its start is refused at each attempt, before anything after it in a plan is reached."""
    stage, web = failing()
    (fresh,) = new(stage, web)
    stage.change(fresh, state="created", started_at=None, health="")
    assert stage.plan(web).steps[0].render().startswith("StartContainer")
    stage.wait(20)
    assert stage.plan(web).steps[0].render().startswith("EndRollout generation 2 failed")
    go_back(stage, web)
    assert generations(stage, web) == ["1"]


@pytest.mark.parametrize("order", ["startFirst", "stopFirst"])
@pytest.mark.parametrize("passes", range(4))
def test_killed_anywhere_on_the_way_back_it_ends_the_same(order: str, passes: int) -> None:
    def build() -> Theatre:
        stage, web = failing(replicas=2, update={"order": order})
        stage.wait(20)
        for _ in range(passes):
            stage.pass_(web)
            stage.wait(5)
        stage.optimistic = True
        return stage

    def finish(stage: Theatre) -> object:
        web = Key("Service", "acme", "web")
        for container in stage.containers(web):  # type: ignore[attr-defined]
            if container.labels[L_GENERATION] == "1":
                stage.change(container, health="healthy")  # type: ignore[attr-defined]
        stage.go(web)
        return generations(stage, web), stage.status(web)["rollout"]

    outcomes = list(killed_anywhere(build, Key("Service", "acme", "web"), finish))  # type: ignore[arg-type]
    assert outcomes[0][0] == ["1", "1"]
    assert outcomes[0][1]["state"] == "rolledBack"
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_probe_that_is_unknown_after_a_restart_of_ours_changes_nothing() -> None:
    stage, web = failing(healthCheck=HTTP)
    stage.wait(20)
    stage.forget()
    assert not stage.plan(web).steps
