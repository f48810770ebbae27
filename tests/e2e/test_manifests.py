"""Manifest directories, the whole way: files on disk to containers on the engine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import fleet
from tests.e2e.conftest import finish
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]


def service(name: str, image: str, **spec: Any) -> str:
    whole = {
        "apiVersion": "skypanel.io/v1",
        "kind": "Service",
        "metadata": {"name": name, "organization": "shopping"},
        "spec": {
            "image": image,
            "imagePullPolicy": "Never",
            "resources": {"cpu": "50m", "memory": "16Mi"},
            "terminationGracePeriod": "1s",
            **spec,
        },
    }
    return json.dumps(whole)


ORGANIZATION = """\
apiVersion: skypanel.io/v1
kind: Organization
metadata: {name: shopping}
spec: {displayName: Acme}
"""


@pytest.fixture
def directory(place: Path) -> Path:
    made = place / "manifests"
    made.mkdir()
    return made


@pytest.fixture
def running(place: Path, directory: Path, docker: Docker, image: str) -> Iterator[Program]:
    """An organization and the services a and b."""
    (directory / "organization.yaml").write_text(ORGANIZATION)
    (directory / "a.yaml").write_text(service("a", image))
    (directory / "nested").mkdir()
    (directory / "nested" / "b.json").write_text(service("b", image))
    program = Program(place / "state", manifests=[f"shop={directory}"])
    try:
        program.start()
        until(lambda: names(program) == {"a", "b"}, what="the files' services are rows")
        fleet.converge(program)
        yield program
    finally:
        finish(program, docker)


def names(program: Program) -> set[str]:
    rows = program.sql("SELECT name FROM skyctl.resources WHERE kind = 'Service'")
    return {row["name"] for row in rows}


def services(program: Program, docker: Docker) -> set[str]:
    return {c["Labels"]["io.skypanel.name"] for c in docker.containers(program.label)}


def colour(program: Program, docker: Docker, name: str) -> str:
    """Of the one container of the service."""
    (found,) = docker.containers(program.label, f"io.skypanel.name={name}")
    environment = docker.inspect(found["Id"])["Config"]["Env"] or ()
    return next((e.split("=")[1] for e in environment if e.startswith("COLOUR=")), "")


def test_add_edit_rename_remove(
    running: Program, directory: Path, docker: Docker, image: str
) -> None:
    (directory / "c.yaml").write_text(service("c", image))
    until(lambda: services(running, docker) == {"a", "b", "c"}, what="added")
    # An editor's atomic replacement.
    (directory / ".a.tmp").write_text(service("a", image, environment={"COLOUR": "green"}))
    os.replace(directory / ".a.tmp", directory / "a.yaml")
    until(lambda: colour(running, docker, "a") == "green", what="edited")
    (directory / "c.yaml").write_text(service("d", image))
    until(lambda: services(running, docker) == {"a", "b", "d"}, what="renamed")
    (directory / "c.yaml").unlink()
    until(lambda: services(running, docker) == {"a", "b"}, what="removed")


def test_half_written_files_keep_what_they_declared(
    running: Program, directory: Path, docker: Docker, image: str
) -> None:
    before = {c["Id"] for c in docker.containers(running.label)}
    (directory / "a.yaml").write_text(service("a", image)[:60])
    until(lambda: "a.yaml" in running.log, what="it says which file")
    (directory / "c.yaml").write_text(service("c", image))
    until(lambda: services(running, docker) == {"a", "b", "c"}, what="others go on")
    assert before <= {c["Id"] for c in docker.containers(running.label)}


def test_a_symlink_swap_is_one_change(
    place: Path, docker: Docker, image: str, program: Program
) -> None:
    for version, word in (("v1", "blue"), ("v2", "green")):
        (place / version).mkdir()
        (place / version / "all.yaml").write_text(
            ORGANIZATION + "---\n" + service("a", image, environment={"COLOUR": word})
        )
    (place / "current").symlink_to("v1")
    program.manifests = [f"shop={place / 'current'}"]
    program.start()
    until(lambda: names(program) == {"a"}, what="read")
    fleet.converge(program)
    (place / "next").symlink_to("v2")
    os.replace(place / "next", place / "current")
    until(lambda: colour(program, docker, "a") == "green", what="swapped")


def test_an_emptied_directory_is_held_until_a_person_decides(
    running: Program, directory: Path, docker: Docker
) -> None:
    before = {c["Id"] for c in docker.containers(running.label)}
    shutil.move(directory / "a.yaml", directory.parent / "a.yaml")
    for file in (directory / "organization.yaml", directory / "nested" / "b.json"):
        file.unlink()

    def held() -> list[dict[str, Any]]:
        listed = json.loads(running.ctl("guard", "list", "-o", "json").stdout)["items"]
        return [item for item in listed if item["state"] == "held"]

    until(held, what="held")
    assert {c["Id"] for c in docker.containers(running.label)} == before
    running.kill()
    running.start()
    until(held, what="still held after a crash")
    assert {c["Id"] for c in docker.containers(running.label)} == before
    assert running.ctl("guard", "approve", held()[0]["id"], "--yes").returncode == 0
    until(lambda: not running.sql("SELECT 1 FROM skyctl.resources"), seconds=60, what="approved")
    assert docker.containers(running.label) == []
    assert docker.networks(running.label) == []


def test_two_files_with_one_resource_and_one_owned_by_sql(
    running: Program, directory: Path, docker: Docker, image: str
) -> None:
    (directory / "twice.yaml").write_text(service("a", image, environment={"COLOUR": "red"}))
    until(lambda: "twice.yaml" in running.log and "a.yaml" in running.log, what="both are named")
    assert colour(running, docker, "a") == ""
    running.sql(fleet.service("shopping", "panel", image), "SELECT 1")
    fleet.converge(running)
    (directory / "panel.yaml").write_text(service("panel", image, environment={"COLOUR": "red"}))
    until(lambda: "RESOURCE_OWNED_ELSEWHERE" in running.log, what="refused")
    assert colour(running, docker, "panel") == ""
    done = running.ctl("adopt", "service/panel", "--org", "shopping", "--source", "manifest:shop")
    assert done.returncode == 0, done.stderr
    until(lambda: colour(running, docker, "panel") == "red", what="adopted")
