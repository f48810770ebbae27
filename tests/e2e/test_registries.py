"""A registry that wants credentials: every row ends as it should, and nobody else learns them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from tests.e2e import registries
from tests.e2e.engines import root_here
from tests.e2e.harness import Docker, Program
from tests.e2e.private_registry import USER
from tests.e2e.registries import OTHERS, RIGHT, RIVAL, WRONG
from tests.e2e.test_secrets import Processes, done, dump

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))


def told(program: Program, docker: Docker) -> dict[str, str]:
    """What anybody can read, by where."""
    logs = [program.log, *(p.read_text() for p in program.state_dir.rglob("*.log"))]
    inspected = [docker.inspect(c["Id"]) for c in docker.containers(program.label)]
    return {
        "dump": dump(program),
        "logs": "\n".join(logs),
        "events": done(program, "events", "-A", "-o", "json"),
        "status": done(program, "get", "all", "-A", "-o", "yaml"),
        "plan": done(program, "plan"),
        "metrics": repr(program.metrics()),
        "engine": json.dumps([inspected, docker.networks(program.label)]),
    }


def headers(user: str, password: str) -> str:
    """As they are said to the engine, but for where the text begins and ends."""
    said = json.dumps({"username": user, "password": password}, separators=(",", ":"))
    return base64.urlsafe_b64encode(said.encode()).decode()[8:-8]


def test_every_row(program: Program, docker: Docker, place: Path) -> None:
    processes = Processes()
    with processes.watched(), registries.scene(program, docker, place) as scene:
        outcomes = registries.play(scene, long=TORTURE)
        found = told(program, docker)
        strangers = scene.containers("foreign-tenant-by-digest", "stranger")
        private = scene.pushed[0]
        stirred = scene.stirred()
        seen = {o.row.name: json.dumps(o.status) for o in outcomes}
    print(registries.table(outcomes))
    assert {o.row.name: o.code for o in outcomes} == {o.row.name: o.row.code for o in outcomes}
    assert all(o.suggestion for o in outcomes if o.row.code)
    # A tenant without access neither runs the image nor hears of it.
    assert not strangers
    for name in ("foreign tenant, by digest", "foreign tenant, Never"):
        assert private not in seen[name]
    assert private in seen["right"]
    assert stirred == set()
    # Credentials are nowhere but where they are used.
    words = (RIGHT, WRONG, OTHERS, USER, RIVAL, headers(USER, RIGHT), headers(RIVAL, OTHERS))
    hits = {(where, word) for where, text in found.items() for word in words if word in text}
    assert hits == set()
    assert processes.found == set()
    assert processes.looked > 20


@pytest.mark.skipif(not TORTURE or not root_here(), reason="long, and needs an engine of our own")
def test_a_full_disk(place: Path) -> None:
    outcome = registries.on_a_full_disk(place)
    assert outcome.code == "IMAGE_DISK_FULL"
    assert outcome.cured is not None
