"""Rollouts of every kind on a real engine: which generation runs at the end, how many replicas
were ready at the least moment, and what the status says. ``python -m tests.e2e.rollouts`` prints
the table.

Each case is a service of its own; those that need nothing of the controller or the engine go at
the same time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e import fleet
from tests.e2e.engines import PrivateEngine, private_engine
from tests.e2e.harness import Docker, Program, short_directory, until
from tests.images import ensure_busybox_image

REPLICAS = 2
WELL = "touch /tmp/ok; exec sleep 1000000"
BASE: Mapping[str, Any] = {
    "replicas": REPLICAS,
    "command": ["sh", "-c", WELL],
    "healthCheck": {
        "exec": ["test", "-e", "/tmp/ok"],
        "interval": "1s",
        "timeout": "10s",
        "retries": 1,
        "startPeriod": "1s",
    },
    "update": {"progressDeadline": "120s"},
}
Change = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """changes: of the spec, one after the other, the next when a container of the one before is
    there. during: done to the stage in the middle. generation: that runs at the end. least: how
    many replicas are ready at any moment. code: of the error at the end."""

    name: str
    changes: tuple[Change, ...]
    generation: int
    state: str
    least: int = REPLICAS
    code: str | None = None
    during: str = ""
    base: Change = field(default_factory=lambda: {"update": {"progressDeadline": "15s"}})

    @property
    def service(self) -> str:
        return self.name.replace(" ", "-")


GOOD: Change = {"environment": {"VERSION": "2"}}
CASES = (
    Case("good", (GOOD,), 2, "complete", base={}),
    Case(
        "no such image", ({"image": "skypanel/no-such:1"},), 1, "rolledBack", code="IMAGE_NOT_FOUND"
    ),
    Case(
        "exits at once",
        ({"command": ["sh", "-c", "echo it cannot be; exit 3"]},),
        1,
        "rolledBack",
        code="DEPLOYMENT_CRASH_LOOP",
    ),
    Case(
        "never healthy",
        ({"command": ["sleep", "1000000"]},),
        1,
        "rolledBack",
        code="DEPLOYMENT_UNHEALTHY",
    ),
    Case(
        "healthy for 5 s",
        ({"command": ["sh", "-c", "touch /tmp/ok; sleep 5; rm /tmp/ok; exec sleep 1000000"]},),
        1,
        "rolledBack",
        code="DEPLOYMENT_UNHEALTHY",
        base={"update": {"progressDeadline": "18s", "minReady": "12s"}},
    ),
    Case(
        "seems ready",
        ({"command": ["sh", "-c", "sleep 2; exit 9"]},),
        1,
        "rolledBack",
        code="DEPLOYMENT_CRASH_LOOP",
        least=0,
        base={
            "healthCheck": None,
            "update": {"order": "stopFirst", "progressDeadline": "15s"},
        },
    ),
    Case("superseded midway", ({"command": ["sleep", "1000000"]}, GOOD), 3, "complete", base={}),
    Case("controller killed", (GOOD,), 2, "complete", during="kill", base={}),
    Case("engine restarted", (GOOD,), 2, "complete", during="restart", least=0, base={}),
)
AT_ONCE = tuple(case for case in CASES if not case.during)


@dataclass(frozen=True)
class Outcome:
    """generations: of the replicas at the end. event: the last warning."""

    generations: list[int]
    least: int
    status: dict[str, Any]
    event: str
    seconds: float

    @property
    def conditions(self) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.status["conditions"]}


class Watch:
    """Counts, as often as it can, how many containers of each service are ready."""

    def __init__(self, docker: Docker, label: str) -> None:
        self._docker, self._label = docker, label
        self.least: dict[str, int] = {}
        self._watching: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def add(self, service: str) -> None:
        self.least[service] = REPLICAS
        self._watching.add(service)

    def remove(self, service: str) -> None:
        self._watching.discard(service)

    def _run(self) -> None:
        while not self._over.wait(0.05):
            try:
                listed = self._docker.containers(self._label)
            except Exception:
                listed = []  # the engine is away, and so is everything on it
            for service in list(self._watching):
                ready = sum(
                    "(healthy)" in c["Status"] and c["Labels"]["io.skypanel.name"] == service
                    for c in listed
                )
                self.least[service] = min(self.least[service], ready)


class Stage:
    """A program on an engine. engine: when it is one of our own."""

    def __init__(
        self, program: Program, docker: Docker, image: str, engine: PrivateEngine | None = None
    ) -> None:
        self.program, self.docker, self.image, self.engine = program, docker, image, engine

    def play(self, cases: Sequence[Case]) -> dict[str, Outcome]:
        """All at the same time."""
        program = self.program
        program.sql(
            fleet.organization("rollouts"),
            *(self._declared(case, {}) for case in cases),
            "SELECT 1",
        )
        until(lambda: self._ready(cases), seconds=90, what="all are ready")
        with Watch(self.docker, program.label) as watch:
            began = time.monotonic()
            for case in cases:
                watch.add(case.service)
            program.sql(*(self._declared(case, case.changes[0]) for case in cases), "SELECT 1")
            for case in cases:
                self._midway(case)
            return {case.name: self._end(case, watch, began) for case in cases}

    def _declared(self, case: Case, change: Change) -> str:
        spec = {**BASE, **case.base, **change}
        return fleet.service("rollouts", case.service, str(spec.pop("image", self.image)), **spec)

    def _ready(self, cases: Sequence[Case]) -> bool:
        names = ", ".join(f"'{case.service}'" for case in cases)
        ready = self.program.sql(
            "SELECT name FROM skyctl.resource_view WHERE kind = 'Service'"
            f" AND settled AND ready = 'True' AND name IN ({names})"
        )
        return len(ready) == len(cases)

    def _midway(self, case: Case) -> None:
        """When the first container of the change is there."""
        if len(case.changes) == 1 and not case.during:
            return
        until(lambda: 2 in self._generations(case), seconds=30, what=f"{case.name} begins")
        for change in case.changes[1:]:
            self.program.sql(self._declared(case, change), "SELECT 1")
        if case.during == "kill":
            self.program.kill()
            self.program.start()
        elif case.during == "restart":
            assert self.engine is not None
            self.engine.stop()
            self.engine.start()

    def _end(self, case: Case, watch: Watch, began: float) -> Outcome:
        newest = 1 + len(case.changes)

        def over() -> Any:
            status = self.program.get("service", case.service, "--org", "rollouts")["status"]
            known = status["observedGeneration"] == newest
            conditions = {c["type"]: c["status"] for c in status["conditions"]}
            moving = conditions["Reconciling"] == "True"
            done = status["rollout"]["state"] in ("complete", "rolledBack", "paused")
            return status if known and done and not moving else None

        status = until(over, seconds=90, what=f"{case.name} is over", every=0.2)
        watch.remove(case.service)
        return Outcome(
            self._generations(case),
            watch.least[case.service],
            status,
            self._event(case),
            time.monotonic() - began,
        )

    def _generations(self, case: Case) -> list[int]:
        found = self.docker.containers(
            self.program.label, f"io.skypanel.name={case.service}", "io.skypanel.ordinal"
        )
        return sorted(int(c["Labels"]["io.skypanel.generation"]) for c in found)

    def _event(self, case: Case) -> str:
        rows = self.program.sql(
            "SELECT message FROM skyctl.events WHERE reason = 'RolloutFailed'"
            f" AND name = '{case.service}' ORDER BY at DESC LIMIT 1"
        )
        return str(rows[0]["message"]) if rows else ""


@contextmanager
def stage(place: Path, engine: PrivateEngine | None = None) -> Iterator[Stage]:
    program, docker = Program(place / "state"), Docker()
    if engine is not None:
        program.env["DOCKER_HOST"], docker = engine.host, Docker(str(engine.socket))
    image = ensure_busybox_image(engine.host if engine is not None else None)
    try:
        yield Stage(program.start(), docker, image, engine)
    finally:
        instance = program.instance_known()
        if program.process is not None:
            program.stop()
        program.end_database()
        if instance:
            docker.sweep(instance)


def all_of_them(with_engine: Callable[[], bool]) -> Iterator[tuple[Case, Outcome]]:
    """with_engine: may an engine of our own be started?"""
    with short_directory() as place, stage(place) as shared:
        outcomes = shared.play(AT_ONCE)
        for case in CASES:
            if case.during == "kill":
                outcomes |= shared.play([case])
    if with_engine():
        with (
            short_directory() as place,
            private_engine(place / "engine") as engine,
            stage(place, engine) as own,
        ):
            outcomes |= own.play([case for case in CASES if case.during == "restart"])
    for case in CASES:
        if case.name in outcomes:
            yield case, outcomes[case.name]


def table(rows: Sequence[tuple[Case, Outcome]]) -> str:
    lines = [
        "| rollout | generation at the end | least ready | rollout.state | conditions | error "
        "| message |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case, found in rows:
        words = ", ".join(f"{t}={found.conditions[t]}" for t in ("Available", "Ready", "Stalled"))
        error = (found.status["error"] or {}).get("code", "")
        generation = ", ".join(map(str, sorted(set(found.generations))))
        lines.append(
            f"| {case.name} | {generation} of {1 + len(case.changes)} "
            f"| {found.least} of {REPLICAS} | {found.status['rollout']['state']} | {words} "
            f"| {error} | {found.status['message']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    from tests.e2e.engines import root_here

    played = list(all_of_them(root_here))
    print(table(played))
    print(json.dumps({case.name: round(found.seconds, 1) for case, found in played}))
