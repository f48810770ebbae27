"""``skyctl doctor`` and the offline commands, as processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import DOCKER_SOCKET, SKYCTL, Program


def doctor(place: Path, **env: str) -> tuple[int, dict[str, Any]]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SKYCTL_")}
    environment = {
        **kept,
        "SKYCTL_STATE_DIR": str(place / "state"),
        "SKYCTL_LISTEN": "127.0.0.1:0",
        **env,
    }
    done = subprocess.run(
        [*SKYCTL, "doctor", "-o", "json"], env=environment, capture_output=True, timeout=60
    )
    assert not done.stderr, done.stderr
    found = json.loads(done.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["ok"] is (done.returncode == 0)
    return done.returncode, checks


@pytest.mark.docker
def test_all_is_well(place: Path) -> None:
    code, checks = doctor(place)
    assert code == 0, checks
    for name in ("settings", "state directory", "docker", "postgresql", "network pool"):
        assert checks[name]["state"] in ("ok", "warning"), checks[name]
    assert checks["controller"]["state"] == "note"
    assert "answers on" in checks["docker"]["message"]
    assert not (place / "state").exists(), "doctor changes nothing"


@pytest.mark.docker
def test_the_engine_that_answers_elsewhere_is_suggested(place: Path) -> None:
    code, checks = doctor(place, DOCKER_HOST=f"unix://{place}/none.sock")
    assert code == 1
    assert checks["docker"]["state"] == "problem"
    assert f"export DOCKER_HOST=unix://{DOCKER_SOCKET}" in checks["docker"]["suggestions"][0]


def test_something_that_is_no_engine(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        code, checks = doctor(place, DOCKER_HOST=f"tcp://127.0.0.1:{port}")
    assert code == 1
    assert checks["docker"]["state"] == "problem"


def test_a_port_that_is_taken(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        code, checks = doctor(place, SKYCTL_LISTEN=listen)
    assert code == 1
    assert checks["metrics address"]["state"] == "problem"
    assert "--listen" in checks["metrics address"]["suggestions"][0]


def test_a_database_that_is_not_there(place: Path) -> None:
    code, checks = doctor(place, SKYCTL_DATABASE_URL="postgresql://u:hush@127.0.0.1:1/d")
    assert code == 1
    assert checks["postgresql"]["state"] == "problem"
    assert "hush" not in json.dumps(checks)


def test_wrong_settings(place: Path) -> None:
    code, checks = doctor(place, SKYCTL_WORKERS="many")
    assert code == 1
    assert "SKYCTL_WORKERS" in checks["settings"]["message"]


@pytest.mark.docker
def test_a_running_controller_is_seen(program: Program) -> None:
    program.start()
    done = program.ctl("doctor")
    assert done.returncode == 0, done.stdout
    assert "answers, leader" in done.stdout


def test_the_version_is_there_at_once() -> None:
    """The best of several: what the machine does beside it is not measured."""

    def seconds() -> float:
        started = time.monotonic()
        subprocess.run([*SKYCTL, "version"], check=True, capture_output=True, timeout=30)
        return time.monotonic() - started

    assert min(seconds() for _ in range(5)) < 0.3


def test_a_reader_that_leaves_is_no_error_of_ours() -> None:
    """``skyctl schema sql | head -1``"""
    writer = subprocess.Popen(
        [*SKYCTL, "schema", "sql"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.wait(30)
