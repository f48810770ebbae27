"""Killed, frozen, cut off: the same end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import fleet
from tests.e2e.engines import PrivateEngine, private_engine, root_here
from tests.e2e.harness import Docker, Program, until
from tests.images import ensure_busybox_image

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))
SERVICES = 30 if TORTURE else 8
KILLS = 20 if TORTURE else 5


@pytest.fixture
def engine(place: Path) -> Iterator[PrivateEngine]:
    if not root_here():
        pytest.skip("a private engine needs root and dockerd")
    with private_engine(place / "engine") as made:
        ensure_busybox_image(made.host)
        yield made


def declare(program: Program, image: str, replicas: int, colour: str) -> None:
    program.sql(
        fleet.organization("faults"),
        fleet.volume("faults", "data"),
        *(
            fleet.service(
                "faults",
                f"s{n}",
                image,
                replicas=replicas if n % 3 == 0 else 1,
                environment={"COLOUR": colour},
                volumes=[{"volume": "data", "mountPath": "/d"}] if n == 1 else [],
            )
            for n in range(SERVICES)
        ),
        "SELECT 1",
    )


def unique(docker: Docker, program: Program) -> None:
    """One container per service and ordinal, and nothing beside."""
    seen = [
        (c["Labels"]["io.skypanel.name"], c["Labels"]["io.skypanel.ordinal"])
        for c in docker.containers(program.label)
    ]
    assert len(seen) == len(set(seen)), sorted(seen)


@pytest.mark.parametrize("seed", range(3 if TORTURE else 1))
def test_kill_9_at_random_moments(seed: int, program: Program, docker: Docker, image: str) -> None:
    """While services are made, updated and deleted."""
    chance = random.Random(seed)
    program.start()
    phases = [
        lambda: declare(program, image, 2, "blue"),
        lambda: declare(program, image, 2, "green"),
        lambda: declare(program, image, 1, "green"),
    ]
    for number, phase in enumerate(phases):
        phase()
        for _ in range(KILLS // len(phases) + (number < KILLS % len(phases))):
            time.sleep(chance.uniform(0.0, 3.0))  # a moment at random, not a wait
            program.kill()
            program.start()
        fleet.converge(program)
        unique(docker, program)
        expected = sum((2 if number < 2 else 1) if n % 3 == 0 else 1 for n in range(SERVICES))
        containers = docker.containers(program.label)
        assert len(containers) == expected
        assert all(c["State"] == "running" for c in containers)
        for container in containers:
            wanted = "COLOUR=blue" if number == 0 else "COLOUR=green"
            assert wanted in docker.inspect(container["Id"])["Config"]["Env"]
        assert len(docker.volumes(program.label)) == 1
    program.sql(*(fleet.delete("Service", "faults", f"s{n}") for n in range(SERVICES)), "SELECT 1")
    for _ in range(2):
        time.sleep(chance.uniform(0.0, 1.0))
        program.kill()
        program.start()
    until(
        lambda: not program.sql("SELECT 1 FROM skyctl.resources WHERE kind = 'Service'"),
        seconds=fleet.SOON,
        what="deleted",
    )
    assert docker.containers(program.label) == []
    assert len(docker.volumes(program.label)) == 1


def recover(program: Program) -> None:
    """Converges. A restarted engine now and then leaves a file system mounted and can then never
    remove that container, whoever asks: that is the engine's, and told as a skip."""
    try:
        fleet.converge(program, seconds=150)
    except AssertionError as error:
        if "device or resource busy" in str(error):
            pytest.skip("the engine left a file system mounted")
        raise


def test_an_engine_restart_is_recovered_and_changes_meanwhile_are_applied(
    place: Path, engine: PrivateEngine
) -> None:
    docker = Docker(str(engine.socket))
    program = Program(place / "state", env={"DOCKER_HOST": engine.host})
    try:
        program.start()
        declare(program, "skypanel/test-busybox:1", 1, "blue")
        recover(program)
        engine.stop()
        declare(program, "skypanel/test-busybox:1", 1, "green")
        until(lambda: not program.ready(), what="it says that the engine is away")
        engine.start()
        recover(program)
        unique(docker, program)
        for container in docker.containers(program.label):
            assert container["State"] == "running"
            assert "COLOUR=green" in docker.inspect(container["Id"])["Config"]["Env"]
        # Engine and database killed together.
        engine.kill()
        kill_database(program)
        engine.start()
        until(lambda: program.sql("SELECT 1"), seconds=60, what="the database is back")
        declare(program, "skypanel/test-busybox:1", 1, "red")
        recover(program)
        unique(docker, program)
        for container in docker.containers(program.label):
            assert "COLOUR=red" in docker.inspect(container["Id"])["Config"]["Env"]
        assert len(docker.volumes(program.label)) == 1
    finally:
        if program.process is not None:
            program.stop()  # the engine and all on it go with the fixture


def kill_database(program: Program) -> None:
    pidfile = (program.state_dir / "postgres").resolve() / "data" / "postmaster.pid"
    os.kill(int(pidfile.read_text().split()[0]), signal.SIGKILL)


def test_a_killed_database_is_recovered(program: Program, docker: Docker, image: str) -> None:
    program.start()
    declare(program, image, 1, "blue")
    fleet.converge(program)
    before = fleet.state(program, docker)
    kill_database(program)
    until(lambda: program.sql("SELECT 1"), seconds=60, what="the database is back")
    program.sql(fleet.service("faults", "s0", image, environment={"COLOUR": "green"}), "SELECT 1")
    fleet.converge(program)
    assert len(fleet.state(program, docker)["containers"]) == len(before["containers"])


def test_another_engine_is_not_touched_until_told(
    program: Program, docker: Docker, image: str, engine: PrivateEngine
) -> None:
    program.start()
    declare(program, image, 1, "blue")
    fleet.converge(program)
    program.stop()
    before = {c["Id"] for c in docker.containers(program.label)}
    program.env["DOCKER_HOST"] = engine.host
    program.start(ready=False)
    elsewhere = Docker(str(engine.socket))
    until(lambda: "is not the one" in program.log, what="it says so")
    assert not program.ready()
    assert elsewhere.containers() == []
    assert elsewhere.networks(program.label) == []
    done = program.ctl("adopt-engine", "--yes")
    assert done.returncode == 0, done.stderr
    until(program.ready, what="ready after adopting")
    until(lambda: elsewhere.containers(program.label), what="it builds there now")
    program.stop()
    elsewhere.sweep(program.instance)
    assert {c["Id"] for c in docker.containers(program.label)} == before


def test_two_controllers_one_acts(
    program: Program, docker: Docker, image: str, place: Path
) -> None:
    """The second takes over when the first is killed, or frozen; the frozen one does nothing more
    when it wakes."""
    program.env["SKYCTL_LEADER_TIMEOUT"] = "3s"
    program.start()
    second = Program(place / "second", env={**program.env, "SKYCTL_DATABASE_URL": program.dsn})
    try:
        second.start()
        until(lambda: second.metrics()["skyctl_leader"] == 0, what="the second waits")
        assert program.metrics()["skyctl_leader"] == 1
        program.sql(fleet.organization("faults"), fleet.service("faults", "web", image), "SELECT 1")
        fleet.converge(program)
        program.signal(signal.SIGSTOP)
        started = time.monotonic()
        until(lambda: second.metrics()["skyctl_leader"] == 1, seconds=20, what="take-over")
        print(f"take-over of a frozen leader in {time.monotonic() - started:.1f}s")
        container = docker.containers(program.label)[0]["Id"]
        docker.remove(container)
        until(lambda: docker.containers(program.label), what="the second heals")
        fleet.converge(second_view := program)
        assert second_view is program
        before = fleet.writes(second)
        program.signal(signal.SIGCONT)
        until(lambda: program.metrics()["skyctl_leader"] == 0, what="the woken one stands back")
        writes_of_first = fleet.writes(program)
        docker.remove(docker.containers(program.label)[0]["Id"])
        until(lambda: fleet.writes(second) > before, what="the second heals again")
        unique(docker, program)
        assert fleet.writes(program) == writes_of_first
    finally:
        if second.process is not None:
            second.stop()
