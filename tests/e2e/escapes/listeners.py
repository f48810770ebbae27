"""Listeners that say who they are: ``python -m tests.e2e.escapes.listeners KIND=ADDRESS=PORT...``

KIND is tcp or udp. Whoever connects, or sends a datagram, is answered ``reached ADDRESS=PORT``;
what datagrams said is printed, since a forged sender never sees the answer. Prints ``ready`` once
all listen. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import cast


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        print(data.decode(errors="replace").strip(), flush=True)
        self._transport.sendto(f"reached {self._name}\n".encode(), addr)


async def listen(word: str) -> None:
    kind, address, port = word.split("=")
    name = f"{address}={port}"
    if kind == "udp":
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: Datagrams(name), local_addr=(address, int(port))
        )
        return

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(f"reached {name}\n".encode())
            await writer.drain()
            writer.close()

    await asyncio.start_server(greet, address, int(port))


async def main(words: list[str]) -> None:
    for word in words:
        await listen(word)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
