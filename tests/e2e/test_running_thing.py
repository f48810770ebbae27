"""``logs``, ``exec`` and ``top`` on a real engine, as a person at a terminal uses them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import finish
from tests.e2e.harness import SKYCTL, Docker, Program, short_directory, until

pytestmark = pytest.mark.docker

COUNTING = (
    "trap 'exit 0' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2 & wait $!; done"
)
CRASHING = "echo about to fail; sleep 1; exit 3"


def service(name: str, image: str, script: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "skypanel.io/v1",
        "kind": "Service",
        "metadata": {"name": name, "organization": "running"},
        "spec": {
            "image": image,
            "imagePullPolicy": "Never",
            "command": ["/bin/sh", "-c", script],
            **spec,
        },
    }


@pytest.fixture(scope="module")
def running(image: str) -> Iterator[Program]:
    with short_directory() as place:
        program = Program(place / "state")
        try:
            program.start()
            home = {
                "apiVersion": "skypanel.io/v1",
                "kind": "Organization",
                "metadata": {"name": "running"},
                "spec": {},
            }
            manifests = [
                home,
                service("count", image, COUNTING, replicas=2),
                service("crash", image, CRASHING),
            ]
            text = "\n---\n".join(json.dumps(m) for m in manifests)
            applied = program.ctl("apply", "-f", "-", input=text)
            assert applied.returncode == 0, applied.stderr
            waited = program.ctl("wait", "service/count", "--timeout", "60s")
            assert waited.returncode == 0, waited.stderr
            yield program
        finally:
            finish(program, Docker())


@contextmanager
def following(program: Program, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*SKYCTL, *arguments], env=program.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_logs_of_two_containers_name_them(running: Program) -> None:
    done = running.ctl("logs", "count", "--tail", "3")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert {line.split()[0].split("_")[2] for line in lines} == {"0", "1"}


def test_followed_logs_go_on_with_the_next_container(running: Program, docker: Docker) -> None:
    with following(running, "logs", "count", "-f", "--tail", "1", "--ordinal", "0") as process:
        assert process.stdout is not None
        assert "line" in process.stdout.readline()
        (old,) = docker.containers(running.label, "io.skypanel.ordinal=0", "io.skypanel.name=count")
        docker.remove(old["Id"])
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if line.endswith("line 0\n"))


def test_previous_logs_of_a_crash(running: Program) -> None:
    def said() -> bool:
        done = running.ctl("logs", "crash", "--previous")
        return "about to fail" in done.stdout + done.stderr

    until(said, seconds=60, what="the crashed run's last words")


def test_exec_streams_and_exit_code(running: Program) -> None:
    done = running.ctl("exec", "count", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_exec_takes_standard_input(running: Program) -> None:
    text = "x" * 200_000 + "\n"
    done = running.ctl("exec", "-i", "count", "--", "cat", input=text)
    assert done.returncode == 0
    assert done.stdout == text


def test_exec_says_what_is_not_there(running: Program) -> None:
    done = running.ctl("exec", "count", "--", "/no/such/program")
    assert done.returncode != 0


def test_exec_on_a_terminal(running: Program) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(SKYCTL[0], [*SKYCTL, "exec", "count", "--", "sh"], running.environment)
    os.write(terminal, b"tty && exit 5\n")
    seen, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert b"/dev/pts/" in seen, seen
    assert os.waitstatus_to_exitcode(status) == 5


def test_the_terminal_has_the_size_of_ours(running: Program) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(SKYCTL[0], [*SKYCTL, "exec", "-it", "count", "--", "sh"], running.environment)
    seen = b""

    def says(words: bytes) -> bool:
        nonlocal seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4096)
        return words in seen

    def sized(rows: int, columns: int) -> None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def asked(words: bytes) -> bool:
        os.write(terminal, b"stty size\n")
        return says(words)

    try:
        sized(33, 101)
        until(lambda: asked(b"33 101"), what="the size at the start")
        sized(44, 120)
        until(lambda: asked(b"44 120"), what="the new size")
        os.write(terminal, b"exit 6\n")
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 6


def test_followed_logs_cross_generations(running: Program, image: str) -> None:
    """Of both replicas, before and after, each line with its container's name."""
    talk = "trap 'exit 0' TERM; while :; do echo $GENERATION; sleep 0.2 & wait $!; done"
    declared = service("talk", image, talk, replicas=2, environment={"GENERATION": "one"})
    assert running.ctl("apply", "-f", "-", "--wait", input=json.dumps(declared)).returncode == 0
    with following(running, "logs", "talk", "-f", "--tail", "1") as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        seen = {next(lines).strip() for _ in range(6)}
        declared["spec"]["environment"] = {"GENERATION": "two"}
        applied = running.ctl("apply", "-f", "-", "--wait", input=json.dumps(declared))
        assert applied.returncode == 0, applied.stderr
        while sum(line.endswith(" two") for line in seen) < 2:
            seen.add(next(lines).strip())
    names = {tuple(line.split()) for line in seen}
    assert {(name.split("_")[2], word) for name, word in names} == {
        (ordinal, word) for ordinal in "01" for word in ("one", "two")
    }
    assert len({name for name, _ in names}) == 4
    before = running.ctl("logs", "talk", "--previous", "--tail", "2")
    assert before.returncode == 0, before.stderr
    assert [line.split()[1] for line in before.stdout.splitlines()] == ["one"] * 4
    assert "generation 1" in before.stderr


def test_top_relates_to_the_limits(running: Program) -> None:
    done = running.ctl("top", "count", "-o", "json")
    items = json.loads(done.stdout)["items"]
    assert [item["ordinal"] for item in items] == [0, 1]
    for item in items:
        assert item["memoryLimit"] == 256 * 1024**2
        assert 0 < item["memory"] < item["memoryLimit"]
        assert item["pids"] >= 1


def test_diff_of_what_runs_is_empty(running: Program, image: str) -> None:
    text = json.dumps(service("count", image, COUNTING, replicas=2))
    done = running.ctl("diff", "-f", "-", input=text)
    assert done.returncode == 0, done.stdout + done.stderr
