"""A command inside a container, over a WebSocket.

Binary frames carry bytes: from the client they are standard input; from the server the first byte
says the stream, 1 for stdout and 2 for stderr. Text frames are JSON: from the client
``{"type": "resize", "rows", "columns"}`` and ``{"type": "eof"}``; from the server, last of all,
``{"type": "exit", "code"}`` or ``{"type": "error", "error"}``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from controller.api.containers import pick_running
from controller.api.errors import to_user_error
from controller.api.lookup import CoreOf, find
from controller.core import Core
from controller.engine.base import ExecSession
from resources.errors import UserError

log = structlog.get_logger(__name__)
router = APIRouter()

_STREAMS = {"stdout": b"\x01", "stderr": b"\x02"}
EXIT_TIMEOUT = 10.0
"""Seconds for the engine to tell the exit code once the output has ended."""


class _Left(Exception):
    """The client closed the connection."""


@router.websocket("/resources/{kind}/{name}/exec")
async def exec_(
    websocket: WebSocket,
    core: CoreOf,
    kind: str,
    name: str,
    command: Annotated[list[str] | None, Query()] = None,
    organization: str | None = None,
    tty: bool = False,
    stdin: bool = False,
    ordinal: int | None = None,
    container: str | None = None,
) -> None:
    await websocket.accept()
    session: ExecSession | None = None
    try:
        session = await _start(
            core, kind, name, organization, command or [], tty, stdin, ordinal, container
        )
        last: dict[str, Any] = {"type": "exit", "code": await _attend(websocket, session)}
    except (_Left, WebSocketDisconnect):
        return
    except Exception as error:
        known = to_user_error(error)
        if known.code == "INTERNAL":
            log.error("exec failed", exc_info=error)
        last = {"type": "error", "error": known.to_dict()}
    finally:
        if session is not None:
            await session.close()
    await websocket.send_text(orjson.dumps(last).decode())
    await websocket.close()


async def _start(
    core: Core,
    kind: str,
    name: str,
    organization: str | None,
    command: list[str],
    tty: bool,
    stdin: bool,
    ordinal: int | None,
    container: str | None,
) -> ExecSession:
    if not command:
        raise UserError(
            "CONFIGURATION_INVALID_REQUEST",
            "no command is given",
            suggestions=["skyctl exec service/NAME -- COMMAND"],
        )
    entry = await find(core, kind, name, organization)
    target = await pick_running(core, entry, ordinal, container)
    return await core.engine.exec(target.id, command, tty=tty, stdin=stdin)


async def _attend(websocket: WebSocket, session: ExecSession) -> int:
    """Both directions until the command ends. Raises _Left when the client goes first."""
    try:
        async with asyncio.TaskGroup() as group:
            inward = group.create_task(_inward(websocket, session))
            async for stream, data in session.output():
                await websocket.send_bytes(_STREAMS.get(stream, b"\x01") + data)
            inward.cancel()
    except* (_Left, WebSocketDisconnect):
        raise _Left from None
    async with asyncio.timeout(EXIT_TIMEOUT):
        return await session.exit_code()


async def _inward(websocket: WebSocket, session: ExecSession) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Left
        if (data := message.get("bytes")) is not None:
            await session.write(data)
        elif (text := message.get("text")) is not None:
            await _control(session, text)


async def _control(session: ExecSession, text: str) -> None:
    """Unknown or broken control frames are ignored: the terminal goes on."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    match message:
        case {"type": "resize", "rows": int(rows), "columns": int(columns)}:
            if 0 < rows < 10_000 and 0 < columns < 10_000:
                await session.resize(rows, columns)
        case {"type": "eof"}:
            await session.close_input()
