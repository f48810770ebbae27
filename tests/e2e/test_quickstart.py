"""What `make run` does once packages, engine and image are there: twice, with Ctrl-C between.

It ends with a page at a port, and at a hostname over HTTP and HTTPS.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.ingress.process import running
from tests.e2e.conftest import finish
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

PROJECT = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:8088/"
NAME = "web.quickstart.localhost"
WRITES = ("create_", "start_", "stop_", "remove_", "update_", "connect_", "disconnect_", "put_")


@pytest.fixture
def quickstart(place: Path, docker: Docker) -> Iterator[Program]:
    if not (PROJECT / ".venv" / "bin" / "skyctl").exists():
        pytest.skip("needs .venv (make .venv)")
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, for the certificate")
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
        return "Ctrl-C ends the controller" in program.log

    until(said, seconds=120, what=f"the page answers; {program.log[-3000:]}")
    assert f"{URL} answers." in program.log
    assert program.instance
    return process


def interrupt(process: subprocess.Popen[bytes]) -> int:
    os.kill(process.pid, signal.SIGINT)
    return process.wait(40)


def by_name(program: Program) -> bytes:
    """The page under its hostname: over HTTP, and over HTTPS by the authority that it names."""
    home = program.state_dir / "quickstart"
    http, https = json.loads((home / "ports.json").read_text())
    assert f"http://{NAME}:{http}/ answers." in program.log
    assert f"https://{NAME}:{https}/ answers" in program.log
    request = urllib.request.Request(f"http://127.0.0.1:{http}/", headers={"Host": NAME})
    with urllib.request.urlopen(request, timeout=10) as answer:
        page: bytes = answer.read()
    context = ssl.create_default_context(cafile=str(home / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", https), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as secured,
    ):
        secured.sendall(f"GET / HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
        assert secured.recv(100).startswith(b"HTTP/1.0 200")
    return page


def files(program: Program) -> dict[str, bytes]:
    """What was made for the hostname, and what is published of it."""
    found = [*(program.state_dir / "quickstart").rglob("*")]
    found += (program.state_dir / "ingress" / "routes").glob("*")
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def down(program: Program, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make down` does, with nobody to ask."""
    return subprocess.run(
        [PROJECT / ".venv" / "bin" / "python", PROJECT / "scripts" / "down"],
        env={**program.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def containers(docker: Docker, program: Program) -> dict[str, str]:
    return {c["Id"]: c["State"] for c in docker.containers(program.label)}


def test_it_runs_and_is_taken_over_untouched(quickstart: Program, docker: Docker) -> None:
    first = run(quickstart)
    assert ".venv/bin/skyctl" in quickstart.log.split(" answers")[-1]
    with urllib.request.urlopen(URL, timeout=10) as answer:
        assert b"It runs." in answer.read()
    assert b"It runs." in by_name(quickstart)
    made, written = containers(docker, quickstart), files(quickstart)
    proxies = running((quickstart.state_dir / "ingress").resolve())
    assert len(proxies) == 1
    assert len(made) == 3
    names = [c["Names"][0].lstrip("/") for c in docker.containers(quickstart.label)]
    assert "there is no Service" not in quickstart.log, "whichever file is read first"
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
    assert files(quickstart) == written
    assert running((quickstart.state_dir / "ingress").resolve()) == proxies
    assert b"It runs." in by_name(quickstart)
    during = down(quickstart, YES="1")
    assert during.returncode == 1
    assert "another controller" in during.stderr
    assert interrupt(second) == 0

    label = quickstart.label
    unasked = down(quickstart)
    assert unasked.returncode == 1
    assert "to do it: make down YES=1" in unasked.stderr
    assert containers(docker, quickstart) == made
    gone = down(quickstart, YES="1")
    assert gone.returncode == 0, gone
    assert all(f"container: {name}" in gone.stdout for name in names)
    assert docker.containers(label) == []
    assert docker.networks(label) == docker.volumes(label) == []
    assert running((quickstart.state_dir / "ingress").resolve()) == []
    assert not (quickstart.state_dir / "postgres").exists()
    assert "Nothing to take down" in down(quickstart).stdout
