"""A rollout whose containers cannot even be made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resources.errors import UserError
from tests.unit.service.rollback_stage import BAD, SHORT, failing, go_back, word
from tests.unit.service.rollout_stage import CHECK, running


def test_an_image_that_does_not_exist_is_given_up_at_the_deadline() -> None:
    stage, web = running(healthCheck=CHECK, update=SHORT)
    stage.service(healthCheck=CHECK, update=SHORT, image="gone:1")
    for step in stage.plan(web).steps[:2]:
        stage.apply(web, step)
    missing = UserError("IMAGE_NOT_FOUND", "gone:1 does not exist")
    told = stage.status(web, missing)
    assert (word(told, "Stalled"), told["rollout"]["state"]) == ("True", "progressing")
    assert told["rollout"]["message"].endswith("no more without a change: gone:1 does not exist")
    assert [c["image"] for c in told["containers"]] == ["nginx:1.26"]
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 20
    stage.wait(20)
    assert (
        stage.pass_(web)
        .render()
        .startswith("EndRollout generation 2 failed (gone:1 does not exist)")
    )
    go_back(stage, web)
    status = stage.status(web)
    assert status["rollout"]["state"] == "rolledBack"
    assert status["error"]["code"] == "IMAGE_NOT_FOUND"
    assert word(status, "Available") == "True"
    stage.wait(10_000)
    assert not stage.plan(web).steps


def test_a_registry_that_is_away_is_waited_for() -> None:
    stage, web = running(healthCheck=CHECK, update=SHORT)
    stage.service(healthCheck=CHECK, update=SHORT, image="gone:1")
    for step in stage.plan(web).steps[:2]:
        stage.apply(web, step)
    stage.status(web, UserError("IMAGE_REGISTRY_UNREACHABLE", "away", retryable=True))
    stage.wait(10_000)
    assert stage.plan(web).steps[0].render().startswith("PullImage")


def test_limits_that_are_not_taken_are_given_up_at_the_deadline() -> None:
    stage, web = running(healthCheck=CHECK, update=SHORT)
    stage.service(healthCheck=CHECK, update=SHORT, resources={"memory": "8Mi"})
    for step in stage.plan(web).steps[:2]:
        stage.apply(web, step)
    stage.status(web, UserError("DEPLOYMENT_UPDATE_FAILED", "in use", retryable=True))
    stage.wait(20)
    stage.pass_(web)
    go_back(stage, web)
    assert stage.status(web)["rollout"]["state"] == "rolledBack"
    assert stage.only(web).limits.memory == 256 * 1024 * 1024  # type: ignore[union-attr]


def test_going_back_does_not_wait_for_who_went_back_as_well() -> None:
    stage, web = running(healthCheck=CHECK)
    stage.optimistic = True
    api = stage.service("api")
    stage.go(api)
    spec: dict[str, Any] = {
        "healthCheck": CHECK,
        "dependsOn": ["api"],
        "update": {**SHORT, "order": "stopFirst"},
    }
    stage.service(**spec)
    stage.go(web)
    stage.optimistic = False
    stage.service(**spec, image=BAD)
    stage.pass_(web)
    stage.service("api", state="stopped")
    stage.go(api)
    stage.wait(20)
    stage.pass_(web)
    assert "CreateContainer acme_web_0_59af8b" in stage.text(web)


def test_what_an_older_release_paused_stays_as_it_is() -> None:
    stage, web = failing()
    stage.wait(20)
    stage.pass_(web)
    entry = stage.rows[web]
    assert entry.record.rollout is not None
    before = replace(entry.record.rollout, failure=None)
    stage.rows[web] = replace(entry, record=replace(entry.record, rollout=before))
    assert not stage.plan(web).steps
    assert stage.status(web)["rollout"]["state"] == "paused"
