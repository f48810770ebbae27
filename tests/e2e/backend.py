"""What is behind the route when traffic is watched: a small web server that keeps connections,
reads bodies, streams and speaks WebSocket. It runs in a container of its own, on port 8000.

How it ends at SIGTERM says $MANNERS. Without: at once, whatever is under way, as most programs do.
``polite``: it takes no connection any more, closes those that are idle, and ends what is under way.
``lingers``: it says first that it is going to (its health check fails), and serves on for 3 s.

``/big`` is 300 KiB, ``/count`` says how many bytes were sent, ``/slow?N`` streams a line each half
second for N times, ``/socket`` ticks, ``/status/N`` answers N, and everything else says $VERSION.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

PORT = 8000
BIG = b"x" * (300 * 1024)
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STATUS = "/status/"
VERSION = os.environ.get("VERSION", "").encode()
MANNERS = os.environ.get("MANNERS", "")
LEAVING = Path("/leaving")
idle: set[asyncio.StreamWriter] = set()
busy: set[asyncio.StreamWriter] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            idle.add(writer)
            head = await reader.readuntil(b"\r\n\r\n")
            idle.discard(writer)
            busy.add(writer)
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = await read_body(reader, headers)
            path, _, query = first.split(" ")[1].partition("?")
            if path == "/socket":
                return await tick(writer, headers["sec-websocket-key"])
            if path == "/slow":
                return await drip(writer, int(query))
            code = int(path[len(STATUS) :]) if path.startswith(STATUS) else 200
            answer(writer, BIG if path == "/big" else body if path == "/count" else VERSION, code)
            await writer.drain()
            busy.discard(writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        idle.discard(writer)
        busy.discard(writer)
        writer.close()


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """How many bytes came, as text."""
    if headers.get("transfer-encoding") != "chunked":
        return b"%d" % len(await reader.readexactly(int(headers.get("content-length", 0))))
    total = 0
    while size := int(await reader.readline(), 16):
        total += len(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"%d" % total


def answer(writer: asyncio.StreamWriter, content: bytes, code: int) -> None:
    writer.write(b"HTTP/1.1 %d As asked\r\nContent-Type: text/plain\r\n" % code)
    writer.write(b"Content-Length: %d\r\n\r\n" % len(content))
    writer.write(content)


async def drip(writer: asyncio.StreamWriter, times: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    for _ in range(times):
        writer.write(b"line\n")
        await writer.drain()
        await asyncio.sleep(0.5)
    writer.write(b"end\n")
    await writer.drain()


async def tick(writer: asyncio.StreamWriter, key: str) -> None:
    accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
    writer.write(b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept)
    for _ in range(20):
        writer.write(b"\x81\x04tick")
        await writer.drain()
        await asyncio.sleep(0.2)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=1024)
    if not MANNERS:
        loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        await server.serve_forever()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    if MANNERS == "lingers":
        LEAVING.touch()  # noqa: ASYNC240
        await asyncio.sleep(3)
    server.close()
    while idle or busy:
        for writer in tuple(idle):
            writer.close()
        await asyncio.sleep(0.02)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
