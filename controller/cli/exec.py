"""``skyctl exec``: a command inside a container, with its streams, its terminal, its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from controller.cli.client import actor, connect, remote_host, socket_path, unreachable
from controller.cli.failure import FAILED, Failure, Misuse
from controller.cli.options import Org, organization
from controller.cli.options import service as parse_service
from resources.errors import UserError

Words = Annotated[list[str], typer.Argument(metavar="service/NAME -- COMMAND [ARGUMENT]...")]


def exec_(
    words: Words,
    stdin: Annotated[
        bool, typer.Option("-i", "--stdin", help="Pass standard input on, also without a terminal.")
    ] = False,
    tty: Annotated[
        bool | None,
        typer.Option("-t/-T", "--tty/--no-tty", help="A terminal; default: if we have one."),
    ] = None,
    ordinal: Annotated[int | None, typer.Option(min=0, help="In this replica.")] = None,
    container: Annotated[str | None, typer.Option(help="In this container, by name.")] = None,
    org: Org = None,
) -> None:
    """Run a command in a running container of a service. Exits with the command's exit code."""
    if len(words) < 2:
        raise Misuse("no command is given", "skyctl exec service/NAME -- COMMAND [ARGUMENT]...")
    reference = parse_service(words[:1])
    terminal = (sys.stdin.isatty() and sys.stdout.isatty()) if tty is None else tty
    parameters = {
        "command": list(words[1:]),
        "organization": organization(org),
        "tty": str(terminal).lower(),
        "stdin": str(stdin or terminal).lower(),
        "ordinal": ordinal,
        "container": container,
    }
    path = f"/v1/resources/{reference.kind}/{reference.name}/exec"
    query = urlencode({k: v for k, v in parameters.items() if v is not None}, doseq=True)
    with _socket(f"{path}?{query}") as connection:
        code = _Session(connection, terminal, stdin or terminal).run()
    raise typer.Exit(code)


@contextlib.contextmanager
def _socket(target: str) -> Iterator[Any]:
    """Raises Unreachable; the plain client first, since its errors say why."""
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect as connect_tcp
    from websockets.sync.client import unix_connect

    headers = {"skyctl-actor": actor().encode("ascii", "replace").decode()}
    address = remote_host() or str(socket_path())
    with connect() as client:
        client.get("/controller")
    try:
        if host := remote_host():
            if token := os.environ.get("SKYCTL_TOKEN"):
                headers["authorization"] = f"Bearer {token}"
            url = host.rstrip("/").replace("http", "ws", 1) + target
            connection = connect_tcp(url, additional_headers=headers, compression=None)
        else:
            connection = unix_connect(
                address, f"ws://controller{target}", additional_headers=headers, compression=None
            )
    except (OSError, WebSocketException) as error:
        raise unreachable(address, error) from error
    with connection:
        yield connection


class _Session:
    def __init__(self, connection: Any, tty: bool, stdin: bool) -> None:
        self._connection = connection
        self._tty, self._stdin = tty, stdin
        self._resized: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(self) -> int:
        with _raw_terminal(self._tty and sys.stdin.isatty()):
            if self._tty:
                self._send_size()
                threading.Thread(target=self._send_sizes, daemon=True).start()
                signal.signal(signal.SIGWINCH, lambda *_: self._resized.put(None))
            if self._stdin:
                threading.Thread(target=self._send_input, daemon=True).start()
            return self._receive()

    def _receive(self) -> int:
        from websockets.exceptions import ConnectionClosed

        outputs = {1: sys.stdout.buffer, 2: sys.stderr.buffer}
        try:
            for message in self._connection:
                if isinstance(message, bytes):
                    out = outputs.get(message[0], sys.stdout.buffer)
                    out.write(message[1:])
                    out.flush()
                else:
                    return _end(json.loads(message))
        except ConnectionClosed:
            pass
        raise Failure(
            UserError(
                "DEPLOYMENT_EXEC_LOST",
                "the connection ended before the command did",
                suggestions=["the controller may have been restarted: try again"],
                retryable=True,
            ),
            FAILED,
        )

    def _send_input(self) -> None:
        with contextlib.suppress(Exception):  # the session is over: nothing is left to tell
            while data := os.read(sys.stdin.fileno(), 65536):
                self._connection.send(data)
            self._connection.send('{"type": "eof"}')

    def _send_sizes(self) -> None:
        """In a thread: a signal may come while the main one is inside the connection."""
        while True:
            self._resized.get()
            self._send_size()

    def _send_size(self) -> None:
        with contextlib.suppress(Exception):  # no terminal, or the session is over
            columns, rows = os.get_terminal_size()
            self._connection.send(json.dumps({"type": "resize", "rows": rows, "columns": columns}))


def _end(message: dict[str, Any]) -> int:
    if message["type"] == "exit":
        return int(message["code"])
    raise UserError.from_dict(message["error"])


@contextlib.contextmanager
def _raw_terminal(wanted: bool) -> Iterator[None]:
    """Keys go to the command as they are pressed, Ctrl-C too."""
    if not wanted:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin.fileno())
    try:
        tty.setraw(sys.stdin.fileno(), termios.TCSADRAIN)  # what was typed ahead stays
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
