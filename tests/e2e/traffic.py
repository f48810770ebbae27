"""Constant traffic through a real Traefik while everything behind it changes: requests and
failures for each. ``python -m tests.e2e.traffic`` prints the table.

One Service and its Domain are visited; what happens to them is a case. What a case leaves behind
is settled before the next one begins, and each has the visitors' count from its beginning until a
little after its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from controller.ingress.ports import free_port
from controller.ingress.process import command_line, running
from tests.e2e import fleet
from tests.e2e.front import front
from tests.e2e.harness import Docker, Program, short_directory, until
from tests.e2e.visitors import Crowd
from tests.python_image import ensure_python_image

ORG, HOST = "traffic", "traffic.example.test"
AFTER = 1.0
"""Seconds for which the visitors are still counted."""
BACKEND = Path(__file__).with_name("backend.py")
SILENT = ["/python/bin/python3", "-c", "import time; time.sleep(1e6)"]


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
        until(
            lambda: self.ask(path, host).status_code == status,
            seconds=30,
            what=f"{host}{path} is {status}",
        )

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


def updates(times: int, replicas: int) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        for _ in range(times):
            stage.update(replicas=replicas)

    return act


def domain_comes_and_goes(stage: Stage) -> None:
    stage.domain("other", "other.example.test")
    stage.settle()
    stage.serves(host="other.example.test")
    stage.drop("Domain", "other")
    stage.serves(host="other.example.test", status=404)


def path_moves(stage: Stage) -> None:
    """/a has a router of its own, and then /b has, and then none."""
    for path in ("/a", "/b"):
        stage.domain("part", pathPrefix=path)
        stage.settle()
    stage.drop("Domain", "part")


def scaled(stage: Stage) -> None:
    for replicas in (1, 4, 1, 2):
        stage.spec["replicas"] = replicas
        stage.version -= 1
        stage.update()


def replica_killed(stage: Stage) -> None:
    stage.docker.call("POST", f"/containers/{stage.containers()[0]['Id']}/kill")
    until(lambda: len(stage.containers()) == 2, seconds=60, what="it runs again")
    stage.settle()


def fails_and_returns(stage: Stage) -> None:
    """It never answers, is rolled back, and then the version before is declared again."""
    good = dict(stage.spec)
    stage.tell(
        command=SILENT,
        healthCheck={"http": {"port": 8000}, "interval": "1s", "startPeriod": "1s", "retries": 1},
        update={"drain": "10s", "progressDeadline": "8s"},
    )

    def rolled_back() -> bool:
        status = stage.program.get("service", "web", "--org", ORG)["status"]
        return bool(status["rollout"]["state"] == "rolledBack")

    until(rolled_back, seconds=90, what="it is rolled back", every=0.3)
    stage.spec = good
    stage.update()


def controller_killed(stage: Stage) -> None:
    """Midway: when the first new container is there."""
    before = {c["Id"] for c in stage.containers()}
    stage.tell()
    until(lambda: {c["Id"] for c in stage.containers()} - before, seconds=60, what="it begins")
    stage.program.kill()
    time.sleep(2)
    stage.program.start()
    stage.settle()


def controller_stopped(stage: Stage) -> None:
    stage.program.stop()
    time.sleep(5)
    stage.program.start()
    stage.settle()


def controller_away(stage: Stage) -> None:
    """A minute without it."""
    stage.program.kill()
    time.sleep(60)
    stage.program.start()
    stage.settle()


def proxy_restarted_meanwhile(stage: Stage) -> None:
    """While no controller runs somebody starts it anew, as it was started: it has its routes, and
    is taken over later."""
    stage.program.kill()
    pid = stage.proxy()
    command = command_line(pid)
    assert command is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not stage.proxies(), seconds=10, what="it is gone")
    subprocess.Popen(command, start_new_session=True)
    until(stage.proxies, seconds=10, what="it is started")
    stage.serves()
    pid = stage.proxy()
    stage.program.start()
    stage.settle()
    assert stage.proxies() == [pid]


def proxy_killed(stage: Stage) -> None:
    pid = stage.proxy()
    os.kill(pid, signal.SIGKILL)
    until(lambda: stage.proxy() != pid, seconds=30, what="another proxy is started")
    stage.serves()


def proxy_replaced(stage: Stage) -> None:
    """For a setting that it is started with."""
    pid = stage.proxy()
    stage.program.stop()
    stage.program.env["SKYCTL_INGRESS_DIAL_TIMEOUT"] = f"{0.3 + stage.version / 1000:.3f}s"
    stage.version += 1
    stage.program.start()
    until(lambda: stage.proxies() not in ([pid], []), seconds=60, what="another one is started")
    until(lambda: pid not in stage.proxies(), seconds=60, what="the one before is gone")
    stage.settle()


def nothing(stage: Stage) -> None:
    time.sleep(5)


def resyncs(stage: Stage) -> None:
    """Converged: nothing is written, wherever one looks."""
    before = written(stage)
    time.sleep(12)
    assert written(stage) == before


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


def long_download(stage: Stage) -> None:
    """Begun before the cutover, it ends whole: 5 s."""
    said: list[str] = []
    reading = threading.Thread(target=lambda: said.append(_slow(stage, 10)))
    reading.start()
    time.sleep(0.5)
    stage.update()
    reading.join()
    assert said == ["whole"], said


def drain_limit(stage: Stage) -> None:
    """It would take a minute, and is closed at the limit of 3 s."""
    stage.update(update={"drain": "3s", "progressDeadline": "60s"})
    said: list[str] = []
    reading = threading.Thread(target=lambda: said.append(_slow(stage, 120)))
    reading.start()
    time.sleep(0.5)
    began = time.monotonic()
    stage.update()
    reading.join(40)
    took = time.monotonic() - began
    stage.update(update={"drain": "10s", "progressDeadline": "60s"})
    assert said == ["cut"], said
    assert took < 35, took


def _slow(stage: Stage, halves: int) -> str:
    try:
        text = stage.ask(f"/slow?{halves}", seconds=90).text
    except httpx.HTTPError:
        return "cut"
    return "whole" if text.endswith("end\n") else "cut"


CASES = (
    Case("nothing happens", nothing),
    Case("2 updates, 2 replicas", updates(2, 2), whole=False),
    Case("10 updates, 2 replicas", updates(10, 2)),
    Case("a domain added and removed", domain_comes_and_goes, whole=False),
    Case("a path moved", path_moves, whole=False),
    Case("scaled 1, 4, 1, 2", scaled),
    Case("a download of 5 s during an update", long_download),
    Case("a download longer than the drain limit", drain_limit),
    Case("a replica killed", replica_killed, free=True),
    Case("a rollout that fails and returns", fails_and_returns),
    Case("controller killed midway", controller_killed),
    Case("controller stopped", controller_stopped),
    Case("controller away for a minute", controller_away),
    Case("Traefik restarted while it is away", proxy_restarted_meanwhile, free=True),
    Case("10 updates, 1 replica", updates(10, 1)),
    Case("ten resyncs", resyncs),
    Case("Traefik replaced", proxy_replaced, free=True),
    Case("Traefik killed", proxy_killed, free=True),
    Case("2 updates, behind a second Traefik", updates(2, 2), behind=True),
    Case("Traefik replaced, behind a second one", proxy_replaced, behind=True),
    Case("Traefik killed, behind a second one", proxy_killed, free=True, behind=True),
)


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


if __name__ == "__main__":
    wanted = sys.argv[1:]
    chosen = [c for c in CASES if not wanted or any(word in c.name for word in wanted)]
    played: list[tuple[Case, Outcome]] = []
    with short_directory() as here, stage(here) as own:
        try:
            for row in own.play(chosen):
                played.append(row)
                print(table([row]).splitlines()[-1], flush=True)
        finally:
            print(table(played))
            (Path("/tmp") / "skyctl-traffic.log").write_text(own.program.log)
