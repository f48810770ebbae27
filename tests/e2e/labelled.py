"""The same traffic where the routes are labels on the containers, and Traefik is an operator's own
with the Docker provider. ``python -m tests.e2e.labelled [flag ...] [case ...]`` prints the table.

--blind     the controller does not know the API of that Traefik
--polite    the backend ends what is under way before it ends
--lingers   it says beforehand that it is going to, by its health check
--usual     Traefik as it is when nobody has set anything
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from tests.e2e.harness import DOCKER_SOCKET, Docker, Program, short_directory, until
from tests.e2e.stage import BACKEND, Case, Outcome, Stage, table
from tests.e2e.traffic import CASES
from tests.python_image import ensure_python_image

NAMES = (
    "nothing happens",
    "10 updates, 2 replicas",
    "10 updates, 1 replica",
    "scaled 1, 4, 1, 2",
    "a domain added and removed",
    "a path moved",
    "controller killed midway",
    "a rollout that fails and returns",
)
LEAVING = [
    "/python/bin/python3", "-ISc", "import os; raise SystemExit(os.path.exists('/leaving'))"
]  # fmt: skip
TUNED = (
    "--providers.providersThrottleDuration=100ms",
    "--serversTransport.forwardingTimeouts.dialTimeout=300ms",
)


@dataclass
class Operator:
    """Somebody's own Traefik. flags: more of its static configuration."""

    place: Path
    port: int = field(default_factory=free_port)
    api: int = field(default_factory=free_port)
    flags: Sequence[str] = TUNED
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    def start(self, instance: str) -> None:
        """It looks at the containers of that controller alone."""
        program = find_traefik()
        assert program is not None
        command = [
            str(program),
            f"--entryPoints.web.address=127.0.0.1:{self.port}",
            f"--entryPoints.websecure.address=127.0.0.1:{free_port()}",
            f"--entryPoints.traefik.address=127.0.0.1:{self.api}",
            "--api.insecure=true",
            f"--providers.docker.endpoint=unix://{DOCKER_SOCKET}",
            "--providers.docker.exposedByDefault=false",
            f"--providers.docker.constraints=Label(`io.skypanel.controller`,`{instance}`)",
            "--log.level=WARN",
            *self.flags,
        ]
        with (self.place / "operator.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.answers, seconds=20, what="the operator's Traefik answers")

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/api/overview", timeout=2).status_code == 200
        return False

    def routers(self) -> set[str]:
        found = httpx.get(f"{self.url}/api/http/routers", timeout=5).json()
        return {router["name"] for router in found if router["provider"] == "docker"}

    @property
    def log(self) -> str:
        return (self.place / "operator.log").read_text(errors="replace")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def stage(
    place: Path, *, blind: bool = False, manners: str = "", flags: Sequence[str] = TUNED
) -> Iterator[tuple[Stage, Operator]]:
    operator = Operator(place, flags=flags)
    env = {
        "SKYCTL_INGRESS_PUBLISH": "labels",
        "SKYCTL_INGRESS_APIS": "" if blind else operator.url,
        "SKYCTL_HTTP_PORT": str(operator.port),
        "SKYCTL_DOMAIN_VERIFICATION": "none",
        "SKYCTL_RESYNC_INTERVAL": "1s",
    }
    controller, docker = Program(place / "state", env=env), Docker()
    image = ensure_python_image(BACKEND)
    try:
        made = Stage(controller.start(), docker, image)
        operator.start(controller.instance)
        if manners:
            made.environment["MANNERS"] = manners
            made.spec["terminationGracePeriod"] = "20s"
        if manners == "lingers":
            made.spec["healthCheck"] = {"exec": LEAVING, "interval": "1s", "retries": 1}
        yield made, operator
    finally:
        instance = controller.instance_known()
        with suppress(Exception):
            if controller.process is not None:
                controller.stop()
        operator.stop()
        controller.end_database()
        if instance:
            docker.sweep(instance)


def chosen(words: Sequence[str]) -> list[Case]:
    found = [case for case in CASES if case.name in NAMES]
    return [case for case in found if not words or any(word in case.name for word in words)]


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    played: list[tuple[Case, Outcome]] = []
    manners = next((m for m in ("polite", "lingers") if f"--{m}" in sys.argv), "")
    static = () if "--usual" in sys.argv else TUNED
    with short_directory() as here:
        bed = stage(here, blind="--blind" in sys.argv, manners=manners, flags=static)
        with bed as (own, proxy):
            own.prepare()
            time.sleep(1)
            try:
                for row in own.play(chosen(given)):
                    played.append(row)
                    print(table([row]).splitlines()[-1], flush=True)
            finally:
                print(table(played))
                log = Path("/tmp") / "skyctl-labelled.log"
                log.write_text(own.program.log + proxy.log)
