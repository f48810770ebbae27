"""Binding, permissions, the public listener, and stopping."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from controller.api.server import bound_socket, bound_tcp
from resources.errors import UserError
from tests.unit.site import Site, running_site


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="skyctl-") as name:
        yield Path(name)


def test_the_socket_is_for_us_alone_and_goes_with_us(directory: Path) -> None:
    path = directory / "deeper" / "skyctl.sock"
    with bound_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_a_socket_that_is_there_answers(directory: Path) -> None:
    with bound_socket(directory / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(directory / "s"))


def test_a_socket_that_was_left_behind_is_replaced(directory: Path) -> None:
    path = directory / "skyctl.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with bound_socket(path):
        assert path.exists()


def test_a_socket_that_answers_is_left_alone(directory: Path) -> None:
    path = directory / "skyctl.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(UserError) as caught, bound_socket(path):
            pass
    assert caught.value.code == "CONFIGURATION_SOCKET_IN_USE"
    assert path.exists()


def test_a_file_in_its_place_is_left_alone(directory: Path) -> None:
    path = directory / "skyctl.sock"
    path.write_text("precious")
    with pytest.raises(UserError) as caught, bound_socket(path):
        pass
    assert caught.value.code == "CONFIGURATION_SOCKET_UNUSABLE"
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_says_so(directory: Path) -> None:
    with pytest.raises(UserError) as caught, bound_socket(directory / ("x" * 108)):
        pass
    assert "longer than 107 bytes" in caught.value.message


def test_a_port_that_is_taken_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError) as caught, bound_tcp(listen):
            pass
    assert caught.value.code == "CONFIGURATION_PORT_IN_USE"


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:", "127.0.0.1:99999", "no.such.host.:1"])
def test_an_address_that_is_none_says_so(listen: str) -> None:
    with pytest.raises(UserError), bound_tcp(listen):
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_the_public_listener_serves_three_things_only() -> None:
    listen = f"127.0.0.1:{free_port()}"
    with running_site(listen) as site, httpx.Client(base_url=f"http://{listen}") as http:
        assert http.get("/healthz").text == "ok\n"
        site.until(lambda: http.get("/readyz").status_code == 200)
        assert http.get("/readyz").json() == {"ready": True, "role": "leader", "reasons": []}
        assert "skyctl_leader" in http.get("/metrics").text
        for path in ("/v1/resources", "/openapi.json", "/docs", "/v1/controller", "/"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (
                404, "CONFIGURATION_NO_SUCH_ROUTE",
            )  # fmt: skip
        assert http.post("/v1/apply", json={"manifests": [1]}).status_code in (404, 413)


def test_not_ready_says_why() -> None:
    listen = f"127.0.0.1:{free_port()}"
    with running_site(listen) as site, httpx.Client(base_url=f"http://{listen}") as http:
        site.until(lambda: http.get("/readyz").status_code == 200)
        site.database.available = False
        site.do(site.store.disconnect)
        site.until(lambda: http.get("/readyz").status_code == 503)
        answer = http.get("/readyz").json()
        assert not answer["ready"]
        assert any(reason.startswith("store") for reason in answer["reasons"])
        site.database.available = True
        site.until(lambda: http.get("/readyz").status_code == 200)


def follow(site: Site, ended: list[str]) -> None:
    with site.client() as http, http.stream("GET", "/v1/watch") as response:
        for line in response.iter_lines():
            ended.append(line)
    ended.append("ended")


def test_open_streams_end_when_the_controller_stops() -> None:
    seen: list[str] = []
    with running_site() as site:
        thread = threading.Thread(target=follow, args=(site, seen), daemon=True)
        thread.start()
        site.until(lambda: any("synced" in line for line in seen))
        started = time.monotonic()
    assert time.monotonic() - started < 5
    thread.join(5)
    assert seen[-1] == "ended"


def test_the_umask_is_as_it_was(directory: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    with bound_socket(directory / "s"):
        pass
    after = os.umask(before)
    assert after == before
