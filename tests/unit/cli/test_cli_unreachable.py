"""No controller, another server, a wrong address: said plainly, exit code 2."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

CODE = "CONFIGURATION_CONTROLLER_UNREACHABLE"


def test_no_socket(offline: Run, tmp_path: Path) -> None:
    ran = offline("get", "services")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.splitlines() == [
        f"error: {CODE}: no controller answers on {tmp_path}/skyctl.sock: the socket is not there",
        "  try: start one: skyctl run",
        "  try: if it uses another state directory, set SKYCTL_STATE_DIR to it",
        "  try: test what a controller needs: skyctl doctor",
    ]


def test_as_json(offline: Run) -> None:
    ran = offline("get", "services", "-o", "json")
    assert ran.code == 2
    body = json.loads(ran.err)
    assert set(body) == {"code", "message", "details", "suggestions", "retryable"}
    assert body["code"] == CODE


@pytest.mark.parametrize(
    "command",
    [
        "get svc -w", "describe svc/web", "logs web", "logs web -f", "exec web -- ls", "top",
        "events", "events -w", "plan", "delete svc/web", "wait svc/web", "rollout status web",
        "rollout history web", "rollout undo web", "restart web", "pause web", "resume web",
        "start web", "stop web", "scale web --replicas 2", "guard list", "guard approve x",
        "adopt svc/web --source api", "adopt-engine --yes", "purge", "status",
    ],
)  # fmt: skip
def test_every_command_says_so(offline: Run, command: str) -> None:
    ran = offline(*command.split())
    assert ran.code == 2, ran
    assert CODE in ran.err


def test_a_socket_left_behind(
    offline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind("skyctl.sock")
    ran = offline("status")
    assert ran.code == 2
    assert "its socket was left behind" in ran.err


def test_a_host_that_does_not_answer(offline: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYCTL_HOST", "http://127.0.0.1:1")
    ran = offline("get", "svc")
    assert ran.code == 2
    assert "no controller answers on http://127.0.0.1:1" in ran.err
    assert "check SKYCTL_HOST" in ran.err


def test_a_host_that_is_no_address(offline: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYCTL_HOST", "example.org")
    ran = offline("get", "svc")
    assert ran.code == 2
    assert "http://HOST:PORT" in ran.err


class Stranger(http.server.BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append(str(self.headers.get("authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_something_else_that_answers(
    offline: Run, monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    monkeypatch.setenv("SKYCTL_HOST", stranger)
    monkeypatch.setenv("SKYCTL_TOKEN", "t0ken")
    ran = offline("get", "svc")
    assert ran.code == 1
    assert "not as a controller does" in ran.err
    assert Stranger.seen[-1] == "Bearer t0ken"
