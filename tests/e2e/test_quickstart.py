"""What `make run` does once packages, engine and image are there: twice, with Ctrl-C between."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import finish
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

PROJECT = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:8088/"
WRITES = ("create_", "start_", "stop_", "remove_", "update_", "connect_", "disconnect_", "put_")


@pytest.fixture
def quickstart(place: Path, docker: Docker) -> Iterator[Program]:
    if not (PROJECT / ".venv" / "bin" / "skyctl").exists():
        pytest.skip("needs .venv (make .venv)")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8088)) == 0:
            pytest.skip("somebody else uses port 8088; a quickstart is running?")
    if any(name.startswith("/quickstart_") for c in docker.containers() for name in c["Names"]):
        pytest.skip("somebody else's quickstart is on this engine")
    subprocess.run([sys.executable, PROJECT / "scripts" / "quickstart-image"], check=True)
    program = Program(place / "state")
    try:
        yield program
    finally:
        finish(program, docker)


def run(program: Program) -> subprocess.Popen[bytes]:
    """Until it says that the page answers."""
    program.state_dir.mkdir(exist_ok=True)
    output = program.log_path
    with output.open("wb") as log:
        process = subprocess.Popen(
            [PROJECT / ".venv" / "bin" / "python", PROJECT / "scripts" / "run"],
            env=program.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    program.process = process

    def said() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"it ended: {program.log[-3000:]}")
        return f"{URL} answers." in program.log

    until(said, seconds=120, what=f"the page answers; {program.log[-3000:]}")
    assert program.instance
    return process


def interrupt(process: subprocess.Popen[bytes]) -> int:
    os.kill(process.pid, signal.SIGINT)
    return process.wait(40)


def containers(docker: Docker, program: Program) -> dict[str, str]:
    return {c["Id"]: c["State"] for c in docker.containers(program.label)}


def test_it_runs_and_is_taken_over_untouched(quickstart: Program, docker: Docker) -> None:
    first = run(quickstart)
    assert ".venv/bin/skyctl" in quickstart.log.split("answers.")[1]
    with urllib.request.urlopen(URL, timeout=10) as answer:
        assert b"It runs." in answer.read()
    made = containers(docker, quickstart)
    assert len(made) == 3
    assert interrupt(first) == 0
    assert containers(docker, quickstart) == made == dict.fromkeys(made, "running")

    second = run(quickstart)
    writes = {
        name: count
        for name, count in quickstart.metrics().items()
        if name.startswith("skyctl_engine_call_seconds_count")
        and any(f'operation="{write}' in name for write in WRITES)
        and count
    }
    assert writes == {}
    assert containers(docker, quickstart) == made
    assert interrupt(second) == 0
