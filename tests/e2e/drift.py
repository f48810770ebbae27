"""The drift matrix on the real program and a real engine: everything that people and accidents do
to objects of ours behind our back, each in a service of its own, all at once.

``python -m tests.e2e.drift [ROW]...`` prints it as a table: how it was caused, in how long it was
detected and put right, and what the event said. Each row is a service under ``driftPolicy: heal``;
those that can be only reported have a twin under ``report``, which must be told and left untouched
(a few of them; all with SKYCTL_TORTURE). What has to happen before the controller can react is done
while its process is frozen.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e import fleet
from tests.e2e.conftest import finish
from tests.e2e.drift_rows import ROWS, Case, Row
from tests.e2e.harness import Docker, Program, short_directory, until
from tests.images import ensure_busybox_image, ensure_image

ORG = "drift"
HANDS = 3
"""People at work at once."""
DEADLINE = 60.0
"""Seconds until all is told and right, with everything else at work as well."""
THOROUGH = bool(os.environ.get("SKYCTL_TORTURE"))
SAMPLE = frozenset({"removed", "paused", "renamed", "memory", "off", "twice", "snapshot"})
"""Rows with a twin in the short form."""


@dataclass
class Result:
    """detected, healed: seconds since the deed; healed None: only told, as it must be."""

    row: Row
    detected: float
    healed: float | None
    said: str
    plan: str = ""
    """Of the twin under ``report``, which is left as it is."""


@dataclass
class Matrix:
    program: Program
    docker: Docker
    image: str
    other: str
    cases: dict[str, Case] = field(default_factory=dict)
    twins: dict[str, Case] = field(default_factory=dict)

    def play(self, rows: tuple[Row, ...] = ROWS) -> list[Result]:
        self.program.env["SKYCTL_LEADER_TIMEOUT"] = "30s"  # frozen, it stays the leader
        self.program.start()
        self._declare(rows)
        before = self.program.metrics()
        watch = Watch(self, rows)
        self._acted(rows, watch)
        plans = {slug: self._plan(twin) for slug, twin in self.twins.items()}
        results = [watch.result(row, plans.get(row.slug, "")) for row in rows]
        self._counted(before, results)
        for row in rows:
            if row.clear is not None:
                row.clear(self.cases[row.slug])
        until(lambda: self._over(rows), seconds=DEADLINE, what="what was in the way is gone")
        return results

    # -- what is declared
    def _declare(self, rows: tuple[Row, ...]) -> None:
        statements = [fleet.organization(ORG)]
        for row in rows:
            self.cases[row.slug] = self._case(row, ORG if not row.alone else row.slug, row.slug)
            statements += self._rows(row, self.cases[row.slug], "heal")
            if row.twin and (THOROUGH or row.slug in SAMPLE):
                self.twins[row.slug] = self._case(row, ORG, f"{row.slug}-r")
                statements += self._rows(row, self.twins[row.slug], "report")
        self.program.sql(*statements, "SELECT 1")
        fleet.converge(self.program, seconds=90)
        for case in self._all():
            case.first = case.inspect()
        again = [
            fleet.service(c.organization, c.service, c.image, **{**c.spec, **c.row.then})
            for c in self._all()
            if c.row.then is not None
        ]
        if again:
            self.program.sql(*again, "SELECT 1")
            fleet.converge(self.program, seconds=90)
        for case in self._all():
            case.before = case.inspect()
            case.shape = case.shapes()

    def _case(self, row: Row, organization: str, service: str) -> Case:
        image = self.image
        if row.own_image:
            image = f"skypanel/drift-{service}:{self.program.instance[:8]}"
            name, _, tag = image.partition(":")
            self.docker.call("POST", f"/images/{self.image}/tag", params={"repo": name, "tag": tag})
        return Case(
            self.docker,
            self.program.label,
            row,
            organization,
            service,
            image,
            self.image,
            self.other,
        )

    def _rows(self, row: Row, case: Case, policy: str) -> Iterator[str]:
        if row.alone:
            yield fleet.organization(case.organization)
        if row.volume:
            yield fleet.volume(case.organization, case.service)
        mounts = [{"volume": case.service, "mountPath": "/data"}] if row.volume else []
        case.spec = {**row.spec, "driftPolicy": policy, "volumes": mounts}
        yield fleet.service(case.organization, case.service, case.image, **case.spec)

    def _all(self) -> list[Case]:
        return [*self.cases.values(), *self.twins.values()]

    # -- what is done, and what comes of it
    def _both(self, row: Row) -> list[Case]:
        return [c for c in (self.cases[row.slug], self.twins.get(row.slug)) if c is not None]

    def _act(self, hands: ThreadPoolExecutor, rows: Iterable[Row]) -> list[Future[None]]:
        return [hands.submit(case.act) for row in rows for case in self._both(row)]

    def _acted(self, rows: tuple[Row, ...], watch: Watch) -> None:
        with ThreadPoolExecutor(HANDS) as hands:
            with frozen(self.program):
                sudden = [row for row in rows if row.frozen]
                for deed in self._act(hands, sudden):
                    deed.result()
            for case in (case for row in sudden for case in self._both(row)):
                case.acted = time.time()
            deeds = self._act(hands, (row for row in rows if not row.frozen))
            watch.until_over()
            for deed in deeds:
                deed.result()

    def events(self) -> dict[tuple[str, str, str, str], tuple[float, str]]:
        """The first that names the field, of each resource."""
        found: dict[tuple[str, str, str, str], tuple[float, str]] = {}
        for event in self.program.sql(
            "SELECT kind, organization, name, reason, message, extract(epoch FROM first_at) AS at "
            "FROM skyctl.events WHERE message LIKE '%[drift: %' ORDER BY first_at"
        ):
            text = str(event["message"])
            what = text.rpartition("[drift: ")[2].rstrip("]")
            key = (event["kind"], event["organization"], event["name"], what)
            found.setdefault(key, (float(event["at"]), f"{event['reason']}: {text}"))
        return found

    def _plan(self, twin: Case) -> str:
        """Nothing is done, and the plan and the condition say what was found."""
        said = self.program.ctl("plan", f"service/{twin.service}", "--org", twin.organization)
        line = next((x for x in said.stdout.splitlines() if x.startswith("  drift: ")), "")
        assert f"drift: {twin.row.field}: " in line, (twin.service, said.stdout, said.stderr)
        assert "0 steps" in said.stdout, said.stdout
        shown = self.program.get("service", twin.service, "--org", twin.organization)["status"]
        (drifted,) = [c for c in shown["conditions"] if c["type"] == "Drifted"]
        assert drifted["status"] == "True", (twin.service, drifted)
        assert twin.shapes() == twin.left, f"{twin.service} was touched"
        return line.strip()

    def _counted(self, before: dict[str, float], results: list[Result]) -> None:
        after = self.program.metrics()
        for kind, what in {(r.row.kind, r.row.field) for r in results}:
            name = f'skyctl_drift_total{{field="{what}",kind="{kind}"}}'
            wanted = sum((r.row.kind, r.row.field) == (kind, what) for r in results)
            assert after.get(name, 0) - before.get(name, 0) >= wanted, f"{name} {after.get(name)}"

    def _over(self, rows: tuple[Row, ...]) -> bool:
        return all(self.cases[r.slug].right() for r in rows if r.clear is not None)

    def close(self) -> None:
        for case in self._all():
            case.tidy()


def about(row: Row, case: Case) -> tuple[str, str, str, str]:
    name = case.organization if row.kind == "Organization" else case.service
    organization = "" if row.kind == "Organization" else case.organization
    return (row.kind, organization, name, row.field)


class Watch:
    """Looks at everything again and again until all rows are told, and right where they heal."""

    def __init__(self, played: Matrix, rows: tuple[Row, ...]) -> None:
        self._played = played
        self._rows = rows
        self._told: dict[str, tuple[float, str]] = {}
        self._right: dict[str, float] = {}
        self._twins: set[str] = set()

    def until_over(self) -> None:
        try:
            until(self._over, seconds=DEADLINE, every=0.03)
        except AssertionError as error:
            program = self._played.program
            raise AssertionError(
                f"{self._missing()}; {fleet.unsettled(program)}\n{program.log[-3000:]}"
            ) from error

    def result(self, row: Row, plan: str) -> Result:
        acted = self._played.cases[row.slug].acted
        at, said = self._told[row.slug]
        healed = max(0.0, self._right[row.slug] - acted) if row.heals else None
        return Result(row, max(0.0, at - acted), healed, said, plan)

    def _over(self) -> bool:
        events = self._played.events()
        for row in self._rows:
            case, twin = self._played.cases[row.slug], self._played.twins.get(row.slug)
            event = events.get(about(row, case))
            if event is not None:
                self._told.setdefault(row.slug, event)
            if row.slug not in self._right and case.left is not None and case.right():
                self._right[row.slug] = time.time()
            if twin is not None and about(row, twin) in events:
                self._twins.add(row.slug)
        return not any(self._missing().values())

    def _missing(self) -> dict[str, list[str]]:
        slugs = {row.slug for row in self._rows}
        healing = {row.slug for row in self._rows if row.heals}
        return {
            "not told": sorted(slugs - self._told.keys()),
            "not healed": sorted(healing - self._right.keys()),
            "twins not told": sorted(self._played.twins.keys() - self._twins),
        }


@contextmanager
def frozen(program: Program) -> Iterator[None]:
    """For less long than a leader may be silent."""
    program.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.signal(signal.SIGCONT)


@contextmanager
def matrix(program: Program, docker: Docker) -> Iterator[Matrix]:
    image = ensure_busybox_image()
    other = ensure_image("skypanel/test-busybox:other", ('CMD ["sleep", "2000000"]',))
    made = Matrix(program, docker, image, other)
    try:
        yield made
    finally:
        made.close()


def table(results: list[Result]) -> str:
    lines = [
        "| row | caused by | field | detected in | healed in | what the event said |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        healed = "left, told" if r.healed is None else f"{r.healed:.2f} s"
        said = r.said.replace("|", "\\|")
        lines.append(
            f"| {r.row.title} | `{r.row.how}` | {r.row.field} | {r.detected:.2f} s | {healed} "
            f"| {said} |"
        )
    lines += ["", "Under `driftPolicy: report` nothing is done, and `skyctl plan` says:", ""]
    lines += [f"- {r.row.title}: `{r.plan}`" for r in results if r.plan]
    return "\n".join(lines)


def main(slugs: Sequence[str]) -> int:
    """slugs: only these rows."""
    rows = tuple(row for row in ROWS if not slugs or row.slug in slugs)
    docker = Docker()
    with short_directory() as place:
        program = Program(place / "state")
        try:
            with matrix(program, docker) as played:
                print(table(played.play(rows)))
        finally:
            finish(program, docker)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
