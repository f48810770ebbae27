"""Visitors of a hostname through a proxy, in a process of their own: ``python -m
tests.e2e.visitors PORT HOSTNAME``.

A few of each kind, half of which keep their connections: small answers, answers to a body that was
sent, downloads of some hundred KiB, and WebSockets. For each line on the standard input it says, as
a line of JSON, what was asked and what failed since the line before.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import aiohttp

PATIENCE = 30.0
"""Seconds for one request."""
BODY, BIG = b"x" * 20_000, 300 * 1024
TICKS = 8
"""Messages that a WebSocket waits for, about 0.2 s each."""


class Visitors:
    """pause: seconds between two requests of one visitor."""

    def __init__(self, port: int, hostname: str, pause: float = 0.01) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._hostname, self._pause = hostname, pause
        self.asked, self.failed = Counter[str](), Counter[str]()
        self.first: dict[str, float] = {}

    async def run(self) -> None:
        kinds = {"get": self._get, "post": self._post, "big": self._big, "socket": self._socket}
        async with asyncio.TaskGroup() as group:
            for kind, visit in kinds.items():
                for keeps in (True, False):
                    group.create_task(self._visitor(kind, visit, keeps=keeps))
                    if kind == "get":
                        group.create_task(self._visitor(kind, visit, keeps=keeps))

    def told(self) -> dict[str, int]:
        """What failed, with the time of the first of each, as a log has it."""
        return {
            f"{why} (first at {datetime.fromtimestamp(self.first[why], UTC):%H:%M:%S.%f})": count
            for why, count in self.failed.items()
        }

    async def _visitor(self, kind: str, visit: Any, *, keeps: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=not keeps)
        headers = {"Host": self._hostname}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            while True:
                try:
                    async with asyncio.timeout(PATIENCE):
                        problem = await visit(session)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    problem = f"{type(error).__name__}: {error}"[:90]
                self.asked[kind] += 1
                if problem:
                    self.failed[f"{kind}: {problem}"] += 1
                    self.first.setdefault(f"{kind}: {problem}", time.time())
                await asyncio.sleep(self._pause if kind == "get" else 5 * self._pause)

    async def _get(self, session: aiohttp.ClientSession) -> str:
        async with session.get(f"{self._base}/a/index.html") as answer:
            await answer.read()
            return "" if answer.status == 200 else str(answer.status)

    async def _post(self, session: aiohttp.ClientSession) -> str:
        async with session.post(f"{self._base}/count", data=BODY) as answer:
            said = (await answer.text()).strip()
            good = answer.status == 200 and said == str(len(BODY))
            return "" if good else f"{answer.status} {said[:40]}"

    async def _big(self, session: aiohttp.ClientSession) -> str:
        async with session.get(f"{self._base}/big") as answer:
            size = 0
            async for chunk in answer.content.iter_any():
                size += len(chunk)
            return "" if (answer.status, size) == (200, BIG) else f"{answer.status} {size} bytes"

    async def _socket(self, session: aiohttp.ClientSession) -> str:
        async with session.ws_connect(f"{self._base}/socket", autoclose=False) as socket:
            for _ in range(TICKS):
                message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return f"closed early ({message.type.name})"
        return ""


class Crowd:
    """The process, and what it says."""

    def __init__(self, port: int, hostname: str) -> None:
        self._command = [sys.executable, "-m", "tests.e2e.visitors", str(port), hostname]

    def __enter__(self) -> Crowd:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def tally(self) -> tuple[dict[str, int], dict[str, int]]:
        """asked by kind and failed by reason, since it was last asked for."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("tally\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return found["asked"], found["failed"]


async def _main(port: int, hostname: str) -> None:
    visitors = Visitors(port, hostname)
    visiting = asyncio.create_task(visitors.run())
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"asked": visitors.asked, "failed": visitors.told()}), flush=True)
        visitors.asked.clear()
        visitors.failed.clear()
        visitors.first.clear()
    visiting.cancel()
    await asyncio.gather(visiting, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
