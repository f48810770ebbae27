"""What no committed file may hold, and what the committed files promise each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]

# Put together from pieces, so that this file does not match itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb." + "debian.org",
    "security." + "debian.org",
    "archive." + "ubuntu.com",
    "ports." + "ubuntu.com",
    "yarn" + "pkg.com",
]
INDEX_OPTIONS = ["--(extra-)?index" + "-url", "--find" + "-links https?:"]
HERE = ["/wo" + "rk/", "/ro" + r"ot/\."]


def committed() -> list[Path]:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := PROJECT / name).is_file()]


def found(pattern: str) -> list[str]:
    expression = re.compile(pattern, re.IGNORECASE)
    return [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:120]}"
        for path in committed()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if expression.search(line)
    ]


def test_no_address_of_a_package_registry() -> None:
    assert found("|".join(map(re.escape, REGISTRIES))) == []


def test_no_index_is_named() -> None:
    assert found("|".join(INDEX_OPTIONS)) == []


def test_no_path_of_one_machine() -> None:
    assert found("|".join(HERE)) == []


@pytest.mark.parametrize("path", sorted(PROJECT.glob("requirements*.txt")), ids=lambda p: p.name)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    assert lines
    for line in lines:
        assert re.match(r"^[A-Za-z0-9_.-]+==[^ ]+ ", line), line[:80]
        assert "--hash=sha256:" in line, line[:80]


def test_every_dependency_has_a_pin() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, wanted in {
        "requirements.txt": project["dependencies"],
        "requirements-embedded.txt": project["dependencies"] + extras["embedded"],
        "requirements-dev.txt": project["dependencies"] + extras["embedded"] + extras["dev"],
    }.items():
        pinned = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (PROJECT / name).read_text(), re.M))
        for requirement in wanted:
            package = re.split(r"[<>=!~ \[;]", requirement)[0].lower().replace("_", "-")
            assert package in pinned, f"{package} is not in {name}: run scripts/lock"


def test_all_files_of_requirements_agree() -> None:
    pins: dict[str, set[str]] = {}
    for path in PROJECT.glob("requirements*.txt"):
        for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ]+)", path.read_text(), re.M):
            pins.setdefault(name, set()).add(version)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", sorted(PROJECT.glob("examples/**/package-lock.json")))
def test_lock_files_name_no_place(path: Path) -> None:
    if "node_modules" in path.parts:
        return
    packages = json.loads(path.read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in packages.items() if name)


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in committed():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(PROJECT)}: {target}")
    assert broken == []
