"""Requests to a Domain through a real Traefik: counted, exported, told of a rollout, and logged."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from controller.ingress.binary import find_traefik
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import HOST, ORG, Stage, stage, written

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Stage]:
    with short_directory() as path, stage(path, SKYCTL_INGRESS_ACCESS_LOG="true") as made:
        yield made


def exported(place: Stage) -> dict[str, float]:
    """By code, of our Domain."""
    start = 'skyctl_domain_requests_total{code="'
    rest = f'",name="site",organization="{ORG}"}}'
    return {
        name.removeprefix(start).removesuffix(rest): value
        for name, value in place.program.metrics().items()
        if name.startswith(start) and name.endswith(rest)
    }


def rollout(place: Stage) -> dict[str, Any]:
    found: dict[str, Any] = place.program.get("service", "web", "--org", ORG)["status"]["rollout"]
    return found


@contextmanager
def visited(place: Stage) -> Iterator[Counter[int]]:
    """By one after the other; 502 for every fifth."""
    answers, over = Counter[int](), threading.Event()

    def visit() -> None:
        with httpx.Client(headers={"Host": HOST}, timeout=10) as client:
            while not over.is_set():
                broken = sum(answers.values()) % 5 == 4
                path = "/status/502" if broken else "/"
                answers[client.get(f"http://127.0.0.1:{place.port}{path}").status_code] += 1
                time.sleep(0.02)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield answers
    finally:
        over.set()
        visitor.join()


def test_requests_and_failures_of_a_domain_are_counted(place: Stage) -> None:
    until(lambda: exported(place)["2xx"], seconds=30, what="what was asked before is counted")
    before = exported(place)
    for _ in range(20):
        assert place.ask().status_code == 200
    for _ in range(3):
        assert place.ask("/status/404").status_code == 404
    for _ in range(7):
        assert place.ask("/status/502").status_code == 502

    def counted() -> bool:
        now = exported(place)
        grown = {code: now[code] - before.get(code, 0) for code in now}
        return grown == {"2xx": 20, "3xx": 0, "4xx": 3, "5xx": 7}

    until(counted, seconds=30, what="exactly these are counted")
    metrics = place.program.metrics()
    prefix = "skyctl_domain_request_seconds"
    (total,) = [value for name, value in metrics.items() if name.startswith(f"{prefix}_count")]
    assert total == sum(exported(place).values())
    shown = place.program.ctl("describe", "domain/site", "--org", ORG).stdout
    assert "Traffic" in shown
    assert "failed" in shown


def test_a_rollout_tells_its_requests_and_what_failed(place: Stage) -> None:
    with visited(place) as answers:
        until(lambda: answers[502] >= 2, seconds=20, what="it is visited")
        begin = Counter(answers)
        place.update()
        until(lambda: "requests" in rollout(place), seconds=20, what="requests are told")
        end = Counter(answers)
    told = rollout(place)["requests"]
    between = end - begin
    print(f"\nvisitors: {dict(between)}, told: {told}")
    assert 0 < told["seen"] <= sum(between.values()) + 1
    assert 0 < told["failed"] <= between[502] + 1
    assert told["seen"] >= sum(between.values()) / 3
    row = "SELECT ready_at >= $$%s$$::timestamptz FROM skyctl.rollouts ORDER BY started_at DESC"
    assert place.program.sql(row % told["since"])[0][0]


def test_counting_writes_no_status(place: Stage) -> None:
    place.settle()
    with visited(place):
        before, counted = written(place), exported(place)
        until(lambda: exported(place)["5xx"] >= counted["5xx"] + 10, seconds=60, what="counted on")
        assert written(place) == before


def test_the_requests_of_one_domain_are_read_from_the_access_log(place: Stage) -> None:
    place.domain("other", "other.example.test")
    place.settle()
    place.serves(host="other.example.test")
    assert place.ask("/index.html?token=secret").status_code == 200
    assert place.ask("/status/502").status_code == 502

    def logged(*options: str) -> list[str]:
        return place.program.ctl("logs", "domain/site", "--org", ORG, *options).stdout.splitlines()

    until(lambda: "/status/502 502" in logged("--tail", "1")[0], what="it is logged")
    last = logged("--tail", "2")[0].split()
    assert last[2:5] == ["GET", f"http://{HOST}/index.html", "200"]
    whole = "\n".join(logged())
    assert "secret" not in whole
    assert "other.example.test" not in whole
    assert "/api/" not in whole
    told = json.loads(logged("--tail", "1", "-o", "json")[0])["request"]
    assert told["DownstreamStatus"] == 502
    assert "other.example.test" in place.program.ctl("logs", "domain/other", "--org", ORG).stdout


def test_a_full_access_log_is_turned_over_and_goes_on(place: Stage) -> None:
    log = place.ingress / "access.log"
    with log.open("ab") as opened:
        opened.truncate(60_000_000)
    until(lambda: (place.ingress / "access.log.1").exists(), seconds=30, what="it is turned over")

    def goes_on() -> bool:
        place.ask("/afterwards")
        return b"/afterwards" in log.read_bytes()

    until(goes_on, seconds=30, what="it goes on in a new file")
    shown = place.program.ctl("logs", "domain/site", "--org", ORG, "--tail", "1").stdout
    assert f"http://{HOST}/afterwards" in shown


def test_a_controller_that_returns_invents_nothing(place: Stage) -> None:
    told = rollout(place)["requests"]
    place.program.kill()
    for _ in range(10):
        place.ask("/status/502")
    place.program.start()
    place.settle()
    until(lambda: exported(place), seconds=30, what="the domain is counted")
    assert exported(place)["5xx"] == 0
    assert rollout(place)["requests"] == told
    place.ask("/status/502")
    until(lambda: exported(place)["5xx"] == 1, seconds=30, what="it is counted on")
