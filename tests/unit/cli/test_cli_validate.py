"""Offline commands: what is wrong with files, and where."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.unit.cli.conftest import Run

GOOD = """\
# yaml-language-server: $schema=../crds/service.json
apiVersion: skypanel.io/v1
kind: Service
metadata: {name: web, organization: acme}
spec: {image: "nginx:1"}
"""
BAD = """\
apiVersion: skypanel.io/v1
kind: Service
metadata:
  name: web
  organization: acme
spec:
  image: nginx:1
  replicsa: 3
  ports:
    - containerPort: 99999
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


def test_valid_files(offline: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text(GOOD)
    (folder / "deep").mkdir()
    (folder / "deep" / "b.json").write_text(
        '{"apiVersion": "skypanel.io/v1", "kind": "Organization", "metadata": {"name": "acme"},'
        ' "spec": {}}'
    )
    (folder / ".hidden.yaml").write_text("nonsense")
    (folder / "README.md").write_text("nonsense")
    ran = offline("validate", "-f", str(folder))
    assert (ran.code, ran.out) == (0, "2 documents in 2 files: valid\n")


def test_every_problem_has_its_line(offline: Run, folder: Path) -> None:
    file = folder / "web.yaml"
    file.write_text(BAD)
    ran = offline("validate", "-f", str(file))
    assert ran.code == 1
    assert ran.out == ""
    assert f"{file}:8: /spec/replicsa: unknown field: did you mean 'replicas'?" in ran.err
    assert f"{file}:10: /spec/ports/0/containerPort: must be at most 65535" in ran.err
    assert "try: " in ran.err


def test_problems_come_in_the_order_of_their_lines(offline: Run, folder: Path) -> None:
    (folder / "b.yaml").write_text("---\n".join((BAD, "kind: Nothing\n", BAD, GOOD)))
    (folder / "a.yaml").write_text(GOOD)
    lines = [
        tuple(line.split(":")[:2])
        for line in offline("validate", "-f", str(folder)).err.splitlines()
        if not line.startswith(" ")
    ]
    assert len(lines) > 5
    assert lines == sorted(lines, key=lambda place: (place[0], int(place[1])))


def test_broken_yaml_has_its_line(offline: Run, folder: Path) -> None:
    file = folder / "web.yaml"
    file.write_text("a: 1\nb: [1,\n")
    ran = offline("validate", "-f", str(file))
    assert ran.code == 1
    assert ran.err.startswith(f"{file}:")


def test_a_name_declared_twice(offline: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text(GOOD)
    (folder / "b.yaml").write_text(GOOD)
    ran = offline("validate", "-f", str(folder))
    assert ran.code == 1
    assert f"{folder}/b.yaml:2: Service/web is declared in {folder}/a.yaml:2 already" in ran.err


def test_json_output(offline: Run, folder: Path) -> None:
    (folder / "web.yaml").write_text(BAD)
    ran = offline("validate", "-f", str(folder), "-o", "json")
    found = json.loads(ran.out)
    assert ran.code == 1
    assert found["documents"] == 1
    (problem,) = found["problems"]
    assert {e["line"] for e in problem["details"]["errors"]} == {8, 10}


@pytest.mark.parametrize("place", ["nothing.yaml", "empty"])
def test_no_such_file_is_misuse(offline: Run, folder: Path, place: str) -> None:
    (folder / "empty").mkdir()
    ran = offline("validate", "-f", str(folder / place))
    assert ran.code == 2
    assert "error: CONFIGURATION_INVALID_USAGE" in ran.err


def test_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli.main", "validate", "-f", "-"],
        input=BAD.encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert b"<stdin>:8: /spec/replicsa" in done.stderr


def test_schema_of_a_kind(offline: Run) -> None:
    schemas = [json.loads(offline("schema", word).out) for word in ("Service", "svc", "services")]
    assert schemas[0] == schemas[1] == schemas[2]
    assert schemas[0]["properties"]["kind"]["const"] == "Service"


def test_schema_sql(offline: Run) -> None:
    ran = offline("schema", "sql")
    assert ran.code == 0
    assert "skyctl_backend" in ran.out


def test_explain(offline: Run) -> None:
    assert "update" in offline("explain", "svc").out
    assert "startFirst" in offline("explain", "service.update.order").out


@pytest.mark.parametrize("arguments", [("schema", "servcie"), ("explain", "servcie.x")])
def test_an_unknown_kind_is_misuse(offline: Run, arguments: tuple[str, ...]) -> None:
    ran = offline(*arguments)
    assert ran.code == 2
    assert "Service" in ran.err


def test_version(offline: Run) -> None:
    from controller import __version__

    assert offline("version").out == f"skyctl {__version__}\n"
    assert json.loads(offline("version", "-o", "json").out)["version"] == __version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(offline: Run, shell: str) -> None:
    ran = offline("completion", shell)
    assert ran.code == 0
    assert "_SKYCTL_COMPLETE" in ran.out
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=ran.out.encode(), check=True, timeout=30)


def test_completion_of_another_shell(offline: Run) -> None:
    assert offline("completion", "tcsh").code == 2


def test_help_names_every_command(offline: Run) -> None:
    text = offline("--help").out
    for command in dedent(
        """run apply diff plan get describe delete wait events explain logs exec top rollout
        restart pause resume start stop scale guard adopt adopt-engine purge validate schema
        version doctor completion"""
    ).split():
        assert f"\n  {command} " in text
