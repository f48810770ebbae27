"""A pass-through in front of the engine's socket that notes when each request arrives.

Bytes are handed on unchanged in both directions; requests are only followed closely enough to know
where each begins (heads, and bodies of a given length). The time noted is when the head was
complete, so what the pass-through itself costs counts against the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """at: seconds of the monotonic clock. path: without the API version."""

    at: float
    method: str
    path: str
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wiretap:
    def __init__(self, socket: Path, engine: str) -> None:
        self.socket = socket
        self.requests: list[Request] = []
        self._engine = engine
        self._waiting: list[tuple[Callable[[Request], bool], asyncio.Future[Request]]] = []

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    async def seen(self, wanted: Callable[[Request], bool], seconds: float = 60.0) -> Request:
        """The next request of that kind. Raises TimeoutError."""
        future: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        async with asyncio.timeout(seconds):
            return await future

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        for entry in list(self._waiting):
            wanted, future = entry
            if not future.done() and wanted(request):
                future.set_result(request)
                self._waiting.remove(entry)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        theirs, ours = await asyncio.open_unix_connection(self._engine, limit=LARGEST)
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(_copy(theirs, writer))
                with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                    await self._requests(reader, ours)
                ours.close()
                await back
        except* (ConnectionError, OSError):
            pass
        finally:
            writer.close()
            ours.close()

    async def _requests(self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            at = time.perf_counter()
            lines = head.split(b"\r\n")
            method, path, _ = lines[0].decode().split(" ", 2)
            size = head_length(lines[1:])
            body = await reader.readexactly(size) if size else b""
            ours.write(head + body)
            await ours.drain()
            self._note(Request(at, method, unversioned(path), body))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await source.read(1 << 16):
            target.write(chunk)
            await target.drain()
    target.close()


def head_length(headers: list[bytes]) -> int:
    for line in headers:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def unversioned(path: str) -> str:
    head, _, rest = path.lstrip("/").partition("/")
    return "/" + (rest if head[:1] == "v" and head[1:2].isdigit() else path.lstrip("/"))


@asynccontextmanager
async def wiretap(directory: Path, engine: str) -> AsyncIterator[Wiretap]:
    """engine: path of its socket."""
    tap = Wiretap(directory / "tap.sock", engine)
    server = await asyncio.start_unix_server(tap.serve, tap.socket, limit=LARGEST)
    try:
        yield tap
    finally:
        server.close()
