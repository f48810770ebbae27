"""Newline-delimited JSON that goes on until the client leaves.

A producer gets ``emit`` and runs as long as the client listens: it is cancelled when the client
goes, when a write takes too long, and at shutdown. An idle stream sends an empty line every few
seconds, so that both sides notice a dead peer. Once the first byte is out there is no HTTP status
left to set: errors then are a line of their own, ``{"type": "error", "error": {...}}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.api.errors import to_user_error
from resources.errors import UserError

log = structlog.get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds between empty lines while there is nothing to say."""
WRITE_TIMEOUT = 60.0
"""Seconds that a client may take to read what it asked for."""

NDJSON: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "Newline-delimited JSON, until the client leaves",
            "content": {"application/x-ndjson": {}},
        }
    },
}
"""What a route that streams says of itself."""

Emit = Callable[[dict[str, Any]], Awaitable[None]]


class Gone(Exception):
    """The client left or does not read."""


class Over(Exception):
    """All is said, or we are stopping: the stream ends as it should."""


def plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True)


class JsonLines(Response):
    media_type = "application/x-ndjson"

    def __init__(self, produce: Callable[[Emit], Awaitable[None]]) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._produce = produce
        self._writing = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        last = {"type": "http.response.body", "body": b"", "more_body": False}
        try:
            async with asyncio.TaskGroup() as group:
                await send(start)
                group.create_task(_until_gone(receive))
                group.create_task(_until_closing(scope["app"].state.closing))
                group.create_task(self._beat(send))
                await self._run(send)
                raise Over
        except* Over:
            await send(last)
        except* (Gone, OSError):
            pass

    async def _run(self, send: Send) -> None:
        async def emit(line: dict[str, Any]) -> None:
            await self._write(send, orjson.dumps(line) + b"\n")

        try:
            await self._produce(emit)
        except Gone:
            raise
        except Exception as error:
            known = to_user_error(_single(error))
            if known.code == "INTERNAL":
                log.error("stream failed", exc_info=error)
            await emit(error_line(known))

    async def _write(self, send: Send, line: bytes) -> None:
        async with self._writing:
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await send({"type": "http.response.body", "body": line, "more_body": True})
            except TimeoutError as error:
                raise Gone from error

    async def _beat(self, send: Send) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            await self._write(send, b"\n")


def error_line(error: UserError) -> dict[str, Any]:
    return {"type": "error", "error": error.to_dict()}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise Gone


async def _until_closing(closing: asyncio.Event) -> None:
    await closing.wait()
    raise Over


def _single(error: Exception) -> BaseException:
    """The cause inside a task group's wrapping."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
