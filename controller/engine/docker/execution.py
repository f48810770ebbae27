"""Running a command in a container, over the connection that the engine hands over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from controller.engine.docker import faults
from controller.engine.docker.wire import Wire, segment

RESIZES = 10
"""Attempts, half a second all in all."""
SETTLE = 5.0
"""Seconds that an exit code may come after the end of the output."""
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}


async def start(
    wire: Wire, container: str, command: Sequence[str], *, tty: bool, stdin: bool
) -> DockerExec:
    """Raises UserError: no such container, not running."""
    reply = await wire.call(
        "exec_create",
        "POST",
        f"containers/{segment(container)}/exec",
        json={
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": list(command),
        },
        subject=container,
    )
    id_ = reply.json()["Id"]
    stream = Exec(wire.streams, id_, tty).start()
    try:
        async with asyncio.timeout(wire.timeout):
            await stream._init()
    except TimeoutError as error:
        raise faults.silent(wire.endpoint.host, "exec_start", wire.timeout) from error
    except (DockerError, aiohttp.ClientError, OSError) as error:
        raise wire.translate("exec_start", error, container) from error
    return DockerExec(wire, id_, stream)


class DockerExec:
    def __init__(self, wire: Wire, id_: str, stream: Stream) -> None:
        self._wire = wire
        self._id = id_
        self._stream = stream

    async def write(self, data: bytes) -> None:
        """Nothing happens once the command has ended."""
        try:
            async with asyncio.timeout(self._wire.timeout):
                await self._stream.write_in(data)
        except TimeoutError as error:
            host = self._wire.endpoint.host
            raise faults.silent(host, "exec_write", self._wire.timeout) from error
        except (AssertionError, OSError, RuntimeError, aiohttp.ClientError):
            return

    async def close_input(self) -> None:
        """The command reads an end of file; its output goes on."""
        response = self._stream._resp
        transport = response.connection.transport if response and response.connection else None
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    async def resize(self, rows: int, columns: int) -> None:
        """A command that is only just starting has no terminal yet: tried a few times."""
        for attempt in range(RESIZES):
            reply = await self._wire.call(
                "exec_resize",
                "POST",
                f"exec/{self._id}/resize",
                params={"h": str(rows), "w": str(columns)},
                accept=(404, 409, 500),
            )
            if reply.status not in (409, 500):
                return
            await asyncio.sleep(0.01 * (attempt + 1))

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """Ends with the command. Silent as long as the command is."""
        while True:
            try:
                message = await self._stream.read_out()
            except (aiohttp.ClientError, OSError) as error:
                raise self._wire.translate("exec_start", error, "") from error
            if message is None:
                return
            yield _STREAMS.get(message.stream, "stderr"), message.data

    async def exit_code(self) -> int:
        """Waits for the end if need be. -1 when the engine does not tell."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE
        while True:
            raw: dict[str, Any] | None = await self._wire.get(
                "exec_inspect", f"exec/{self._id}/json"
            )
            if raw is None:
                return -1
            if not raw.get("Running") and raw.get("ExitCode") is not None:
                return int(raw["ExitCode"])
            if loop.time() > deadline and not raw.get("Running"):
                return -1
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        response = self._stream._resp
        if response is not None and response.connection is not None:
            await self._stream.close()
        elif response is not None:
            self._stream._closed = True
            response.close()
