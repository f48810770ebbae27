"""Upgrading the controller recreates nothing; new defaults come with the next rollout."""

from __future__ import annotations

import sys

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
SERVICES = 30


def test_one_more_default_touches_nobody(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.sql(
        fleet.organization("upgrade"),
        *(fleet.service("upgrade", f"s{n}", image) for n in range(SERVICES)),
        "SELECT 1",
    )
    fleet.converge(program, seconds=120)
    program.stop()
    ids = {c["Id"] for c in docker.containers(program.label)}
    program.command = [sys.executable, "-m", "tests.e2e.upgraded"]
    program.env["SKYCTL_RESYNC_INTERVAL"] = "1s"
    program.start()
    resyncs = 'skyctl_source_relists_total{reason="resync",source="engine"}'
    until(lambda: program.metrics().get(resyncs, 0) >= 3, what="three resyncs")
    assert fleet.writes(program) == 0
    assert {c["Id"] for c in docker.containers(program.label)} == ids
    program.sql(fleet.service("upgrade", "s0", image, environment={"COLOUR": "green"}), "SELECT 1")

    def rolled() -> bool:
        found = docker.containers(program.label, "io.skypanel.name=s0")
        seen = docker.inspect(found[0]["Id"])
        return len(found) == 1 and "COLOUR=green" in (seen["Config"]["Env"] or ())

    until(rolled, what="rolled")
    seen = docker.inspect(docker.containers(program.label, "io.skypanel.name=s0")[0]["Id"])
    assert "/run" in seen["HostConfig"]["Tmpfs"]
