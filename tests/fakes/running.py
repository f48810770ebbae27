"""What runs inside a fake container, and what a list shows of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from resources.observed import Container


class FakeExec:
    """Echoes its command and what was written; exits 0, or N for the command ``exit N``."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._written = b""

    async def write(self, data: bytes) -> None:
        self._written += data

    async def close_input(self) -> None:
        return None

    async def resize(self, rows: int, columns: int) -> None:
        return None

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        yield "stdout", " ".join(self._command).encode() + b"\n"
        if self._written:
            yield "stdout", self._written

    async def exit_code(self) -> int:
        return int(self._command[1]) if self._command[0] == "exit" else 0

    async def close(self) -> None:
        return None


def listed(container: Container) -> Container:
    """What a list shows of it."""
    return replace(
        container,
        exit_code=None,
        oom_killed=False,
        error="",
        restarts=0,
        started_at=None,
        finished_at=None,
        health="" if container.state == "paused" else container.health,
        networks=tuple(replace(a, aliases=None) for a in container.networks),
        limits=None,
        restart_policy=None,
        inspected=False,
    )
