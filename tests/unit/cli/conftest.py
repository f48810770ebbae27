"""The command line in this process, against a controller on fakes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from controller.cli.root import invoke
from tests.unit.site import Site, running_site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Ran]


@pytest.fixture
def offline(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: object
) -> Run:
    """Without a controller: an empty state directory."""
    for name in ("SKYCTL_ORG", "SKYCTL_HOST", "SKYCTL_TOKEN", "SKYCTL_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SKYCTL_STATE_DIR", str(tmp_path))

    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        code = invoke(arguments)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


class _Typed(io.StringIO):
    def __init__(self, text: str, terminal: bool) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


Answers = Callable[..., None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What stands in standard input from now on, and whether that is a terminal."""

    def typed(text: str | None, *, terminal: bool) -> None:
        monkeypatch.setattr(sys, "stdin", _Typed(text or "", terminal))

    return typed


@pytest.fixture
def skyctl(offline: Run, site: Site, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SKYCTL_STATE_DIR", str(site.settings.state_dir))
    return offline
