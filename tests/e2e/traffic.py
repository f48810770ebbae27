"""Constant traffic through a real Traefik while everything behind it changes: requests and
failures for each. ``python -m tests.e2e.traffic`` prints the table.

What a case leaves behind is settled before the next one begins, and each has the visitors' count
from its beginning until a little after its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from controller.ingress.process import command_line
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import ORG, Case, Outcome, Stage, stage, table, written

SILENT = ["/python/bin/python3", "-c", "import time; time.sleep(1e6)"]


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
