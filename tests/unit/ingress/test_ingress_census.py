"""Our proxies among the processes of the host, found without looking at all of them each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from controller.ingress import process
from controller.ingress.alive import OPTION, Ours
from controller.ingress.process import Census

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A process with that argument, once it is what it shall be."""
    made: list[subprocess.Popen[str]] = []

    def begin(argument: str) -> subprocess.Popen[str]:
        program = "print('up', flush=True); import time; time.sleep(60)"
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", program, argument], stdout=subprocess.PIPE, text=True
            )
        )
        assert made[-1].stdout is not None
        assert made[-1].stdout.readline() == "up\n"
        return made[-1]

    yield begin
    for each in made:
        each.kill()
        each.wait()


def test_who_comes_and_goes(start: Start, tmp_path: Path) -> None:
    ours = Ours(tmp_path, "")
    census = Census(ours)
    assert census.take() == []
    proxy = start(OPTION + str(ours.write("ab12", 9000, {})))
    start("--something-else")
    for _ in range(2):
        assert [found.id for found in census.take()] == [str(proxy.pid)]
    proxy.kill()
    proxy.wait()
    assert census.take() == []


def test_strangers_are_not_looked_at_each_time(start: Start, tmp_path: Path) -> None:
    census, stranger = Census(Ours(tmp_path, "")), start("--something-else").pid
    with patch.object(process, "_command", wraps=process._command) as looked:

        def looks() -> int:
            return [call.args[0] for call in looked.call_args_list].count(stranger)

        census.take()
        census.take()
        assert looks() == 1
        census.take([stranger])
        assert looks() == 2
        with patch.object(process.time, "monotonic", return_value=1e12):
            census.take()
        assert looks() == 3
