"""Quotas on a real engine: the last slot is given once, whoever writes when."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
ROUNDS = 100 if os.environ.get("SKYCTL_TORTURE") else 5


class Watch:
    """The most containers that were ever there at once, as the engine listed them."""

    def __init__(self, docker: Docker, label: str) -> None:
        self._docker, self._label = docker, label
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = self.looks = 0

    def _look(self) -> None:
        while not self._over.is_set():
            found = [c for c in self._docker.containers(self._label) if c["State"] != "removing"]
            self.most, self.looks = max(self.most, len(found)), self.looks + 1
            time.sleep(0.01)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join(10)


def status(program: Program, name: str) -> dict[str, Any]:
    found = program.get("service", name, "--org", "quotas")
    return found.get("status") or {}


def statuses(program: Program) -> dict[str, dict[str, Any]]:
    rows = program.sql("SELECT name, status FROM skyctl.resource_view WHERE kind = 'Service'")
    return {row["name"]: json.loads(row["status"] or "{}") for row in rows}


def condition(found: dict[str, Any], type_: str) -> str:
    return next((c["status"] for c in found.get("conditions", ()) if c["type"] == type_), "")


def usage(program: Program, resource: str) -> tuple[Any, Any]:
    found = program.get("organization", "quotas")["status"]["usage"][resource]
    return found["used"], found["limit"]


def race(program: Program, image: str, names: tuple[str, str]) -> None:
    """Two writers with connections of their own, let go at the same moment."""
    gate = threading.Barrier(2)

    def write(name: str) -> None:
        statement = fleet.service("quotas", name, image)
        gate.wait(10)
        program.sql(statement, "SELECT 1")

    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(20)


def decided(found: dict[str, dict[str, Any]], names: tuple[str, str]) -> bool:
    states = sorted(condition(found.get(name, {}), "Accepted") for name in names)
    phases = {found[name].get("phase") for name in names}
    return states == ["False", "True"] and "Running" in phases


def test_two_writers_race_for_the_last_slot(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.sql(
        fleet.organization("quotas", plan="Starter", quota={"containers": 2}),
        fleet.service("quotas", "first", image),
        "SELECT 1",
    )
    fleet.converge(program)
    with Watch(docker, program.label) as watch:
        for number in range(ROUNDS):
            names = (f"a{number}", f"b{number}")
            race(program, image, names)
            found = until(
                lambda names=names: (s := statuses(program)) and decided(s, names) and s,
                seconds=30,
                what=f"one of {names} runs, the other one waits",
            )
            (loser,) = (n for n in names if condition(found[n], "Accepted") == "False")
            assert found[loser]["message"] == (
                'the quota of plan "Starter" does not allow it: '
                "containers: limit 2, used 2, requested 1 more"
            )
            assert found[loser]["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"
            claimed = program.sql(
                "SELECT sum((claims ->> 'containers')::int) AS n FROM skyctl.admissions"
            )
            assert claimed[0]["n"] == 2
            gone = [fleet.delete("Service", "quotas", name) for name in names]
            program.sql(*gone, "SELECT 1")
            until(lambda names=names: not set(names) & set(statuses(program)), seconds=30)
    assert watch.most == 2
    assert watch.looks > ROUNDS


def test_a_rollout_whose_surge_does_not_fit(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.sql(
        fleet.organization("quotas", plan="Starter", quota={"containers": 2, "cpu": "100m"}),
        fleet.service("quotas", "web", image, replicas=2),
        "SELECT 1",
    )
    fleet.converge(program)
    before = {c["Id"] for c in docker.containers(program.label)}
    with Watch(docker, program.label) as watch:
        new = {"replicas": 2, "environment": {"A": "1"}}
        program.sql(fleet.service("quotas", "web", image, **new), "SELECT 1")
        found = until(lambda: (s := status(program, "web")).get("error") and s)
        assert found["message"] == (
            'the quota of plan "Starter" does not allow it: cpu: limit 100m, used 100m, '
            "requested 50m more; containers: limit 2, used 2, requested 1 more "
            "(its rollout needs 1 container beside the 2 of its replicas)"
        )
        assert (condition(found, "Accepted"), condition(found, "Available")) == ("False", "True")
        assert {c["Id"] for c in docker.containers(program.label)} == before
        assert usage(program, "containers") == (2, 2)
        metrics = program.metrics()
        assert metrics[
            'skyctl_organization_quota{organization="quotas",resource="cpu",type="limit"}'
        ] == pytest.approx(0.1)
        shown = program.ctl("get", "organization").stdout
        assert "2/2" in shown
        assert "0.1/0.1" in shown
        new["update"] = {"order": "stopFirst"}
        program.sql(fleet.service("quotas", "web", image, **new), "SELECT 1")
        fleet.converge(program)
    assert not before & {c["Id"] for c in docker.containers(program.label)}
    assert watch.most == 2


def test_freed_quota_and_suspension(program: Program, docker: Docker, image: str) -> None:
    program.start()
    quota = {"containers": 2}
    program.sql(
        fleet.organization("quotas", quota=quota),
        fleet.service("quotas", "one", image),
        fleet.service("quotas", "idle", image, state="stopped"),
        "SELECT 1",
    )
    until(lambda: statuses(program)["one"].get("phase") == "Running")
    until(lambda: statuses(program)["idle"].get("phase") == "Stopped")
    for name in ("next", "last"):
        program.sql(fleet.service("quotas", name, image), "SELECT 1")
        until(lambda name=name: condition(statuses(program)[name], "Accepted") == "False")

    # Suspended, everything stops; resumed, it is as it was: what was stopped stays so.
    ran = {c["Id"] for c in docker.containers(program.label) if c["State"] == "running"}
    program.sql(fleet.organization("quotas", quota=quota, suspended=True), "SELECT 1")
    until(lambda: not any(c["State"] == "running" for c in docker.containers(program.label)))
    until(lambda: statuses(program)["one"].get("phase") == "Suspended")
    assert usage(program, "containers") == (2, 2)
    program.sql(fleet.organization("quotas", quota=quota), "SELECT 1")
    until(lambda: statuses(program)["one"].get("phase") == "Running")
    assert statuses(program)["idle"]["phase"] == "Stopped"
    assert {c["Id"] for c in docker.containers(program.label) if c["State"] == "running"} == ran

    # What becomes free goes to who asked first.
    program.sql(fleet.delete("Service", "quotas", "one"), "SELECT 1")
    until(lambda: statuses(program)["next"].get("phase") == "Running")
    assert condition(statuses(program)["last"], "Accepted") == "False"

    # A smaller quota stops nobody; a greater one lets in who waits.
    program.sql(fleet.organization("quotas", quota={"containers": 0}), "SELECT 1")
    until(lambda: usage(program, "containers") == (2, 0))
    assert statuses(program)["next"]["phase"] == "Running"
    program.sql(fleet.organization("quotas", quota={"containers": 3}), "SELECT 1")
    until(lambda: statuses(program)["last"].get("phase") == "Running")
