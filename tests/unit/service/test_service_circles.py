"""Services that depend on each other in a circle: refused, and the circle is named."""

from __future__ import annotations

from resources.meta import Key
from tests.unit.service.theatre import Theatre


def refusal(stage: Theatre, key: Key) -> str:
    problem = stage.plan(key).problem
    assert problem is not None
    assert problem.code == "CONFIGURATION_INVALID_SPEC"
    return problem.message


def test_itself() -> None:
    stage = Theatre()
    web = stage.service(dependsOn=["web"])
    assert "spec.dependsOn[0]: depends on itself: web -> web" in refusal(stage, web)


def test_three_of_which_none_was_accepted() -> None:
    stage = Theatre()
    web = stage.service("web", dependsOn=["cache", "api"])
    stage.service("cache")
    api = stage.service("api", dependsOn=["db"])
    db = stage.service("db", dependsOn=["web"])
    told = "spec.dependsOn[1]: depends on itself: web -> api -> db -> web"
    assert told in refusal(stage, web)
    assert "api -> db -> web -> api" in refusal(stage, api)
    problem = stage.plan(web).problem
    assert problem is not None
    assert problem.suggestions[0] == "take api out of the dependsOn of web"
    stage.service("db")
    for key in (db, api, web):
        stage.go(key)
        assert stage.plan(key).problem is None


def test_who_was_accepted_goes_on_and_who_closes_the_circle_is_refused() -> None:
    stage = Theatre()
    api = stage.service("api")
    web = stage.service("web", dependsOn=["api"])
    for key in (api, web):
        stage.go(key)
    stage.service("api", dependsOn=["web"])
    assert "api -> web -> api" in refusal(stage, api)
    assert stage.plan(web).converged
    stage.pass_(api)
    stage.service("web", dependsOn=["api"], replicas=2)
    assert stage.plan(web).problem is None
    assert stage.only(api).running


def test_accepted_at_the_same_moment_they_say_so_and_wait_for_nobody() -> None:
    stage = Theatre()
    api, web = stage.service("api"), stage.service("web")
    for key in (api, web):
        stage.go(key)
    for name, other in (("api", "web"), ("web", "api")):
        stage.service(name, dependsOn=[other], image="nginx:1.27")
    plans = {key: stage.plan(key) for key in (api, web)}
    for key, plan in plans.items():
        for step in plan.steps[:2]:
            stage.apply(key, step)
    assert "api -> web -> api" in refusal(stage, api)
    assert "web -> api -> web" in refusal(stage, web)
    assert stage.only(web).image == "nginx:1.26"
