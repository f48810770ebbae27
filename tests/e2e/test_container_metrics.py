"""What ``/metrics`` says of real containers under a known load."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e import fleet
from tests.e2e.conftest import finish
from tests.e2e.harness import Docker, Program, short_directory, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

ORG = "sampled"
MEBIBYTE = 1 << 20
FILE = "/bin/busybox"
"""Served by ``web``, some two megabytes."""
SAMPLED = 60.0
"""Seconds: two intervals and a busy machine."""
LINE = re.compile(
    r'skyctl_container_(\w+)\{ordinal="(\d+)",organization="(\S+?)",service="(\S+)"\}'
)


class Stage:
    def __init__(self, program: Program, docker: Docker) -> None:
        self.program, self.docker = program, docker

    def values(self, service: str, ordinal: int = 0) -> dict[str, float]:
        """Of a replica, by the metric's name after ``skyctl_container_``."""
        found = {}
        for name, value in self.program.metrics().items():
            if (match := LINE.fullmatch(name)) and match.groups()[1:] == (
                str(ordinal),
                ORG,
                service,
            ):
                found[match[1]] = value
        return found

    def container(self, service: str) -> dict[str, object]:
        (one,) = self.docker.containers(
            self.program.label, f"io.skypanel.organization={ORG}", f"io.skypanel.name={service}"
        )
        found: dict[str, object] = self.docker.inspect(one["Id"])
        return found

    def pid(self, service: str) -> int:
        state = self.container(service)["State"]
        assert isinstance(state, dict)
        return int(state["Pid"])

    def address(self, service: str) -> str:
        settings = self.container(service)["NetworkSettings"]
        assert isinstance(settings, dict)
        (network,) = settings["Networks"].values()
        return str(network["IPAddress"])


@pytest.fixture(scope="module")
def stage(image: str) -> Iterator[Stage]:
    with short_directory() as place:
        program, docker = Program(place / "state"), Docker()
        try:
            program.start()
            shell = ["sh", "-c"]
            small = {"cpu": "50m", "memory": "16Mi", "pids": 32}
            program.sql(
                fleet.organization(ORG),
                fleet.volume(ORG, "data", size="10Mi"),
                fleet.service(ORG, "idle", image, resources=small),
                fleet.service(
                    ORG,
                    "burn",
                    image,
                    command=[*shell, "while :; do :; done"],
                    resources={"cpu": "200m", "memory": "24Mi", "pids": 32},
                ),
                fleet.service(ORG, "web", image, command=["httpd", "-f", "-p", "8080", "-h", "/"]),
                fleet.service(
                    ORG,
                    "hungry",
                    image,
                    command=[*shell, "sleep 3; tail /dev/zero; exec sleep 100000"],
                ),
            )
            fleet.converge(program)
            yield Stage(program, docker)
        finally:
            finish(program, docker)


def test_a_loop_burns_its_whole_limit(stage: Stage) -> None:
    until(lambda: 0.85 < stage.values("burn")["cpu_ratio"] < 1.15, seconds=SAMPLED)
    until(lambda: stage.values("idle")["cpu_ratio"] < 0.05, seconds=SAMPLED)
    burnt = stage.values("burn")
    assert burnt["cpu_seconds_total"] > 1
    assert burnt["memory_limit_bytes"] == 24 * MEBIBYTE
    assert 0 < burnt["memory_bytes"] < 4 * MEBIBYTE
    interval = stage.program.metrics()["skyctl_container_sample_interval_seconds"]
    assert interval == 15


def test_bytes_over_the_network(stage: Stage) -> None:
    address, times = stage.address("web"), 10
    sending = "network_transmit_bytes_total"
    until(lambda: sending in stage.values("web"), seconds=SAMPLED)
    before = stage.values("web")[sending]
    size = 0
    for _ in range(times):
        answer = httpx.get(f"http://{address}:8080{FILE}", timeout=30)
        size += len(answer.content)
    assert size > times * MEBIBYTE

    def sent() -> float:
        return stage.values("web")[sending] - before

    until(lambda: sent() >= size, seconds=SAMPLED, what="all of it is counted")
    assert sent() < 1.1 * size


def test_a_kill_for_want_of_memory_is_counted_though_the_container_lives(stage: Stage) -> None:
    until(lambda: stage.values("hungry")["oom_total"] == 1, seconds=SAMPLED)
    found = stage.values("hungry")
    assert found["restarts_total"] == 0
    assert stage.container("hungry")["RestartCount"] == 0
    assert stage.values("idle")["oom_total"] == 0


def test_restarts_are_counted_and_survive_a_new_container(stage: Stage) -> None:
    assert stage.values("idle")["restarts_total"] == 0
    for times in (1, 2):
        os.kill(stage.pid("idle"), signal.SIGKILL)
        until(lambda: stage.container("idle")["RestartCount"] == times, seconds=30)  # noqa: B023
        until(lambda: stage.values("idle")["restarts_total"] == times, seconds=30)  # noqa: B023
        until(lambda: stage.pid("idle"), seconds=30)
    killed = str(stage.container("idle")["Id"])
    stage.docker.remove(killed)
    until(lambda: stage.container("idle")["Id"] != killed, seconds=30, what="a new one")
    until(lambda: stage.values("idle")["restarts_total"] == 2, seconds=30)
    until(lambda: "cpu_ratio" in stage.values("idle"), seconds=SAMPLED)


def test_a_declared_size(stage: Stage) -> None:
    name = f'skyctl_volume_size_bytes{{name="data",organization="{ORG}"}}'
    assert stage.program.metrics()[name] == 10 * MEBIBYTE


def test_sampling_writes_no_status_and_asks_the_engine_nothing(stage: Stage) -> None:
    def told() -> dict[str, float]:
        return {
            name: value
            for name, value in stage.program.metrics().items()
            if name.startswith('skyctl_status_writes_total{result="written"')
            or ("skyctl_engine_call_seconds_count" in name and 'operation="stats"' in name)
        }

    fleet.converge(stage.program)
    before, counted = told(), stage.values("burn")["cpu_seconds_total"]
    until(
        lambda: stage.values("burn")["cpu_seconds_total"] > counted + 5,
        seconds=2 * SAMPLED,
        what="it is read on",
    )
    assert told() == before
    assert any("status_writes" in name for name in before)


def test_series_of_what_is_gone_are_gone(stage: Stage) -> None:
    stage.program.sql(fleet.delete("Service", ORG, "burn"))
    until(lambda: stage.values("burn") == {}, seconds=60)
    assert stage.values("web")
