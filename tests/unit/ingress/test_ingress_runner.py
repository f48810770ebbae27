"""What a proxy of ours runs as: its environment, its ports, whose it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.clock import SystemClock
from controller.engine.platform_containers import PlatformContainer
from controller.ingress import ports
from controller.ingress.alive import OPTION, Alive, Ours
from controller.ingress.api import Apis
from controller.ingress.container import ContainerRunner
from controller.ingress.process import ProcessRunner, acme_environment, running, still
from controller.ingress.supervisor import ProxySupervisor
from controller.settings import Settings
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_REVISION


@pytest.mark.parametrize("content", [b"NAME=\xff", b"NAME=a\0b", b"=value", None])
def test_an_environment_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "acme.env"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="SKYCTL_ACME_ENVIRONMENT_FILE"):
        acme_environment(Settings(state_dir=tmp_path, acme_environment_file=path))


def test_lines_of_the_environment_file(tmp_path: Path) -> None:
    path = tmp_path / "acme.env"
    path.write_text("# comment\n\nCF_TOKEN=a=b\n OTHER = x\n")
    found = acme_environment(Settings(state_dir=tmp_path, acme_environment_file=path))
    assert found == {"CF_TOKEN": "a=b", "OTHER": " x"}


def test_a_port_that_another_has_is_told(taken: int) -> None:
    with pytest.raises(UserError) as caught:
        ports.require("127.0.0.1", taken, "SKYCTL_HTTP_PORT")
    assert caught.value.code == "CONFIGURATION_PORT_IN_USE"
    with pytest.raises(UserError):
        ports.require("", taken, "SKYCTL_HTTP_PORT")
    ports.require("127.0.0.1", ports.free_port(), "SKYCTL_HTTP_PORT")


def supervisor(
    told: Settings, find: Callable[[], Path | None], *, wanted: bool = True
) -> ProxySupervisor:
    return ProxySupervisor(
        told, ProcessRunner(told, find), "token", Apis(), SystemClock(), wanted=lambda: wanted
    )


async def turned(one: ProxySupervisor) -> ProxySupervisor:
    async with asyncio.TaskGroup() as group:
        await one.turn(group)
    return one


async def test_no_proxy_is_started_on_a_port_that_another_has(taken: int, tmp_path: Path) -> None:
    told = Settings(state_dir=tmp_path, ingress_address="127.0.0.1", http_port=taken)
    found = await turned(supervisor(told, lambda: Path("/bin/false")))
    assert f"port {taken}" in found.problem
    assert found.addresses() == ()


async def test_nothing_is_started_while_nobody_wants_it(tmp_path: Path) -> None:
    def find() -> Path | None:
        raise AssertionError("looked for the program")

    await turned(supervisor(Settings(state_dir=tmp_path), find, wanted=False))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("program", "words"),
    [(None, "no Traefik here"), ("/bin/false", "does not start"), ("/etc/passwd", "started")],
)
async def test_a_program_that_cannot_run_is_told(
    program: str | None, words: str, tmp_path: Path
) -> None:
    told = Settings(
        state_dir=tmp_path,
        ingress_address="127.0.0.1",
        http_port=ports.free_port(),
        https_port=ports.free_port(),
    )
    told.ingress_dir.mkdir()
    path = Path(program) if program is not None else None
    assert words in (await turned(supervisor(told, lambda: path))).problem


INSTANCE = "0b54a3f0-6b1e-4c9d-9a53-0c7a3a0f1f11"


def test_only_a_proxy_of_this_directory_or_this_instance_is_ours(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    assert not still(Alive("1", "ab", 9000, tmp_path))
    ours = Ours(tmp_path, INSTANCE)

    def found(path: Path | str) -> Alive | None:
        return ours.started_with("7", ["--log", f"{OPTION}{path}"])

    name = ours.file_name("ab", 9000)
    assert found(tmp_path / name) == Alive("7", "ab", 9000, tmp_path)
    assert found(f"/other/{name}") == Alive("7", "ab", 9000, Path("/other"))
    assert found(tmp_path / "static-ab-9000.yml") == Alive("7", "ab", 9000, tmp_path)
    strangers = (
        "static-ab-9000.yml",
        f"static-{INSTANCE[:-1]}2-ab-9000.yml",
        f"{name}.x",
        "static-",
    )
    assert [found(f"/other/{stranger}") for stranger in strangers] == [None] * len(strangers)
    assert Ours(tmp_path).started_with("7", [f"{OPTION}/other/{name}"]) is None


async def test_no_descriptor_is_left_when_nobody_can_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def refuse(*_: Any) -> None:
        raise OSError("too many")

    monkeypatch.setattr(loop, "add_reader", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="too many"):
        await ProcessRunner(Settings(state_dir=tmp_path)).ended(Alive(str(os.getpid()), "ab", 9000))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("state", "runs"), [("running", True), ("restarting", True), ("paused", True), ("dead", False)]
)
async def test_a_container_that_has_its_ports_runs(tmp_path: Path, state: str, runs: bool) -> None:
    path = Ours(tmp_path / "theirs", INSTANCE).file_name("ab", 9000)

    class One:
        async def list(self, labels: Any) -> list[PlatformContainer]:
            assert labels[L_CONTROLLER] == INSTANCE
            return [PlatformContainer("1", "x", state, {L_REVISION: f"{tmp_path}/theirs/{path}"})]

    runner = ContainerRunner(Settings(state_dir=tmp_path), One(), INSTANCE)  # type: ignore[arg-type]
    assert await runner.running() == ([Alive("1", "ab", 9000, tmp_path / "theirs")] if runs else [])
