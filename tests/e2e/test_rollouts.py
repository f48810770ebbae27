"""An update is seen by nobody, and a bad one undoes itself; limits change in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import fleet
from tests.e2e.engines import private_engine, root_here
from tests.e2e.harness import Docker, Program, short_directory, until
from tests.e2e.rollouts import AT_ONCE, CASES, REPLICAS, Case, Outcome, Stage, stage, table

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with short_directory() as place, stage(place) as made:
        yield made


@pytest.fixture(scope="module")
def outcomes(shared: Stage) -> dict[str, Outcome]:
    found = shared.play(AT_ONCE)
    found |= shared.play([case for case in CASES if case.during == "kill"])
    print(table([(case, found[case.name]) for case in CASES if case.name in found]))
    return found


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.during != "restart"], ids=lambda case: case.service
)
def test_rollout(case: Case, outcomes: dict[str, Outcome]) -> None:
    judge(case, outcomes[case.name])


@pytest.mark.skipif(not TORTURE, reason="with SKYCTL_TORTURE=1")
def test_the_engine_is_restarted_midway(place: Path) -> None:
    if not root_here():
        pytest.skip("a private engine needs root and dockerd")
    (case,) = (case for case in CASES if case.during == "restart")
    with private_engine(place / "engine") as engine, stage(place, engine) as own:
        judge(case, own.play([case])[case.name])


def judge(case: Case, found: Outcome) -> None:
    assert found.generations == [case.generation] * REPLICAS
    assert found.least >= case.least
    assert found.status["rollout"]["state"] == case.state
    good = case.state == "complete"
    assert found.conditions["Available"] == "True"
    assert found.conditions["Ready"] == ("True" if good else "False")
    assert found.conditions["Stalled"] == ("False" if good else "True")
    assert (found.status["error"] or {}).get("code") == case.code
    if case.name == "exits at once":
        assert "it cannot be" in found.event
        assert found.status["error"]["details"]["exitCode"] == 3
        assert "it cannot be" in found.status["error"]["details"]["logTail"]


def test_limits_change_in_place(shared: Stage) -> None:
    program, docker = shared.program, shared.docker
    program.sql(
        fleet.organization("rollouts"),
        fleet.service("rollouts", "limits", shared.image),
        "SELECT 1",
    )
    before = until(lambda: _running(program, docker), what="it runs")
    program.sql(
        fleet.service(
            "rollouts",
            "limits",
            shared.image,
            resources={"cpu": "75m", "memory": "24Mi", "pids": 40},
            restart={"policy": "onFailure"},
        ),
        "SELECT 1",
    )
    until(lambda: _ready(program, 2), what="generation 2 is ready")
    (after,) = docker.containers(program.label, "io.skypanel.name=limits")
    assert after["Id"] == before
    seen = docker.inspect(before)
    host = seen["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (
        24 << 20,
        24 << 20,
        75_000_000,
        40,
    )
    assert host["RestartPolicy"]["Name"] == "on-failure"
    assert seen["RestartCount"] == 0
    assert cgroup_memory(seen["State"]["Pid"]) == 24 << 20


def _running(program: Program, docker: Docker) -> str | None:
    found = docker.containers(program.label, "io.skypanel.name=limits")
    return str(found[0]["Id"]) if found and _ready(program, 1) else None


def _ready(program: Program, generation: int) -> bool:
    status = program.get("service", "limits", "--org", "rollouts").get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    return status.get("observedGeneration") == generation and conditions.get("Ready") == "True"


def cgroup_memory(pid: int) -> int:
    """Bytes that the kernel allows the process' group, whichever version of cgroups it is."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            file = Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")
        elif number == "0" and not controllers:
            file = Path(f"/sys/fs/cgroup{path}/memory.max")
        else:
            continue
        if file.exists():
            return int(file.read_text())
    raise AssertionError(f"no memory cgroup of {pid} is to be seen")
