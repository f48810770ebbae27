"""Ten known values, looked for everywhere; and a key file that is lost and comes back."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

SEARCHED = {
    "yaml, a variable": "kMzp-yaml-variable",
    "yaml, a file": "kMzp-yaml-file",
    "sealed by skyctl": "kMzp-sealed-by-skyctl",
    "sql, the inbox": "kMzp-sql-inbox",
    "sql, overwritten": "kMzp-sql-overwritten",
    "a manifest directory": "kMzp-directory",
    "registry credentials": "kMzp-registry",
    "in a wrong place": "kMzp-wrong-place",
    "only planned": "kMzp-only-planned",
    "with quotes and lines": "kMzp-\"quoted'\n$lines",
}
HEAD = "kMzp-"
"""With which all of them begin: nothing else does."""


def document(kind: str, name: str, organization: str = "secrecy", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"organization": organization} if organization else {})
    return {"apiVersion": "skypanel.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def secret(name: str, **data: str) -> dict[str, Any]:
    return document("Secret", name, data=data)


def text(*documents: Mapping[str, Any]) -> str:
    return "\n---\n".join(json.dumps(each) for each in documents)


def uses(name: str, key: str) -> dict[str, str]:
    return {"secret": name, "key": key}


class Processes:
    """Every command line that was ever seen while this was watched."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.looked = 0
        self._ended = threading.Event()

    def watch(self) -> None:
        while not self._ended.wait(0.03):
            self.looked += 1
            for entry in os.scandir("/proc"):
                if not entry.name.isdecimal():
                    continue
                try:
                    line = Path(entry.path, "cmdline").read_bytes()
                except OSError:
                    continue
                if HEAD.encode() in line:
                    self.found.add(line.decode(errors="replace"))

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self.watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()


def done(program: Program, *arguments: str, text: str | None = None, code: int = 0) -> str:
    """What a command said, on both ends."""
    ran = program.ctl(*arguments, input=text)
    assert ran.returncode == code, (arguments[0], ran.returncode, ran.stderr)
    return ran.stdout + ran.stderr


def bring_in(program: Program, place: Path, image: str) -> list[str]:
    """Every value through its door; what the commands said meanwhile."""
    said: list[str] = []
    value = SEARCHED.__getitem__
    sealed = program.ctl(
        "seal", "secret/sealed", "KEY", "--org", "secrecy", input=value("sealed by skyctl") + "\n"
    ).stdout.strip()
    overwritten = {"data": {"KEY": value("sql, overwritten")}}
    program.sql(fleet.insert("Secret", "secrecy", "inbox", overwritten), "SELECT 1")
    program.sql(
        fleet.insert("Secret", "secrecy", "inbox", {"data": {"KEY": value("sql, the inbox")}}),
        fleet.insert("Secret", "secrecy", "sealed", {"sealedData": {"KEY": sealed}}),
        "SELECT 1",
    )
    directory = text(secret("folder", KEY=value("a manifest directory")))
    (place / "manifests" / "folder.yaml").write_text(directory)
    plain = secret(
        "plain",
        VARIABLE=value("yaml, a variable"),
        FILE=value("yaml, a file"),
        QUOTED=value("with quotes and lines"),
    )
    registry = secret("registry", username="bob", password=value("registry credentials"))
    web = document(
        "Service",
        "web",
        image=image,
        imagePullPolicy="Never",
        imagePullSecret="registry",
        terminationGracePeriod="1s",
        resources={"memory": "16Mi"},
        environment={
            "A": uses("plain", "VARIABLE"),
            "B": uses("sealed", "KEY"),
            "C": uses("inbox", "KEY"),
            "D": uses("folder", "KEY"),
            "E": uses("plain", "QUOTED"),
        },
        files=[{"path": "/run/token", "secret": "plain", "key": "FILE", "mode": "0400"}],
    )
    said.append(done(program, "apply", "-f", "-", text=text(plain, registry, web)))
    wrong = document("Secret", "wrong", password=value("in a wrong place"))
    said.append(done(program, "apply", "-f", "-", text=text(wrong), code=1))
    (place / "manifests" / "wrong.yaml").write_text(text(wrong))
    until(lambda: "wrong.yaml" in program.log, what="the wrong manifest is told of")
    planned = secret("plain", VARIABLE=value("only planned"), FILE="x", QUOTED="y")
    said.append(done(program, "diff", "-f", "-", text=text(planned), code=1))
    return said


def dump(program: Program) -> str:
    """The store as pg_dump has it."""
    address = urlsplit(program.dsn)
    (tool,) = (
        Path(program.state_dir, "postgres").resolve().glob("programs-*/*/pginstall/bin/pg_dump")
    )
    ran = subprocess.run(
        [tool, "-h", parse_qs(address.query)["host"][0], "-U", address.username or "", "skyctl"],
        env={"PGPASSWORD": address.password or ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "COPY skyctl.secret_inbox" in ran.stdout
    return ran.stdout


def told(program: Program, docker: Docker) -> dict[str, str]:
    """What anybody can read, by where."""
    org = ("--org", "secrecy")
    inspected = [docker.inspect(c["Id"]) for c in docker.containers(program.label)]
    for found in inspected:
        del found["Config"]["Env"]
    logs = [program.log, *(p.read_text() for p in program.state_dir.rglob("*.log"))]
    return {
        "dump": dump(program),
        "logs": "\n".join(logs),
        "events": done(program, "events", *org, "-o", "json"),
        "status": done(program, "get", "all", "-A", "-o", "yaml"),
        "secrets": done(program, "get", "secrets", *org, "-o", "json"),
        "describe": done(program, "describe", "service/web", *org)
        + done(program, "describe", "secret/plain", *org),
        "plan": done(program, "plan"),
        "metrics": repr(program.metrics()),
        "engine": json.dumps([inspected, docker.networks(program.label)]),
        "container's log": done(program, "logs", "service/web", *org),
    }


def test_ten_values_are_found_nowhere(
    program: Program, docker: Docker, image: str, place: Path
) -> None:
    (place / "manifests").mkdir()
    program.manifests.append(f"folder={place / 'manifests'}")
    processes = Processes()
    with processes.watched():
        program.start()
        program.sql(fleet.organization("secrecy"), "SELECT 1")
        said = bring_in(program, place, image)
        fleet.converge(program)
        found = told(program, docker) | {"said": "\n".join(said)}
        given = environment(program, docker)
        token = done(program, "exec", "service/web", "--org", "secrecy", "--", "cat", "/run/token")
    assert {where: value for where, value in found.items() if HEAD in value} == {}
    assert processes.found == set()
    assert processes.looked > 20
    assert given == {
        "A": SEARCHED["yaml, a variable"],
        "B": SEARCHED["sealed by skyctl"],
        "C": SEARCHED["sql, the inbox"],
        "D": SEARCHED["a manifest directory"],
        "E": SEARCHED["with quotes and lines"],
    }
    assert token == SEARCHED["yaml, a file"]
    key = program.state_dir / "sealing.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert HEAD not in key.read_text()


def environment(program: Program, docker: Docker) -> dict[str, str]:
    (container,) = docker.containers(program.label, "io.skypanel.name=web")
    given = (line.split("=", 1) for line in docker.inspect(container["Id"])["Config"]["Env"])
    return {name: value for name, value in given if len(name) == 1}


def shown(program: Program, kind: str, name: str) -> dict[str, Any]:
    """Its status. Raises LookupError while it has none."""
    status: dict[str, Any] | None = program.get(kind, name, "--org", "secrecy")["status"]
    if status is None:
        raise LookupError(f"{kind}/{name} has no status yet")
    return status


def test_a_lost_key_stops_nobody_else_and_is_never_replaced(
    program: Program, docker: Docker, image: str, place: Path
) -> None:
    program.start()
    key = program.state_dir / "sealing.key"
    program.sql(
        fleet.organization("secrecy"),
        fleet.insert("Secret", "secrecy", "db", {"data": {"KEY": "one"}}),
        fleet.service("secrecy", "web", image, environment={"A": uses("db", "KEY")}),
        "SELECT 1",
    )
    fleet.converge(program)
    (before,) = docker.containers(program.label)
    assert environment(program, docker) == {"A": "one"}
    assert program.stop() == 0
    key.rename(place / "away")
    program.start()
    program.sql(fleet.service("secrecy", "other", image), "SELECT 1")
    until(lambda: shown(program, "service", "other")["phase"] == "Running", what="another runs")
    status = until(lambda: shown(program, "secret", "db")["error"], what="it is told")
    assert status["code"] == "SECRET_KEY_MISSING"
    assert "bring the key file back" in json.dumps(status["suggestions"])
    assert "no new key is made" in program.log
    assert not key.exists()
    docker.call("POST", f"/containers/{before['Id']}/kill")
    until(lambda: docker.inspect(before["Id"])["State"]["Running"], what="it is healed")
    (place / "away").rename(key)
    fleet.converge(program)
    program.sql(fleet.insert("Secret", "secrecy", "db", {"data": {"KEY": "two"}}), "SELECT 1")
    until(lambda: environment(program, docker) == {"A": "two"}, what="the new value is rolled out")
    fleet.converge(program)
