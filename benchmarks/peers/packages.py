"""Programs of a Debian release, unpacked beside the system, never installed.

A private APT configuration: the machine's own sources with another release's name in place of
theirs, and lists, cache and status of its own. What is unpacked is kept in the user's cache
directory for the next run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCES = Path("/etc/apt")
_SUITE = re.compile(r"\b(bullseye|bookworm|trixie|forky|sid)\b")


class Absent(Exception):
    """Says why a peer cannot take part here."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "skypanel-benchmarks"


def unpacked(release: str, package: str, with_dependencies: str = "") -> Path:
    """The directory under which the package's files are. with_dependencies: a regular expression
    of the names of dependencies that are unpacked with it. Raises Absent."""
    root = cache() / f"{release}-{package}"
    if (root / ".complete").exists():
        return root
    apt = _Apt(release)
    apt.update()
    names = [package]
    if with_dependencies:
        names += [n for n in apt.closure(package) if re.fullmatch(with_dependencies, n)]
    root.mkdir(parents=True, exist_ok=True)
    for archive in apt.download(names):
        _run(["dpkg", "-x", str(archive), str(root)])
    (root / ".complete").touch()
    return root


class _Apt:
    def __init__(self, release: str) -> None:
        self._place = cache() / f"apt-{release}"
        for folder in ("lists/partial", "archives/partial", "sources.d"):
            (self._place / folder).mkdir(parents=True, exist_ok=True)
        (self._place / "status").touch()
        _write_sources(self._place, release)
        options = {
            "Dir::Etc::SourceList": self._place / "sources.list",
            "Dir::Etc::SourceParts": self._place / "sources.d",
            "Dir::State::Lists": self._place / "lists",
            "Dir::State::Status": self._place / "status",
            "Dir::Cache": self._place,
            "Dir::Cache::Archives": self._place / "archives",
            "APT::Sandbox::User": "root",
        }
        self._options = [
            word for name, value in options.items() for word in ("-o", f"{name}={value}")
        ]

    def update(self) -> None:
        _run(["apt-get", *self._options, "-qq", "update"])

    def closure(self, package: str) -> list[str]:
        """Everything that would be installed with it on an empty machine."""
        text = _run(
            ["apt-get", *self._options, "-s", "--no-install-recommends", "install", package]
        )
        return re.findall(r"^Inst (\S+)", text, re.MULTILINE)

    def download(self, packages: Iterable[str]) -> list[Path]:
        target = self._place / "debs"
        target.mkdir(exist_ok=True)
        for old in target.glob("*.deb"):
            old.unlink()
        _run(["apt-get", *self._options, "-qq", "download", *packages], cwd=target)
        return sorted(target.glob("*.deb"))


def _write_sources(place: Path, release: str) -> None:
    """The machine's Debian sources, line by line, with the release's name put in. Updates and
    security are left out: their suites need not exist for another release."""
    written = 0
    for source in (SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))):
        if source.suffix not in (".list", ".sources") or not source.exists():
            continue
        text = source.read_text(errors="replace")
        if not _SUITE.search(text) or "debian" not in text:
            continue
        adapted = _deb822(text, release) if source.suffix == ".sources" else _lines(text, release)
        if adapted:
            (place / "sources.d" / source.name).write_text(adapted)
            written += 1
    (place / "sources.list").write_text("")
    if not written:
        raise Absent("the machine's APT has no Debian sources")


def _deb822(text: str, release: str) -> str:
    kept = []
    for paragraph in re.split(r"\n\s*\n", text):
        suites = re.search(r"^Suites:(.*)$", paragraph, re.MULTILINE)
        if suites is None or not any(_SUITE.fullmatch(word) for word in suites.group(1).split()):
            continue
        kept.append(paragraph.replace(suites.group(0), f"Suites: {release}"))
    return "\n\n".join(kept) + "\n" if kept else ""


def _lines(text: str, release: str) -> str:
    kept = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["deb"] and any(_SUITE.fullmatch(word) for word in words):
            kept.append(" ".join(release if _SUITE.fullmatch(word) else word for word in words))
    return "\n".join(kept) + "\n" if kept else ""


def _run(command: list[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Absent(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
