"""One HTTP call on the engine: versioned, with a deadline, observed, and failing in our words.

Everything goes over aiodocker's client and its connection pool; its objects are not used, since
they offer neither deadlines nor all of the API, and its responses are never released. Two clients
are kept: short calls, and streams (events, logs, pulls, exec), so that no number of followed logs
starves the calls.

The API version is the highest that both sides know, agreed anew whenever events are subscribed:
an engine may come back as another version.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import orjson
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from controller.engine.docker import faults
from controller.engine.docker.endpoint import Endpoint
from resources.errors import UserError

OLDEST = (1, 41)
NEWEST = (1, 45)
"""API versions that the contract tests ran against."""

CALLS = 64
STREAMS = 512
READ_BUFFER = 4 * 1024 * 1024
"""Bytes of events that may wait for us before the engine has to wait and then loses some."""

ObserveCall = Callable[[str, str, float], None]
"""(operation, code, seconds): code is the HTTP status, ``unreachable`` or ``timeout``."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes

    def json(self) -> Any:
        """Raises UserError: something between us and the engine answered in its place."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            shown = self.body[:200].decode(errors="replace")
            raise faults.refused("", 500, f"an answer that is not JSON: {shown}", "") from error


def segment(text: str) -> str:
    """A name, id or image reference as part of a path. Raises ValueError when it would leave it."""
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(f"not a name on the engine: {text!r}")
    return quote(text, safe="/:@")


def filters(**wanted: list[str]) -> dict[str, str]:
    return {"filters": orjson.dumps(wanted).decode()}


class Wire:
    """Must be made inside a running event loop, and closed in it."""

    def __init__(self, endpoint: Endpoint, timeout: float, observe: ObserveCall) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._observe = observe
        context = endpoint.ssl_context()
        self._calls = self._client(CALLS, context)
        self.streams = self._client(STREAMS, context)
        self._agreeing = asyncio.Lock()
        self.api_version = ""

    def _client(self, limit: int, context: Any) -> Docker:
        connector: aiohttp.BaseConnector
        if self.endpoint.socket is not None:
            connector = aiohttp.UnixConnector(self.endpoint.socket, limit=limit)
        else:
            connector = aiohttp.TCPConnector(limit=limit, ssl=context or True)
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=READ_BUFFER,
            headers={"Accept-Encoding": "identity"},
        )
        return Docker(url=self.endpoint.base, connector=connector, session=session)

    async def close(self) -> None:
        for client in (self._calls, self.streams):
            await client.close()
            await client.session.close()

    async def agree(self) -> None:
        """Negotiate the API version (again). Raises UserError."""
        reply, version = await self._version()
        theirs = _numbers(version)
        if theirs < OLDEST:
            raise UserError(
                "CONFIGURATION_ENGINE_TOO_OLD",
                f"the engine speaks API {version or '?'}, {_dotted(OLDEST)} is needed",
                details={"host": self.endpoint.host, "reply": reply.status},
                suggestions=["upgrade the engine to 20.10 or newer"],
            )
        self.api_version = _dotted(min(theirs, NEWEST))
        for client in (self._calls, self.streams):
            client.api_version = "v" + self.api_version

    async def _version(self) -> tuple[Reply, str]:
        async def ask() -> tuple[Reply, str]:
            response = await self._calls._do_query("_ping", "GET", versioned_api=False)
            async with response:
                body = await response.read()
                return Reply(response.status, body), response.headers.get("Api-Version", "")

        return await self._guarded("ping", ask(), self.timeout, "")

    async def ready(self) -> None:
        if not self.api_version:
            async with self._agreeing:
                if not self.api_version:
                    await self.agree()

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        subject: str = "",
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
        timeout: float | None = None,
    ) -> Reply:
        """accept: error statuses that are an answer here. timeout: seconds, all in all.

        Raises UserError by the table in ``faults``.
        """
        await self.ready()
        body = orjson.dumps(json) if json is not None else data
        content = "application/json" if data is None else "application/x-tar"
        sent = {"Content-Type": content, **(headers or {})}

        async def ask() -> Reply:
            try:
                response = await self._calls._do_query(
                    path, method, params=dict(params or {}), data=body, headers=sent
                )
            except DockerError as error:
                if error.status in accept:
                    return Reply(error.status, error.message.encode())
                raise
            async with response:
                return Reply(response.status, await response.read())

        return await self._guarded(operation, ask(), timeout or self.timeout, subject)

    async def get(self, operation: str, path: str, **options: Any) -> Any:
        """The decoded answer, or None when there is no such thing (404)."""
        reply = await self.call(operation, "GET", path, accept=(404,), **options)
        return None if reply.status == 404 else reply.json()

    @asynccontextmanager
    async def stream(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        subject: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Entered when the headers have come. The body is read by the caller, with deadlines of
        its own and ``translated`` around it."""
        await self.ready()
        response = await self._guarded(
            operation,
            self.streams._do_query(path, method, params=dict(params or {}), headers=headers),
            self.timeout,
            subject,
        )
        try:
            yield response
        finally:
            response.close()

    async def _guarded(self, operation: str, call: Awaitable[T], timeout: float, subject: str) -> T:
        clock = asyncio.get_running_loop().time
        began, code = clock(), "cancelled"
        try:
            async with asyncio.timeout(timeout):
                result = await call
            code = str(getattr(result, "status", 200))
            return result
        except TimeoutError as error:
            code = "timeout"
            raise faults.silent(self.endpoint.host, operation, timeout) from error
        except DockerError as error:
            code = "unreachable" if error.status == 900 else str(error.status)
            raise self.translate(operation, error, subject) from error
        except (aiohttp.ClientError, OSError) as error:
            code = "unreachable"
            raise self.translate(operation, error, subject) from error
        finally:
            self._observe(operation, code, clock() - began)

    def translate(self, operation: str, error: Exception, subject: str) -> UserError:
        """Any failure of the wire in our words."""
        if isinstance(error, DockerError) and error.status != 900:
            return faults.refused(operation, error.status, error.message, subject)
        return faults.unreachable(self.endpoint.host, _reason(error))


def _reason(error: BaseException) -> str:
    """aiodocker hides what aiohttp met, which hides what the system said."""
    if isinstance(error, DockerError) and error.__context__ is not None:
        error = error.__context__
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    system = error.strerror if isinstance(error, OSError) else None
    return system or str(error) or type(error).__name__


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
