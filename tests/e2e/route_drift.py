"""What is done to routes behind our back: is it told, is it put right, how soon, and what do the
visitors see. ``python -m tests.e2e.route_drift`` prints the table.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.ingress import leaf
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import HOST, ORG, Stage, stage
from tests.e2e.visitors import Crowd
from tests.images import ensure_image

IMPOSTOR = "skypanel/test-route-impostor:1"
CLAIM = {
    "http": {
        "routers": {
            "claim": {"rule": f"Host(`{HOST}`)", "priority": 100_000, "service": "claim"},
        },
        "services": {"claim": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:9"}]}}},
    }
}
SOON = 60.0
LATE = "late.example.test"


@dataclass(frozen=True)
class Row:
    """deed: gives what is true when it is put right. told: in the events or the log. quiet: no
    visitor may notice."""

    name: str
    deed: Callable[[Stage], Callable[[], bool]]
    told: str
    quiet: bool = True


@dataclass(frozen=True)
class Outcome:
    """told: the words, '' for none. seconds: until it was put right."""

    told: str
    seconds: float
    requests: int
    failures: dict[str, int]

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def _file(stage: Stage, start: str) -> Path:
    (found,) = (stage.ingress / "routes").glob(f"{start}_{ORG}_*.yml")
    return found


def _digest(path: Path) -> str:
    """Of what was published, '' when somebody changed it since; each edition says the same."""
    found = leaf.read(path.read_text())
    return found.digest if found is not None else ""


def _edited(start: str) -> Callable[[Stage], Callable[[], bool]]:
    def deed(stage: Stage) -> Callable[[], bool]:
        path = _file(stage, start)
        before, text = _digest(path), path.read_text()
        fresh = stage.ingress / "edited"
        fresh.write_text(text.replace(HOST, f"not-{HOST}").replace("loadBalancer", "weighted"))
        fresh.rename(path)
        return lambda: _digest(path) == before and stage.ask().status_code == 200

    return deed


def _removed(start: str) -> Callable[[Stage], Callable[[], bool]]:
    def deed(stage: Stage) -> Callable[[], bool]:
        path = _file(stage, start)
        before = _digest(path)
        path.unlink()
        return lambda: _digest(path) == before and stage.ask().status_code == 200

    return deed


def _garbage(stage: Stage) -> Callable[[], bool]:
    path = _file(stage, "domain")
    before = _digest(path)
    path.write_text("{ this is not")
    return lambda: _digest(path) == before and stage.ask().status_code == 200


def _all_removed(stage: Stage) -> Callable[[], bool]:
    """Traefik watches a directory that is no more; what is published next is served anyway."""
    directory = stage.ingress / "routes"
    before = {path.name for path in directory.iterdir()}
    shutil.rmtree(directory)
    until(directory.exists, seconds=SOON, what="it is there again")
    stage.domain("late", LATE)

    def heard() -> bool:
        here = directory.exists() and {path.name for path in directory.iterdir()}
        return bool(here and here >= before and stage.ask(host=LATE).status_code == 200)

    return heard


def _killed(stage: Stage) -> Callable[[], bool]:
    pid = stage.proxy()
    os.kill(pid, signal.SIGKILL)
    return lambda: stage.proxies() not in ([pid], []) and stage.ask().status_code == 200


def _usurped(stage: Stage) -> Callable[[], bool]:
    """Another program takes its port, and gives it back once that was told."""
    pid = stage.proxy()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        until(lambda: _taken(other, stage), seconds=SOON, every=0.001, what="it has the port")
        until(lambda: f"port {stage.port}" in stage.program.log, seconds=SOON, what="it is told")
    return lambda: stage.proxies() not in ([pid], []) and stage.ask().status_code == 200


def _taken(other: socket.socket, stage: Stage) -> bool:
    """Another proxy may be started before the port is taken: once more then."""
    for proxy in stage.proxies():
        os.kill(proxy, signal.SIGKILL)
    try:
        other.bind(("127.0.0.1", stage.port))
        other.listen()
    except OSError:
        return False
    return True


def _hangs(stage: Stage) -> Callable[[], bool]:
    pid = stage.proxy()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: set(stage.proxies()) - {pid}, seconds=SOON, what="another one is started")
    return lambda: stage.ask(seconds=1).status_code == 200


def _killed_unseen(stage: Stage) -> Callable[[], bool]:
    """While no controller is there."""
    until(lambda: len(stage.proxies()) == 1, seconds=SOON, what="the one that hung is gone")
    stage.program.stop()
    pid = stage.proxy()
    os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    stage.program.start()
    return lambda: stage.proxy() != pid and stage.ask().status_code == 200


def _strange_file(stage: Stage) -> Callable[[], bool]:
    """It is not ours, so it is left there and told; the operator takes it away."""
    path = stage.ingress / "routes" / "claim.yml"
    path.write_text(json.dumps({"http": {"routers": {}}}))
    until(lambda: "claim.yml" in stage.program.log, seconds=SOON, what="it is told")
    path.unlink()
    return lambda: stage.ask().status_code == 200


def _impostor(stage: Stage) -> Callable[[], bool]:
    """Its labels are what a Docker provider would follow; nobody here does."""
    image = ensure_image(IMPOSTOR, ('CMD ["sleep", "60"]',))
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.claim.rule": f"Host(`{HOST}`)",
        "traefik.http.routers.claim.priority": "100000",
        "traefik.http.services.claim.loadbalancer.server.port": "80",
    }
    made = stage.docker.call("POST", "/containers/create", json={"Image": image, "Labels": labels})[
        "Id"
    ]
    try:
        stage.docker.call("POST", f"/containers/{made}/start")
        time.sleep(3)
        assert stage.ask().status_code == 200
    finally:
        stage.docker.remove(made)
    return lambda: stage.ask().status_code == 200


ROWS = (
    Row("a Domain's file edited", _edited("domain"), "DriftPublishRoutes", quiet=False),
    Row("a Service's file edited", _edited("service"), "DriftPublishRoutes", quiet=False),
    Row("a Domain's file removed", _removed("domain"), "DriftPublishRoutes", quiet=False),
    Row("a Service's file removed", _removed("service"), "DriftPublishRoutes", quiet=False),
    Row("a Domain's file filled with garbage", _garbage, "DriftPublishRoutes", quiet=False),
    Row("the whole directory removed", _all_removed, "DriftPublishRoutes", quiet=False),
    Row("a stranger's file beside them", _strange_file, "claim.yml"),
    Row("a container whose labels claim the hostname", _impostor, ""),
    Row("Traefik killed", _killed, "", quiet=False),
    Row("Traefik killed, another program on its port", _usurped, "port", quiet=False),
    Row("Traefik hangs", _hangs, "does not hear", quiet=False),
    Row("Traefik killed while no controller runs", _killed_unseen, "", quiet=False),
)


def play(stage: Stage, rows: Sequence[Row]) -> Iterator[tuple[Row, Outcome]]:
    with Crowd(stage.port, HOST) as crowd:
        for row in rows:
            (last,) = stage.program.sql("SELECT now() AS at")
            size = len(stage.program.log)
            crowd.tally()
            began = time.monotonic()
            holds = row.deed(stage)
            until(holds, seconds=SOON, what=row.name)
            seconds = time.monotonic() - began
            stage.settle()
            asked, failed = crowd.tally()
            since = str(last["at"])
            with suppress(AssertionError):
                until(lambda: row.told in _told(stage, since, size), seconds=10)  # noqa: B023
            told = _told(stage, since, size)
            yield row, Outcome(told, seconds, sum(asked.values()), failed)


def _told(stage: Stage, since: str, size: int) -> str:
    events = stage.program.sql(
        f"SELECT DISTINCT reason FROM skyctl.events WHERE at >= '{since}' AND reason LIKE 'Drift%'"
    )
    lines = (json.loads(line) for line in stage.program.log[size:].splitlines() if line[:1] == "{")
    warned = [str(line.get("message") or "") for line in lines if line.get("level") == "warning"]
    names = [str(line) for line in warned]
    words = [str(row["reason"]) for row in events] + names
    words += [w for line in stage.program.log[size:].splitlines() if (w := _problem(line))]
    if "claim.yml" in stage.program.log[size:]:
        words.append("claim.yml")
    return ", ".join(dict.fromkeys(words))


def _problem(line: str) -> str:
    """What the log says of Traefik."""
    return str(json.loads(line).get("problem", "")) if line.startswith('{"problem"') else ""


def table(rows: Sequence[tuple[Row, Outcome]]) -> str:
    lines = [
        "| done | told | right again after | requests | failed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row, found in rows:
        words = "; ".join(f"{count} {why}" for why, count in found.failures.items())
        lines.append(
            f"| {row.name} | {found.told} | {found.seconds:.1f} s | {found.requests} "
            f"| {found.failed} {words} |"
        )
    return "\n".join(lines)


def judge(row: Row, found: Outcome) -> None:
    assert row.told in found.told
    if row.quiet:
        assert not found.failed, found.failures


if __name__ == "__main__":
    with short_directory() as here, stage(here) as own:
        played: list[tuple[Row, Outcome]] = []
        try:
            for one in play(own, ROWS):
                played.append(one)
                print(table([one]).splitlines()[-1], flush=True)
        finally:
            print(table(played))
