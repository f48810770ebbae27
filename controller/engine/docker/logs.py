"""A container's logs: frames of the engine's stream, cut into lines with their times.

Without a terminal the engine sends frames of 8 bytes header (stream, length) and text, with one it
sends bare text. Each line starts with its time. The engine splits lines past 16 KiB into frames
without a line end, each with a time of its own: they are joined again.

Following has no deadline of its own, since a container may well say nothing for hours; after
each silence the container is looked at, so that a dead engine or a container gone ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aiohttp

from controller.engine.base import LogLine
from controller.engine.docker import faults
from controller.engine.docker.wire import Wire, segment

SILENCE = 30.0
"""Seconds without a line after which a followed container is looked at."""
LONGEST = 1024 * 1024
"""Characters of one line; the rest is a line of its own."""
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}


async def follow(
    wire: Wire, container: str, *, follow: bool, tail: int | None, since: float | None
) -> AsyncIterator[LogLine]:
    """since: seconds since the epoch. Raises UserError RESOURCE_NOT_FOUND, ENGINE_*."""
    path = f"containers/{segment(container)}"
    raw = await wire.get("inspect_container", f"{path}/json")
    if raw is None:
        raise faults.refused("logs", 404, "No such container", container)
    tty = bool(raw["Config"].get("Tty"))
    params = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "follow": "1" if follow else "0",
        "tail": "all" if tail is None else str(tail),
    }
    if since is not None:
        params["since"] = f"{since:.9f}"
    async with wire.stream("logs", "GET", f"{path}/logs", params=params) as response:
        lines = LineJoiner()
        frames = _bare(wire, path, response) if tty else _framed(wire, path, response)
        async for stream, text in frames:
            for line in lines.feed(stream, text):
                yield line
        for line in lines.rest():
            yield line


@dataclass(slots=True)
class LineJoiner:
    """Joins what belongs to one line, per stream."""

    _open: dict[str, tuple[str, str]] = field(default_factory=dict)
    _bytes: dict[str, bytes] = field(default_factory=dict)

    def feed(self, stream: str, data: bytes) -> Iterator[LogLine]:
        """data: one frame, that is one line or a part of one (or, bare, any bytes)."""
        for piece in (self._bytes.pop(stream, b"") + data).splitlines(keepends=True):
            if b" " not in piece and not piece.endswith(b"\n"):
                self._bytes[stream] = piece
                continue
            time, _, text = piece.decode(errors="replace").partition(" ")
            begun, before = self._open.pop(stream, (time, ""))
            whole = before + text
            if whole.endswith("\n") or len(whole) > LONGEST:
                yield LogLine(stream, begun, whole.rstrip("\r\n"))
            else:
                self._open[stream] = (begun, whole)

    def rest(self) -> Iterator[LogLine]:
        for stream, (begun, text) in self._open.items():
            yield LogLine(stream, begun, text.rstrip("\r"))


async def _framed(
    wire: Wire, path: str, response: aiohttp.ClientResponse
) -> AsyncIterator[tuple[str, bytes]]:
    buffer = b""
    async for chunk in _chunks(wire, path, response):
        buffer += chunk
        while len(buffer) >= 8:
            size = int.from_bytes(buffer[4:8], "big")
            if len(buffer) < 8 + size:
                break
            yield _STREAMS.get(buffer[0], "stderr"), buffer[8 : 8 + size]
            buffer = buffer[8 + size :]


async def _bare(
    wire: Wire, path: str, response: aiohttp.ClientResponse
) -> AsyncIterator[tuple[str, bytes]]:
    """Whole lines only: a terminal's bytes come cut anywhere."""
    rest = b""
    async for chunk in _chunks(wire, path, response):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield "stdout", line + b"\n"
        if len(rest) > LONGEST:
            yield "stdout", rest
            rest = b""
    if rest:
        yield "stdout", rest


async def _chunks(wire: Wire, path: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                chunk = await response.content.readany()
        except TimeoutError:
            if await wire.get("inspect_container", f"{path}/json") is None:
                return
            continue
        except (aiohttp.ClientError, OSError) as error:
            raise wire.translate("logs", error, "") from error
        if not chunk:
            return
        yield chunk
