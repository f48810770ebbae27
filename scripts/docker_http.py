"""The Docker engine's HTTP API, as far as the project's scripts need it.

Standard library only: a fresh machine has neither the virtual environment nor Docker's client.
Where the engine is follows the environment as everywhere: DOCKER_HOST, else the standard socket;
DOCKER_TLS_VERIFY and DOCKER_CERT_PATH for a remote one.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

STANDARD_SOCKET = "/var/run/docker.sock"


class EngineError(Exception):
    """The engine cannot be reached or refused; the message says which and why."""


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Engine:
    """One address of an engine. ``timeout`` is for each read, in seconds."""

    address: str
    timeout: float = 30.0

    @classmethod
    def from_environment(cls) -> Engine:
        return cls(os.environ.get("DOCKER_HOST") or f"unix://{STANDARD_SOCKET}")

    def _connection(self) -> http.client.HTTPConnection:
        where = urlsplit(self.address)
        if where.scheme == "unix":
            return _SocketConnection(where.path, self.timeout)
        if where.scheme not in ("tcp", "http", "https") or where.hostname is None:
            raise EngineError(f"DOCKER_HOST={self.address} is not unix://, tcp:// or https://")
        if where.scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
            return http.client.HTTPSConnection(
                where.hostname, where.port or 2376, timeout=self.timeout, context=_tls()
            )
        return http.client.HTTPConnection(where.hostname, where.port or 2375, timeout=self.timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The body of the answer. Raises EngineError when unreachable or refused."""
        connection = self._connection()
        try:
            with suppress(BrokenPipeError):  # it may refuse before it has read all of the body
                connection.request(
                    method, path, body, {"Content-Type": content_type} if body else {}
                )
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{self.address} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(f"{method} {path}: {response.status} {_message(content)}")
        return content

    def get(self, path: str) -> Any:
        return json.loads(self.request("GET", path))

    def describe(self) -> str:
        """``Docker 20.10.24 (API 1.41)``. Raises EngineError."""
        version = self.get("/version")
        return f"Docker {version['Version']} (API {version['ApiVersion']})"


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


def _tls() -> ssl.SSLContext:
    directory = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context
