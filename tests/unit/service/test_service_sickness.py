"""Unhealthy replicas are made anew after patience, later each time, and probes do not flap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from resources.meta import Key
from resources.observed import Container, Probe
from resources.probing import ProbeTarget, judge, streak
from tests.unit.service.theatre import Theatre

HTTP = {"http": {"path": "/", "port": 80}, "patience": "60s"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def running(**check: Any) -> tuple[Theatre, Key]:
    stage = Theatre()
    web = stage.service(healthCheck={**HTTP, **check}, terminationGracePeriod="1s")
    stage.go(web)
    assert stage.plan(web).converged
    return stage, web


def sicken(stage: Theatre, web: Key) -> Container:
    container = stage.only(web)
    stage.probe(container, "unhealthy", "HTTP 500")
    stage.status(web)
    return container


def patience(stage: Theatre, web: Key) -> float:
    """Seconds until it is made anew; then it is."""
    before = own_id(stage, web, sicken(stage, web))
    wait = stage.plan(web).wait
    assert wait is not None
    assert wait.seconds is not None
    stage.wait(wait.seconds)
    stage.go(web)
    assert stage.only(web).id != before.id
    return wait.seconds


def own_id(stage: Theatre, web: Key, container: Container) -> Container:
    """The stage makes the same id for the same name again; an engine never does."""
    probe = stage.world.probes[container.id]
    stage.world.drop_container(container.id)
    renamed = stage.put(container, id=f"made at {stage.now}")
    stage.world.probes[renamed.id] = probe
    status = stage.rows[web].status
    assert status is not None
    (entry,) = status["containers"]
    shown = [{**entry, "id": renamed.id}]
    stage.rows[web] = replace(stage.rows[web], status={**status, "containers": shown})
    return renamed


def test_each_time_it_takes_twice_as_long() -> None:
    stage, web = running()
    taken = [patience(stage, web) for _ in range(8)]
    assert taken == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_after_lasting_health_it_begins_anew() -> None:
    stage, web = running()
    for _ in range(3):
        patience(stage, web)
    assert stage.status(web)["containers"][0]["replaced"] == 3
    stage.wait(600)
    sicken(stage, web)
    wait = stage.plan(web).wait
    assert wait is not None
    assert wait.seconds == 60


def test_a_new_revision_begins_anew() -> None:
    stage, web = running()
    for _ in range(2):
        patience(stage, web)
    stage.service(healthCheck=HTTP, environment={"FIXED": 1})
    stage.go(web)
    assert "replaced" not in stage.status(web)["containers"][0]


def test_killed_between_stop_and_removal_it_is_still_made_anew() -> None:
    stage, web = running()
    sicken(stage, web)
    stage.wait(60)
    plan = stage.run(web, 1)
    assert plan.steps[0].render().startswith("StopContainer")
    stage.status(web)
    said = stage.text(web)
    assert "RemoveContainer" in said
    assert "(unhealthy for 1m)" in said
    stage.go(web)
    assert stage.only(web).running


def test_one_that_crashed_while_sick_is_only_started() -> None:
    stage, web = running()
    container = sicken(stage, web)
    stage.wait(10)
    stage.exits(container, 1)
    stage.status(web)
    assert "RemoveContainer" not in stage.text(web)
    assert "StartContainer" in stage.text(web)


# ---------------------------------------------------------------- probes


def target(**fields: Any) -> ProbeTarget:
    return ProbeTarget("c", "10.0.0.2", 80, 10, 5, **{"retries": 3, "start_period": 0, **fields})


def played(results: str, target: ProbeTarget, seconds: float = 10) -> list[str]:
    """results: + and -. The health after each."""
    probe: Probe | None = None
    run, now, words = 0, NOW, []
    for result in results:
        message = "" if result == "+" else "HTTP 500"
        run = streak(probe, target, run, message, now)
        probe = judge(probe, target, run, message, now)
        words.append(probe.health)
        now += timedelta(seconds=seconds)
    return words


def test_failures_must_be_in_a_row() -> None:
    assert played("+--+--+--+", target())[-1] == "healthy"
    assert played("+---", target()) == ["healthy"] * 3 + ["unhealthy"]


def test_one_success_may_be_luck() -> None:
    assert played("---+-+-+-", target())[2:] == ["unhealthy"] * 7
    assert played("---++", target())[-2:] == ["unhealthy", "healthy"]
    assert played("+", target()) == ["healthy"]


def test_failures_within_the_start_period_do_not_count() -> None:
    slow = target(start_period=60, started_at=NOW)
    words = played("-" * 9, slow)
    assert words == ["starting"] * 8 + ["unhealthy"]
    assert played("+---", slow)[-1] == "unhealthy"
