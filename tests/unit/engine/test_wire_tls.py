"""The engine over TCP and over TLS, with certificates of both sides checked."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from controller.engine.docker import connect
from controller.settings import Settings
from resources.errors import UserError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for authority in ("ca", "other"):
        openssl(
            "req", "-x509", *curve, "-days", "2", "-subj", f"/CN={authority}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", f"{authority}-key.pem", "-out", f"{authority}.pem",
        )  # fmt: skip
    for name, use in (("server", "serverAuth"), ("cert", "clientAuth")):
        (folder / "extensions").write_text(
            f"extendedKeyUsage={use}\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n"
        )
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}-key", "-out", "request")
        openssl(
            "x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-days", "2",
            "-CAcreateserial", "-extfile", "extensions", "-out", f"{name}.pem",
        )  # fmt: skip
    (folder / "cert-key").rename(folder / "key.pem")
    return folder


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response([], headers={"Api-Version": "1.41"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def mutual(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def asked(host: str, environment: dict[str, str]) -> UserError | None:
    engine = await connect(Settings(engine_timeout=10), host=host, environment=environment)
    try:
        await engine._reader.networks()
    except UserError as error:
        return error
    finally:
        await engine.close()
    return None


async def test_plain_tcp() -> None:
    async with serving(None) as port:
        assert await asked(f"tcp://127.0.0.1:{port}", {}) is None


async def test_both_sides_are_checked(certificates: Path, tmp_path: Path) -> None:
    good = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    async with serving(mutual(certificates)) as port:
        host = f"tcp://127.0.0.1:{port}"
        assert await asked(host, good) is None
        assert await asked(f"https://127.0.0.1:{port}", good) is None

        shutil.copy(certificates / "other.pem", tmp_path / "ca.pem")
        error = await asked(host, {**good, "DOCKER_CERT_PATH": str(tmp_path)})
        assert error is not None
        assert (error.code, error.retryable) == ("CONFIGURATION_ENGINE_UNREACHABLE", True)
        assert "DOCKER_CERT_PATH" in error.suggestions[0]

        shutil.copy(certificates / "ca.pem", tmp_path / "ca.pem")
        error = await asked(host, {**good, "DOCKER_CERT_PATH": str(tmp_path)})
        assert error is not None, "no client certificate"
        assert error.code == "CONFIGURATION_ENGINE_UNREACHABLE"


async def test_plain_words_to_a_tls_port(certificates: Path) -> None:
    async with serving(mutual(certificates)) as port:
        error = await asked(f"tcp://127.0.0.1:{port}", {})
    assert error is not None
    assert error.code == "CONFIGURATION_ENGINE_UNREACHABLE"
