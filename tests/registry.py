"""A registry of one image, in the test's own process: what pulls meet, on demand.

It speaks as much of the registry protocol as a pull needs. ``mood``: ok, unauthorized, limited,
broken; ``pace``: bytes per second of a layer, None for at once. Engines accept a registry on a
loopback address without TLS.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CHUNK = 64 * 1024


@dataclass
class Registry:
    """Holds ``app:1``, with a layer of random bytes, different in every test."""

    size: int = 256 * 1024
    mood: str = "ok"
    pace: float | None = None
    port: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes = b""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def image(self) -> str:
        return f"{self.host}/app:1"

    @property
    def digest(self) -> str:
        return _digest(self.manifest)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """The tag moves to another image."""
        layer = _layer(self.size)
        packed = gzip.compress(layer, 1)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/none"], "User": "1000"},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            }
        ).encode()
        self.blobs = {_digest(packed): packed, _digest(config): config}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _described(CONFIG, config),
                "layers": [_described(LAYER, packed)],
            }
        ).encode()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.mood == "unauthorized":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        if self.mood == "limited":
            return web.Response(status=429, text="toomanyrequests: slow down")
        if self.mood == "broken":
            return web.Response(status=503)
        path = request.match_info["path"]
        if not path:
            return web.json_response({})
        name, kind, reference = path.rsplit("/", 2)
        if kind == "manifests" and name == "app" and reference in ("1", self.digest):
            return web.Response(
                body=self.manifest,
                headers={"Content-Type": MANIFEST, "Docker-Content-Digest": self.digest},
            )
        if kind == "blobs" and reference in self.blobs:
            return await self._blob(request, self.blobs[reference])
        error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
        return web.json_response(error, status=404)

    async def _blob(self, request: web.Request, blob: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(blob))})
        await response.prepare(request)
        for start in range(0, len(blob), CHUNK):
            await response.write(blob[start : start + CHUNK])
            if self.pace is not None:
                await asyncio.sleep(CHUNK / self.pace)
        await response.write_eof()
        return response


@asynccontextmanager
async def registry(size: int = 256 * 1024) -> AsyncIterator[Registry]:
    made = Registry(size)
    application = web.Application()
    application.router.add_route("*", "/v2/{path:.*}", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()


def _layer(size: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("random")
        member.size = size
        tar.addfile(member, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()


def _described(media: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media, "size": len(blob), "digest": _digest(blob)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()
