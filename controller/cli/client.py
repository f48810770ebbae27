"""HTTP to the controller: over the state directory's socket, or to ``SKYCTL_HOST``.

Every refusal comes back as the ``UserError`` that the controller sent; a controller that does not
answer is ``Unreachable``, which names the address and says how to start one.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from controller.cli.failure import Unreachable
from controller.settings import default_state_dir
from resources.errors import UserError

# httpx imports its own command line (click, rich, pygments) if it can, which costs a tenth of a
# second at every call of ours; it copes with not having it.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 120.0
STREAM_SILENCE = 30.0
"""Seconds; the controller sends an empty line every few seconds on an idle stream."""


def socket_path() -> Path:
    return default_state_dir() / "skyctl.sock"


def remote_host() -> str | None:
    return os.environ.get("SKYCTL_HOST") or None


def actor() -> str:
    if given := os.environ.get("SKYCTL_ACTOR"):
        return given
    try:
        return f"user:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"uid:{os.getuid()}"


class Client:
    """Synchronous. Use as a context manager."""

    def __init__(self, http: httpx.Client, address: str) -> None:
        self._http = http
        self._address = address

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._call("GET", path, parameters)

    def delete(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._call("DELETE", path, parameters)

    def post(self, path: str, body: Any = None, **parameters: Any) -> dict[str, Any]:
        return self._call("POST", path, parameters, body)

    def _call(
        self, method: str, path: str, parameters: dict[str, Any], body: Any = None
    ) -> dict[str, Any]:
        with self._reaching():
            response = self._http.request(
                method, "/v1" + path, params=_given(parameters), json=body
            )
        return _answer(response)

    @contextmanager
    def stream(self, path: str, **parameters: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Lines as they come, until the controller ends the stream or the caller leaves."""
        with (
            self._reaching(),
            self._http.stream(
                "GET",
                "/v1" + path,
                params=_given(parameters),
                timeout=httpx.Timeout(CONNECT_TIMEOUT, read=STREAM_SILENCE),
            ) as response,
        ):
            if response.is_error:
                response.read()
                _answer(response)
            yield _lines(response)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout as error:
            raise Unreachable(
                "CONFIGURATION_CONTROLLER_UNREACHABLE",
                f"the controller at {self._address} does not answer in time",
                suggestions=["look at its log", "test what it needs: skyctl doctor"],
                retryable=True,
            ) from error
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in parameters.items()
        if value is not None and value is not False
    }


def _lines(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line:
            yield json.loads(line)


def _answer(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and isinstance(body, dict):
        return body
    if isinstance(body, dict) and "code" in body:
        raise UserError.from_dict(body)
    raise UserError(
        "CONFIGURATION_UNEXPECTED_ANSWER",
        f"{response.url} answered {response.status_code} and not as a controller does",
        suggestions=["check SKYCTL_HOST; the TCP listener serves /metrics and health only"],
    )


def connect(timeout: float = READ_TIMEOUT) -> Client:
    limits = httpx.Timeout(CONNECT_TIMEOUT, read=timeout)
    headers = {"skyctl-actor": actor().encode("ascii", "replace").decode()}
    if host := remote_host():
        if token := os.environ.get("SKYCTL_TOKEN"):
            headers["authorization"] = f"Bearer {token}"
        return Client(httpx.Client(base_url=_checked(host), headers=headers, timeout=limits), host)
    path = socket_path()
    transport = httpx.HTTPTransport(uds=str(path), verify=False)
    http = httpx.Client(
        transport=transport, base_url="http://controller", headers=headers, timeout=limits
    )
    return Client(http, str(path))


def _checked(host: str) -> str:
    if not host.startswith(("http://", "https://")):
        raise Unreachable(
            "CONFIGURATION_INVALID",
            f"SKYCTL_HOST is {host!r}",
            suggestions=["write it as http://HOST:PORT or https://HOST"],
        )
    return host


def unreachable(address: str, error: Exception) -> Unreachable:
    reason, suggestions = _reason(address, error)
    return Unreachable(
        "CONFIGURATION_CONTROLLER_UNREACHABLE",
        f"no controller answers on {address}: {reason}",
        suggestions=suggestions,
        retryable=True,
    )


def _reason(address: str, error: Exception) -> tuple[str, list[str]]:
    if remote_host():
        return str(error) or type(error).__name__, [
            "check SKYCTL_HOST and that the controller runs there",
            "unset SKYCTL_HOST to use the local socket",
        ]
    start = [
        "start one: skyctl run",
        "if it uses another state directory, set SKYCTL_STATE_DIR to it",
        "test what a controller needs: skyctl doctor",
    ]
    path = Path(address)
    if _denied(path):
        return "permission denied", ["run this as the user that runs the controller", *start[1:]]
    if not path.exists():
        return "the socket is not there", start
    return "it is not running (its socket was left behind)", start


def _denied(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return not os.access(path, os.W_OK)
