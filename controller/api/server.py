"""Serving the two applications: the unix socket (0600) and the TCP listener.

Both are bound before anything is served, so that a taken port or a live socket is an error at
start. A stale socket, left by a killed process, is replaced; one that answers is not. Signals stay
with whoever runs us: cancel ``serve`` and it stops within seconds, open streams included.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from controller.api.app import create_app, create_public_app
from controller.core import Core
from resources.errors import UserError

log = structlog.get_logger(__name__)

GRACE = 1
"""Seconds that requests under way may take to end at shutdown; then they are cancelled."""
_LONGEST_PATH = 107


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and without its ticking main loop."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=GRACE,
                timeout_keep_alive=30,
                ws_max_size=1024 * 1024,
            )
        )
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stopping.wait()


async def serve(core: Core) -> None:
    """Serves until cancelled. Raises UserError when an address cannot be had."""
    with contextlib.ExitStack() as stack:
        path = core.settings.socket
        app = create_app(core)
        pairs = [(_Server(app), stack.enter_context(bound_socket(path)))]
        listening = None
        if core.settings.listen:
            tcp = stack.enter_context(bound_tcp(core.settings.listen))
            pairs.append((_Server(create_public_app(core)), tcp))
            listening = "{}:{}".format(*tcp.getsockname()[:2])
        log.info("serving", socket=str(path), listen=listening)
        await _run(pairs, app.state.closing)


async def _run(pairs: list[tuple[_Server, socket.socket]], closing: asyncio.Event) -> None:
    """Any server that ends by itself ends all; a cancellation lets each shut down first."""
    async with asyncio.TaskGroup() as group:
        tasks = {group.create_task(server.serve([sock])) for server, sock in pairs}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.set()
            for server, _ in pairs:
                server.stopping.set()
            await asyncio.wait(tasks, timeout=GRACE + 2)


@contextlib.contextmanager
def bound_socket(path: Path) -> Iterator[socket.socket]:
    """Listening on ``path``, for us alone; the file goes with it."""
    _check_path(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    mask = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen(128)  # at once: what refuses counts as left behind, and is removed
    except OSError as error:
        sock.close()
        raise UserError(
            "CONFIGURATION_SOCKET_UNUSABLE",
            f"cannot make the socket {path}: {error.strerror}",
            suggestions=["check the permissions of the state directory"],
        ) from error
    finally:
        os.umask(mask)
    inode = path.stat().st_ino
    try:
        yield sock
    finally:
        sock.close()
        with contextlib.suppress(OSError):
            if path.lstat().st_ino == inode:
                path.unlink()


def _check_path(path: Path) -> None:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise UserError(
            "CONFIGURATION_SOCKET_UNUSABLE",
            f"the socket's path is longer than {_LONGEST_PATH} bytes: {path}",
            suggestions=["choose a shorter --state-dir"],
        )


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UserError(
                "CONFIGURATION_SOCKET_UNUSABLE",
                f"{path} is there and is no socket",
                suggestions=["move it away, or choose another --state-dir"],
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # full backlog, no permission, no answer in time: somebody is there
    raise UserError(
        "CONFIGURATION_SOCKET_IN_USE",
        f"another controller answers on {path}",
        suggestions=["stop it first, or choose another --state-dir"],
    )


def _reason(error: OSError) -> str:
    """Without the address, which Python adds. A name that is not found has no such number."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


@contextlib.contextmanager
def bound_tcp(listen: str) -> Iterator[socket.socket]:
    """Listening on HOST:PORT (``[::1]:8900`` for IPv6)."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise UserError(
            "CONFIGURATION_INVALID",
            f"cannot listen on {listen!r}",
            suggestions=["write HOST:PORT, for example 127.0.0.1:8900"],
        )
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        sock = socket.create_server((host, int(port)), family=family, backlog=128)
    except OSError as error:
        raise UserError(
            "CONFIGURATION_PORT_IN_USE",
            f"cannot listen on {listen}: {_reason(error)}",
            details={"listen": listen},
            suggestions=["free the port, or choose another: --listen or SKYCTL_LISTEN"],
        ) from error
    with sock:
        sock.setblocking(False)
        yield sock
