"""A few questions to a Docker engine over plain HTTP: doctor must work where nothing else does."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from controller.engine.docker.endpoint import Endpoint

TIMEOUT = 5.0
"""Seconds for each question."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class NotAnEngine(Exception):
    """Something answers, and not as a Docker engine does."""


def ask(endpoint: Endpoint, path: str) -> Any:
    """JSON of ``GET path``. Raises OSError, NotAnEngine, UserError (certificates)."""
    connection = _connection(endpoint)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise NotAnEngine(f"{path} answered {response.status}: {body[:200]!r}")
        return json.loads(body)
    except (http.client.HTTPException, ValueError) as error:
        raise NotAnEngine(str(error) or type(error).__name__) from error
    finally:
        connection.close()


def _connection(endpoint: Endpoint) -> http.client.HTTPConnection:
    if endpoint.socket is not None:
        return _UnixConnection(endpoint.socket)
    parts = urlsplit(endpoint.base)
    host, port = parts.hostname or "", parts.port
    if (context := endpoint.ssl_context()) is not None:
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
