"""What the doctor makes of what it finds."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from controller.cli.doctor import docker, host, local, postgres, sealing, settings
from controller.cli.doctor.check import Check
from controller.engine.docker.endpoint import endpoint_from
from controller.sealing import FileKeyring, PrivateKey
from controller.settings import Settings, without_password
from tests.unit.site import running_site

POOL = ipaddress.ip_network("10.128.0.0/9")


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="skyctl-") as name:
        yield Path(name)


def facts(**info: Any) -> docker.EngineFacts:
    return docker.EngineFacts(endpoint_from(None, {}), info)


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("routes", "state"),
    [
        ([], "ok"),
        (["192.168.0.0/16", "172.17.0.0/16"], "ok"),
        (["10.200.1.0/24"], "warning"),
        (["10.0.0.0/8"], "problem"),
        (["10.128.0.0/9"], "problem"),
    ],
)
def test_routes_against_the_pool(routes: list[str], state: str) -> None:
    assert host._against_routes("pool", POOL, "", routes).state == state


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"network_pool": "10.0.0.0/8", "network_prefix": 24}, "ok"),
    ],
)
def test_the_pool_itself(given: dict[str, Any], state: str) -> None:
    assert by_name(host.examine(Settings(**given, listen=""), None))["network pool"].state == state


@pytest.mark.parametrize(
    ("ports", "state"),
    [(None, "note"), ("8000-8099", "ok"), ("40000-40100", "warning")],
)
def test_host_ports(
    ports: str | None, state: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = directory / "range"
    kernel.write_text("32768\t60999\n")
    monkeypatch.setattr(host, "_EPHEMERAL", kernel)
    assert by_name(host.examine(Settings(host_ports=ports), None))["host ports"].state == state


@pytest.mark.parametrize(("running", "state"), [(True, "ok"), (False, "problem")])
def test_whose_the_metrics_address_is(running: bool, state: str) -> None:
    """Where none runs on this state directory, it is another's controller that answers."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        listen = f"127.0.0.1:{server.server_port}"
        found = host.examine(Settings(listen=listen), None, running=running)
        server.shutdown()
    assert by_name(found)["metrics address"].state == state


def test_limits_that_the_kernel_does_not_enforce() -> None:
    checks = by_name(docker._abilities(facts(MemoryLimit=True, SwapLimit=False, PidsLimit=True)))
    assert checks["limits"].state == "warning"
    assert "swap" in checks["limits"].message
    assert by_name(docker._abilities(facts()))["limits"].state == "ok"


@pytest.mark.parametrize(
    ("options", "state"),
    [
        (["name=seccomp,profile=default"], "warning"),
        (["name=seccomp,profile=default", "name=userns"], "ok"),
        (["name=rootless"], "ok"),
        (None, "warning"),
    ],
)
def test_user_namespaces(options: list[str] | None, state: str) -> None:
    assert docker._isolation({"SecurityOptions": options}).state == state


@pytest.mark.parametrize(("api", "state"), [("1.41", "ok"), ("1.24", "problem"), ("?", "problem")])
def test_an_engine_that_is_too_old(api: str, state: str) -> None:
    assert docker._answering(facts(), {"Version": "x", "ApiVersion": api}).state == state


def test_where_engines_are_looked_for(directory: Path) -> None:
    meta = directory / ".docker" / "contexts" / "meta" / "abc"
    meta.mkdir(parents=True)
    described = {"Name": "away", "Endpoints": {"docker": {"Host": "tcp://10.0.0.1:2375"}}}
    (meta / "meta.json").write_text(json.dumps(described))
    (directory / ".docker" / "config.json").write_text('{"currentContext": "away"}')
    found = docker.candidates({"HOME": str(directory), "XDG_RUNTIME_DIR": "/run/user/7"})
    assert found[0] == "unix:///var/run/docker.sock"
    assert "unix:///run/user/7/docker.sock" in found
    assert f"unix://{directory}/.docker/desktop/docker.sock" in found
    assert found[-1] == "tcp://10.0.0.1:2375"


@pytest.mark.parametrize("content", ["{", "[]", '{"currentContext": 5}'])
def test_a_broken_context_is_no_obstacle(directory: Path, content: str) -> None:
    (directory / ".docker").mkdir()
    (directory / ".docker" / "config.json").write_text(content)
    assert docker.candidates({"HOME": str(directory)})


async def test_no_engine_says_what_to_do(directory: Path) -> None:
    env = {"DOCKER_HOST": f"unix://{directory}/none.sock", "HOME": str(directory)}
    (check,), engine = await docker.examine(env)
    assert engine is None
    assert check.state == "problem"
    assert "there is no such socket" in check.message
    assert check.suggestions


async def test_an_address_that_is_none(directory: Path) -> None:
    (check,), _ = await docker.examine({"DOCKER_HOST": "ssh://host"})
    assert check.state == "problem"


def test_the_state_directory(directory: Path) -> None:
    def state(path: Path) -> str:
        (check,) = local.examine_state(Settings(state_dir=path))
        return check.state

    private = directory / "private"
    private.mkdir(mode=0o700)
    assert state(private) == "ok"
    assert state(directory / "new" / "deep") == "ok"
    open_ = directory / "open"
    open_.mkdir()
    open_.chmod(0o755)
    assert state(open_) == "warning"
    file = directory / "file"
    file.write_text("")
    assert state(file) == "problem"
    assert state(directory / ("x" * 100)) == "problem"


def test_a_password_is_not_shown() -> None:
    for url, shown in (
        ("postgresql://skyctl:hush@db:5432/skyctl", "postgresql://skyctl@db:5432/skyctl"),
        ("postgresql:///skyctl", "postgresql:///skyctl"),
        ("postgresql://db/d?password=hush&user=u", "postgresql://db/d?user=u"),
        ("postgresql://u:p%40hush@db/d?sslpassword=hush", "postgresql://u@db/d"),
    ):
        assert without_password(url) == shown


async def test_a_database_that_does_not_answer() -> None:
    url = "postgresql://u:hush@127.0.0.1:1/d"
    (check,) = await postgres.examine(settings.Known(Settings(database_url=url), {}))
    assert check.state == "problem"
    assert "hush" not in check.message


def test_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYCTL_RESYNC_INTERVAL", "often")
    (check,), known = settings.examine()
    assert check.state == "problem"
    assert "SKYCTL_RESYNC_INTERVAL" in check.message
    assert known.settings == Settings()


async def test_the_settings_are_those_of_the_controller_that_runs_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever this shell says, and without what is secret."""
    url = "postgresql://u:hush@db/d"
    with running_site(database_url=url, image_policy="/bin/false hush") as site:
        monkeypatch.setenv("SKYCTL_STATE_DIR", str(site.settings.state_dir))
        monkeypatch.setenv("SKYCTL_HOST_PORTS", "1-2")
        (check,), known = settings.examine()
        assert (check.state, known.running) == ("ok", True)
        assert "of the controller that runs here (" in check.message
        assert "SKYCTL_HOST_PORTS" in check.message
        assert known.settings.host_ports == site.settings.host_ports
        assert known.settings.state_dir == site.settings.state_dir
        (database,) = await postgres.examine(known)
        assert (database.state, database.message) == (
            "ok",
            "the controller is connected to postgresql://u@db/d",
        )
        with site.client() as client:
            assert "hush" not in client.get("/v1/settings").text
    (check,), known = settings.examine()
    assert known.settings.host_ports == "1-2"
    assert "of this shell's environment: no controller answers" in check.message


@pytest.mark.parametrize(
    ("mode", "content", "state"),
    [(None, "", "note"), (0o600, "", "ok"), (0o640, "", "warning"), (0o600, "nonsense", "problem")],
)
def test_the_key_of_secrets(
    directory: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None, content: str, state: str
) -> None:
    monkeypatch.setenv("SKYCTL_STATE_DIR", str(directory))
    path = directory / "sealing.key"
    if mode is not None:
        FileKeyring(path).add(PrivateKey.generate())
        path.chmod(mode)
        if content:
            path.write_text(content)
    (found,) = sealing.examine(Settings(state_dir=directory))
    assert found.state == state
    assert str(path) in found.message
