"""Wrong input of many kinds, through each door: what is printed, word for word.

``python -m tests.e2e.wrong_input`` prints it as a page; the test beside it holds every answer to
saying where, what and what to do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import yaml

from tests.e2e.harness import Program, short_directory, until


@dataclass(frozen=True)
class Wrong:
    """where: what every door's answer must contain."""

    title: str
    where: str
    spec: Any
    kind: str = "Service"
    organization: str | None = "wrong"
    name: str = "web"
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        metadata = {"name": self.name, **self.metadata}
        if self.organization is not None:
            metadata["organization"] = self.organization
        return {
            "apiVersion": "skypanel.io/v1",
            "kind": self.kind,
            "metadata": metadata,
            "spec": self.spec,
        }


IMAGE = "skypanel/test-busybox:1"
WRONG = (
    Wrong("a field misspelled", "imagge", {"imagge": IMAGE}),
    Wrong("a word for a number", "replicas", {"image": IMAGE, "replicas": "three"}),
    Wrong("memory without a unit", "memory", {"image": IMAGE, "resources": {"memory": 512}}),
    Wrong("a quantity that is none", "cpu", {"image": IMAGE, "resources": {"cpu": "1.5GHz"}}),
    Wrong("a kind that does not exist", "Servise", {"image": IMAGE}, kind="Servise"),
    Wrong("a name with capitals", "name", {"image": IMAGE}, name="Web_1"),
    Wrong(
        "an organization that does not exist",
        "nowhere",
        {"image": IMAGE},
        organization="nowhere",
        name="lost",
    ),
    Wrong(
        "a volume that does not exist",
        "missing",
        {"image": IMAGE, "volumes": [{"volume": "missing", "mountPath": "/d"}]},
        name="novol",
    ),
    Wrong(
        "a path that is not absolute",
        "mountPath",
        {"image": IMAGE, "volumes": [{"volume": "data", "mountPath": "../etc"}]},
    ),
    Wrong(
        "a reserved label",
        "io.skypanel",
        {"image": IMAGE},
        metadata={"labels": {"io.skypanel.uid": "x"}},
    ),
    Wrong("a spec that is a list", "spec", [1, 2]),
    Wrong("a spec past 256 KiB", "256", {"image": IMAGE, "environment": {"A": "x" * 300_000}}),
)


def through_yaml(program: Program, wrong: Wrong) -> str:
    """``skyctl apply -f -``; references are told by the status."""
    text = yaml.safe_dump(wrong.document, sort_keys=False)
    done = program.ctl("apply", "-f", "-", input=text)
    said = (done.stdout + done.stderr).strip()
    return said if done.returncode else _status(program, wrong)


def through_sql(program: Program, wrong: Wrong) -> str:
    """An INSERT; what SQL lets through is told by the status."""
    labels = json.dumps(wrong.metadata.get("labels", {}))
    statement = (
        "INSERT INTO skyctl.resources (kind, organization, name, labels, spec) VALUES "
        f"('{wrong.kind}', '{wrong.organization or ''}', '{wrong.name}', '{labels}', "
        f"'{json.dumps(wrong.spec)}') ON CONFLICT (kind, organization, name) DO UPDATE "
        "SET spec = EXCLUDED.spec, labels = EXCLUDED.labels"
    )
    try:
        program.sql(statement, "SELECT 1")
    except asyncpg.PostgresError as error:
        return f"ERROR {error.sqlstate}: {error}"
    return _status(program, wrong)


def through_http(program: Program, wrong: Wrong) -> str:
    """POST /v1/apply on the socket."""
    transport = httpx.HTTPTransport(uds=str(program.state_dir / "skyctl.sock"))
    with httpx.Client(transport=transport, base_url="http://skyctl", timeout=30) as client:
        answer = client.post("/v1/apply", json={"manifests": [wrong.document]})
    body = answer.json()
    results = body.get("results")
    if results and results[0]["action"] != "refused":
        return _status(program, wrong)
    return f"HTTP {answer.status_code} {json.dumps(results[0]['error'] if results else body)}"


def _status(program: Program, wrong: Wrong) -> str:
    def refused() -> str:
        rows = program.sql(
            "SELECT status->'error' AS error FROM skyctl.resource_status "
            f"JOIN skyctl.resources USING (uid) WHERE kind = '{wrong.kind}' "
            f"AND name = '{wrong.name}' AND observed_generation = generation"
        )
        error = rows[0]["error"] if rows else None
        return "" if error in (None, "null") else f"status.error: {error}"

    said = until(refused, what=f"{wrong.title}: told in the status")
    _forget(program, wrong)
    return said


def _forget(program: Program, wrong: Wrong) -> None:
    """Whatever door it came through: the next one finds nothing of it."""
    target = [f"{wrong.kind}/{wrong.name}", "--org", str(wrong.organization)]
    source = program.sql(f"SELECT source FROM skyctl.resources WHERE name = '{wrong.name}'")
    if source[0]["source"] == "sql":
        program.sql(f"DELETE FROM skyctl.resources WHERE name = '{wrong.name}'", "SELECT 1")
    else:
        done = program.ctl("delete", *target, "--yes")
        assert done.returncode == 0, done.stderr
    until(
        lambda: not program.sql(f"SELECT 1 FROM skyctl.resources WHERE name = '{wrong.name}'"),
        what="the wrong row goes",
    )


DOORS = {"YAML": through_yaml, "SQL": through_sql, "HTTP": through_http}


def answers(program: Program) -> Iterator[tuple[Wrong, str, str]]:
    """(what is wrong, door, what is printed)"""
    for door, through in DOORS.items():
        for wrong in WRONG:
            yield wrong, door, through(program, wrong)


def main() -> None:
    with short_directory() as place:
        program = Program(place / "state").start()
        try:
            program.sql(
                "INSERT INTO skyctl.resources (kind, name, spec) "
                "VALUES ('Organization', 'wrong', '{}')",
                "SELECT 1",
            )
            for wrong, door, said in answers(program):
                print(f"### {wrong.title} — {door}\n\n```\n{said[:1500]}\n```\n")
                sys.stdout.flush()
        finally:
            from tests.e2e.conftest import finish
            from tests.e2e.harness import Docker

            finish(program, Docker())


if __name__ == "__main__":
    main()
