"""Which of our proxies run: found by their command line, so nothing needs to be remembered.

The file of static configuration that a proxy was started with lies in our own directory, and its
name says everything: which configuration, and where the API is. A controller that comes back, also
one that was killed right after it started a proxy, finds it by that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPTION = "--configFile="
_NAME = re.compile(r"static-([0-9a-f]+)-([0-9]+)\.yml")
_POLL = 0.3


@dataclass(frozen=True, slots=True)
class Alive:
    """digest: of the configuration it was started with."""

    pid: int
    digest: str
    api_port: int

    def still(self, home: Path) -> bool:
        """Under this pid, that very proxy."""
        command = _command(self.pid)
        return command is not None and _proxy(self.pid, command, home) == self


def file_name(digest: str, api_port: int) -> str:
    return f"static-{digest}-{api_port}.yml"


def running(home: Path) -> list[Alive]:
    """Blocking, some milliseconds."""
    found = (_proxy(pid, command, home) for pid, command in _commands())
    return [proxy for proxy in found if proxy is not None]


def _proxy(pid: int, command: list[str], home: Path) -> Alive | None:
    for argument in command[1:]:
        path = Path(argument.removeprefix(OPTION))
        if argument.startswith(OPTION) and path.parent == home:
            name = _NAME.fullmatch(path.name)
            return Alive(pid, name[1], int(name[2])) if name else None
    return None


def _commands() -> Iterator[tuple[int, list[str]]]:
    if not Path("/proc/self/cmdline").exists():
        yield from _listed()
        return
    for place in Path("/proc").glob("[0-9]*"):
        pid = int(place.name)
        if (command := _command(pid)) is not None:
            yield pid, command


def _command(pid: int) -> list[str] | None:
    """None: there is none, or it has ended."""
    if not Path("/proc/self/cmdline").exists():
        return next((command for each, command in _listed() if each == pid), None)
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return [os.fsdecode(part) for part in raw.split(b"\0") if part] or None


def _listed() -> Iterator[tuple[int, list[str]]]:
    """Where there is no /proc."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["ps", "-axo", "pid=,command="], capture_output=True, text=True, timeout=10
        )
        for line in done.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command.split()


async def ended(proxy: Alive, home: Path) -> None:
    """Until it has."""
    try:
        descriptor = os.pidfd_open(proxy.pid)
    except (AttributeError, OSError):
        while proxy.still(home):  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(_POLL)
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        if proxy.still(home):
            await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
