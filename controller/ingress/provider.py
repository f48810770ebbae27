"""Routes for Traefiks elsewhere: their HTTP provider asks here, with a token.

The same documents as the files, merged into one; names are unique on the platform. Nobody listens
while this controller does not act. A Traefik that gets no answer, or an error, keeps what it has:
so it is, as long as this controller cannot tell that what it has is all that there is.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from controller.ingress.traefik import API
from controller.private_file import write_private
from resources import addresses
from resources.errors import UserError

log = structlog.get_logger("ingress")

PATH = "/traefik"
INCOMPLETE = "this controller has only begun to act, and has not looked at all routes yet"


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Maps are joined, lists appended. Of two values in one place the first stays."""
    whole: dict[str, Any] = {}
    for document in documents:
        _join(whole, document)
    return whole


def _join(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        known = whole.get(name)
        if isinstance(value, Mapping) and isinstance(known, dict):
            _join(known, value)
        elif isinstance(value, Mapping) and known is None:
            whole[name] = {}
            _join(whole[name], value)
        elif isinstance(value, list) and isinstance(known, list):
            whole[name] = [*known, *value]
        elif known is None:
            whole[name] = value


def _json(documents: Iterable[Mapping[str, Any]]) -> bytes:
    return json.dumps(_elsewhere(merged(documents))).encode()


def _elsewhere(whole: dict[str, Any]) -> dict[str, Any]:
    """Without what opens the API of our own Traefik: others have no such entry point, and would
    complain at each change. An empty map is none of Traefik's."""
    http = whole.get("http", {})
    routers = http.pop("routers", {})
    kept = {name: router for name, router in routers.items() if router.get("entryPoints") != [API]}
    if kept:
        http["routers"] = kept
    return whole


def token_of(path: Path, *, ours: bool = False) -> str:
    """The token in that file, made where there is none; readable for us alone. ours: nobody else
    knows it, so what is no token is replaced as well. Blocking. Raises UserError."""
    try:
        token = _text(path)
        if token is None or (ours and not _fit(token)):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = f"{secrets.token_urlsafe(32)}\n".encode()
            write_private(path.with_name(f".{path.name}.new"), made).rename(path)
            if token is not None:
                log.warning("made anew: it held no token", path=str(path))
            token = _text(path) or ""
    except OSError as error:
        raise UserError(
            "CONFIGURATION_INVALID",
            f"the token in {path} cannot be read: {error.strerror}",
            suggestions=[f"remove {path}: another one is made", "check its owner and mode"],
        ) from error
    if not _fit(token):
        raise UserError(
            "CONFIGURATION_INVALID",
            f"{path} holds no token: at least 16 letters and digits are needed",
            suggestions=[f"write one there, or remove {path}: another one is made"],
        )
    return token


def _text(path: Path) -> str | None:
    return path.read_text(errors="replace").strip() if path.exists() else None


def _fit(token: str) -> bool:
    return len(token) >= 16 and token.isascii() and token.isprintable() and "`" not in token


class Provider:
    """listen: HOST:PORT. contents: of all documents. whole: are these all that shall be there?
    Serves while it runs."""

    def __init__(
        self,
        listen: str,
        token: str,
        contents: Callable[[], Awaitable[list[Mapping[str, Any]]]],
        whole: Callable[[], bool] = lambda: True,
    ) -> None:
        self._host, self._port = addresses.listener(listen)
        self._token = token
        self._contents = contents
        self._whole = whole
        self._told: list[Mapping[str, Any]] = []
        self._body = b""
        """Of these documents."""

    async def run(self) -> None:
        """For ever. Raises UserError CONFIGURATION_PORT_IN_USE."""
        application = web.Application()
        application.router.add_get(PATH, self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._bound(runner)
            log.info("routes are served", address=f"{self._host}:{self._port}{PATH}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _bound(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            raise UserError(
                "CONFIGURATION_PORT_IN_USE",
                f"routes cannot be served on {self._host}:{self._port}: {error.strerror or error}",
                suggestions=["free it, or choose another: SKYCTL_INGRESS_LISTEN"],
            ) from error

    async def _answer(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return web.Response(status=401)
        if not self._whole():
            return web.Response(status=503, text=INCOMPLETE)
        try:
            body = await self._rendered(await self._contents())
        except UserError as error:
            return web.Response(status=503, text=error.message)
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def _rendered(self, documents: list[Mapping[str, Any]]) -> bytes:
        """Those that nobody changed are the same objects. Beside the loop: there may be many."""
        if not self._body or [*map(id, documents)] != [*map(id, self._told)]:
            body = await asyncio.to_thread(_json, documents)
            self._told, self._body = documents, body
            return body
        return self._body
