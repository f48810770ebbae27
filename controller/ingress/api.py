"""What a Traefik says of itself, through its API.

The whole runtime configuration is asked for at once: it was built and put in force as one. An
answer that is, byte for byte, the one before is not looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from controller.ingress.base import Marker, Sight
from controller.ingress.leaf import DIGEST_HEADER, EDITION_HEADER, OWN, UID_HEADER
from resources.errors import UserError

SECONDS, MOST = 5.0, 64_000_000
"""One answer: until its end, and bytes of it."""
LONG_SECONDS, LONGEST, PIECE = 20.0, 256_000_000, 65_536
"""One answer that is read piece by piece: until its end, bytes of it, and of each piece."""
UNREACHABLE = "CONFIGURATION_INGRESS_UNREACHABLE"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Traefik's API is. token: '' for none."""

    url: str
    token: str = ""

    @property
    def shown(self) -> str:
        """Without what may be secret in it."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(slots=True)
class _Answer:
    """provider: of our documents, as this proxy names it: file or http."""

    raw: bytes
    sight: Sight
    provider: str


class Apis:
    """The APIs of some Traefiks. The session is made at the first question."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._answers: dict[Address, _Answer] = {}

    async def look(self, addresses: Sequence[Address]) -> Sequence[Sight]:
        """Side by side. Raises UserError for the first that does not answer."""
        for gone in self._answers.keys() - set(addresses):
            del self._answers[gone]
        found = await asyncio.gather(
            *(self._sight(address) for address in addresses), return_exceptions=True
        )
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return [one for one in found if isinstance(one, Sight)]

    async def _sight(self, address: Address) -> Sight:
        raw = await self.get(address, "/api/rawdata")
        known = self._answers.get(address)
        if known is not None and known.raw == raw:
            return known.sight
        try:
            told = orjson.loads(raw)
            sight = understood(told)
        except (ValueError, TypeError, AttributeError) as error:
            raise _unreachable(address, f"its answer is not understood: {error}") from error
        self._answers[address] = _Answer(raw, sight, _provider(told))
        return sight

    async def serve(self, addresses: Sequence[Address], name: str, marker: Marker | None) -> bool:
        """Asks for the one middleware that is the document's marker. Raises UserError."""
        for address in addresses:
            known = self._answers.get(address)
            provider = known.provider if known is not None else "file"
            raw = await self.get(address, f"/api/http/middlewares/{name}@{provider}", absent=b"")
            try:
                found = _marker(orjson.loads(raw)) if raw else None
            except (ValueError, TypeError, AttributeError) as error:
                raise _unreachable(address, f"its answer is not understood: {error}") from error
            if found != marker:
                return False
        return True

    async def get(self, address: Address, path: str, *, absent: bytes | None = None) -> bytes:
        """absent: the answer where there is no such thing; None: that is an error. Raises
        UserError CONFIGURATION_INGRESS_UNREACHABLE."""
        async with self._asked(address, path, SECONDS) as answer:
            if answer.status == 404 and absent is not None:
                return absent
            _require(address, answer)
            found = bytearray()
            await _poured(address, path, answer, MOST, found.extend)
            return bytes(found)

    async def pour(self, address: Address, path: str, into: Callable[[bytes], None]) -> None:
        """A long answer, piece by piece. Raises UserError, also for one that is too long."""
        # Packed, it would cost the proxy a quarter more of its time.
        headers = {"Accept-Encoding": "identity"}
        async with self._asked(address, path, LONG_SECONDS, headers) as answer:
            _require(address, answer)
            await _poured(address, path, answer, LONGEST, into)

    @contextlib.asynccontextmanager
    async def _asked(
        self, address: Address, path: str, seconds: float, more: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        headers |= more or {}
        url = address.url.rstrip("/") + path
        try:
            async with (
                asyncio.timeout(seconds),
                self._opened().get(url, headers=headers) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _unreachable(address, _reason(error)) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=True, trust_env=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def understood(told: Mapping[str, Any]) -> Sight:
    """``/api/rawdata``: names carry their provider (``web@file``), which is left out."""
    routers: dict[str, str] = {}
    uses: dict[str, str] = {}
    for kind in ("routers", "tcpRouters", "udpRouters"):
        for name, router in (told.get(kind) or {}).items():
            if not name.endswith("@internal"):
                routers[_plain(name)] = _fault(router)
                uses[_plain(name)] = _plain(str(router.get("service", "")))
    backends: dict[str, frozenset[str]] = {}
    for kind, scheme in (("services", ""), ("tcpServices", "tcp://"), ("udpServices", "udp://")):
        for name, service in (told.get(kind) or {}).items():
            if not name.endswith("@internal"):
                backends[_plain(name)] = _servers(service, scheme)
    documents = {}
    for name, middleware in (told.get("middlewares") or {}).items():
        if (found := _marker(middleware)) is not None:
            documents[_plain(name)] = found
    return Sight(routers, backends, documents, uses)


def _provider(told: Mapping[str, Any]) -> str:
    own = (n for n in told.get("middlewares") or {} if n.partition("@")[0] == OWN)
    return next(own, "@file").rpartition("@")[2]


def _plain(name: str) -> str:
    return name.rpartition("@")[0] or name


def _fault(router: Mapping[str, Any]) -> str:
    status = router.get("status")
    if status == "enabled":
        return ""
    errors = router.get("error") or [f"its status is {status}"]
    return "; ".join(str(error) for error in errors)[:500]


def _servers(service: Mapping[str, Any], scheme: str) -> frozenset[str]:
    """Those that requests go to; one that a health check of Traefik's own took out is left out."""
    if service.get("status") == "disabled":
        return frozenset()
    states = service.get("serverStatus") or {}
    servers = (service.get("loadBalancer") or {}).get("servers") or ()
    urls = [s["url"] if "url" in s else scheme + s["address"] for s in servers]
    return frozenset(url for url in urls if states.get(url, "UP") == "UP")


def _marker(middleware: Mapping[str, Any]) -> Marker | None:
    sent = (middleware.get("headers") or {}).get("customRequestHeaders") or {}
    if UID_HEADER in sent and DIGEST_HEADER in sent:
        return Marker(sent[UID_HEADER], sent[DIGEST_HEADER], sent.get(EDITION_HEADER, ""))
    return None


async def _poured(
    address: Address,
    path: str,
    answer: aiohttp.ClientResponse,
    most: int,
    into: Callable[[bytes], None],
) -> None:
    taken = 0
    async for piece in answer.content.iter_chunked(PIECE):
        taken += len(piece)
        if taken > most:
            raise _unreachable(address, f"{path} has more than {most:,} bytes")
        into(piece)


def _require(address: Address, answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        raise _unreachable(address, f"it answers {answer.status}")


def _reason(error: Exception) -> str:
    """In the system's words, where aiohttp would wrap them into its own. (Of TLS, the number is not
    the system's.)"""
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number > 0 and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(number)
    return str(error) or "it does not answer in time"


def _unreachable(address: Address, reason: str) -> UserError:
    return UserError(
        UNREACHABLE,
        f"the proxy at {address.shown} cannot be asked: {reason}"[:600],
        suggestions=["see 'skyctl doctor'"],
        retryable=True,
    )
