"""A Service and its Domain behind a real Traefik, and what happens to them while visitors come."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from controller.ingress.ports import free_port
from controller.ingress.process import running
from tests.e2e import fleet
from tests.e2e.front import front
from tests.e2e.harness import Docker, Program, until
from tests.e2e.visitors import Crowd
from tests.python_image import ensure_python_image

ORG, HOST = "traffic", "traffic.example.test"
AFTER = 1.0
"""Seconds for which the visitors are still counted."""
BACKEND = Path(__file__).with_name("backend.py")


@dataclass(frozen=True)
class Case:
    """act: what happens. free: failures are expected, it kills what serves. whole: not in the
    short form. behind: the visitors come through a second proxy."""

    name: str
    act: Callable[[Stage], None]
    free: bool = False
    whole: bool = True
    behind: bool = False


@dataclass(frozen=True)
class Outcome:
    requests: int
    failures: dict[str, int]
    seconds: float
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


class Stage:
    """A program with its proxy, and one Service behind a Domain."""

    def __init__(self, program: Program, docker: Docker, image: str) -> None:
        self.program, self.docker, self.image = program, docker, image
        self.port = int(program.env["SKYCTL_HTTP_PORT"])
        self.version = 0
        self.environment: dict[str, str] = {}
        self.spec: dict[str, Any] = {
            "replicas": 2,
            "resources": {"cpu": "1", "memory": "128Mi"},
            "ports": [{"containerPort": 8000}],
            "healthCheck": {"http": {"port": 8000}, "interval": "1s"},
            "update": {"drain": "10s", "progressDeadline": "60s"},
        }

    @property
    def ingress(self) -> Path:
        return next(self.program.state_dir.rglob("ingress"))

    def tell(self, **change: Any) -> None:
        """Declares the Service, without waiting."""
        self.spec |= change
        self.version += 1
        spec = {**self.spec, "environment": {**self.environment, "VERSION": str(self.version)}}
        self.sql(fleet.service(ORG, "web", spec.pop("image", self.image), **spec))

    def domain(self, name: str, hostname: str = HOST, **spec: Any) -> None:
        whole = {"hostname": hostname, "service": "web", "tls": {"enabled": False}, **spec}
        self.sql(fleet.insert("Domain", ORG, name, whole))

    def drop(self, kind: str, name: str) -> None:
        self.sql(fleet.delete(kind, ORG, name))
        row = f"FROM skyctl.resource_view WHERE kind = '{kind}' AND name = '{name}'"
        until(lambda: not self.program.sql(f"SELECT 1 {row}"), seconds=60, what=f"{name} is gone")

    def sql(self, *statements: str) -> None:
        self.program.sql(*statements, "SELECT 1")

    def settle(self, seconds: float = 90.0) -> None:
        fleet.converge(self.program, seconds)

    def update(self, **change: Any) -> None:
        self.tell(**change)
        self.settle()

    def containers(self) -> list[dict[str, Any]]:
        found = self.docker.containers(self.program.label, "io.skypanel.name=web")
        return [c for c in found if c["State"] == "running"]

    def ask(self, path: str = "/", host: str = HOST, seconds: float = 30.0) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, headers={"Host": host}, timeout=seconds)

    def serves(self, path: str = "/", host: str = HOST, status: int = 200) -> None:
        def answers() -> bool:
            answer = self.ask(path, host)
            assert answer.status_code == status, f"{answer.status_code}: {answer.text[:200]!r}"
            return True

        until(answers, seconds=30, what=f"{host}{path} is {status}")

    def proxies(self) -> list[int]:
        """Their pids."""
        return [int(found.id) for found in running(self.ingress.resolve())]

    def proxy(self) -> int:
        (found,) = self.proxies()
        return found

    def prepare(self) -> None:
        self.sql(fleet.organization(ORG))
        self.tell()
        self.domain("site")
        self.settle()
        self.serves()

    def play(self, cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
        for behind, some in groupby(cases, key=lambda case: case.behind):
            with front(self.port, HOST) if behind else nullcontext(self.port) as port:
                yield from self._play(port, some)

    def _play(self, port: int, cases: Iterable[Case]) -> Iterator[tuple[Case, Outcome]]:
        with Crowd(port, HOST) as crowd:
            for case in cases:
                crowd.tally()
                began = time.monotonic()
                case.act(self)
                time.sleep(AFTER)
                asked, failed = crowd.tally()
                seconds = time.monotonic() - began
                yield case, Outcome(sum(asked.values()), failed, seconds, asked)
                self.settle()


def written(stage: Stage) -> dict[str, Any]:
    """Engine calls that change something, files of routes and their times, statuses' versions."""
    files = {str(f): f.stat().st_mtime_ns for f in stage.ingress.rglob("*_*.yml") if f.is_file()}
    rows = stage.program.sql(
        "SELECT uid::text, status_updated_at::text FROM skyctl.resource_view ORDER BY uid"
    )
    return {
        "engine": fleet.writes(stage.program),
        "files": files,
        "statuses": [tuple(row) for row in rows],
    }


@contextmanager
def stage(place: Path, **settings: str) -> Iterator[Stage]:
    """With free ports, and nobody who asks for a proof of ownership."""
    env = {
        "SKYCTL_INGRESS": "process",
        "SKYCTL_INGRESS_ADDRESS": "127.0.0.1",
        "SKYCTL_HTTP_PORT": str(free_port()),
        "SKYCTL_HTTPS_PORT": str(free_port()),
        "SKYCTL_DOMAIN_VERIFICATION": "none",
        "SKYCTL_RESYNC_INTERVAL": "1s",
        **settings,
    }
    program, docker = Program(place / "state", env=env), Docker()
    image = ensure_python_image(BACKEND)
    try:
        made = Stage(program.start(), docker, image)
        made.prepare()
        yield made
    finally:
        instance = program.instance_known()
        with suppress(Exception):
            if program.process is not None:
                program.stop()
        for directory in program.state_dir.rglob("ingress"):
            for proxy in running(directory.resolve()):
                with suppress(ProcessLookupError):
                    os.kill(int(proxy.id), signal.SIGKILL)
        program.end_database()
        if instance:
            docker.sweep(instance)


def table(rows: Sequence[tuple[Case, Outcome]]) -> str:
    lines = [
        "| meanwhile | requests | failed | seconds | of them |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case, found in rows:
        words = "; ".join(f"{count} {why}" for why, count in found.failures.items())
        lines.append(
            f"| {case.name} | {found.requests} | {found.failed} | {found.seconds:.1f} | {words} |"
        )
    return "\n".join(lines)
