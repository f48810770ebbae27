"""The ingress alone, with a real Traefik: servers are exchanged under load and nobody notices.

What a Service's plan does with containers is done here by hand with two small servers: published
beside the old one, seen, left out, seen to be gone, drained, stopped.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from controller.clock import SystemClock
from controller.ingress.alive import running
from controller.ingress.binary import find_traefik
from controller.ingress.gateway import Gateway, Wiring, traefik_gateway
from controller.ingress.ports import free_port
from controller.settings import Settings
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes
from resources.world import World
from tests.fakes.traefik import stop_all

pytestmark = pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here")

FULL = bool(os.environ.get("SKYCTL_TORTURE"))
EXCHANGES = 20 if FULL else 4
CLIENTS = 4
SECONDS = 60.0
BACKEND = "acme-web-22222222-80"
SERVICE = "22222222-service"


class Server:
    """A program that answers with its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port := free_port())
        await site.start()
        self.url = f"http://127.0.0.1:{port}"

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        await asyncio.sleep(0.005)
        return web.Response(text=f"{self.number} {len(body)}")

    async def stop(self) -> None:
        """As a container that is killed: whoever is connected is cut off."""
        await self._runner.cleanup()


class Bed:
    """A gateway with its Traefik, and the world that it keeps."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.world = World()
        self.changes = Counter[str]()
        self.gateway = self._gateway()

    def _gateway(self) -> Gateway:
        return traefik_gateway(
            Wiring(
                settings=self.settings,
                clock=SystemClock(),
                open_=lambda sealed: sealed.text,
                world=lambda: self.world,
                wanted=lambda: True,
                here=lambda: True,
                changed=lambda uid: self.changes.update([uid]),
                troubled=lambda: None,
            )
        )

    @asynccontextmanager
    async def led(self) -> AsyncIterator[Gateway]:
        """A term of leading, by a controller that knows nothing yet."""
        self.world = World()
        self.gateway = self._gateway()
        running_ = asyncio.create_task(self.gateway.run())
        try:
            await until(lambda: not self.gateway.mirror.problem, "Traefik does not answer")
            yield self.gateway
        finally:
            running_.cancel()
            await asyncio.gather(running_, return_exceptions=True)
            await self.gateway.close()

    async def publish(self, document: Document) -> None:
        await self.gateway.publish(PublishRoutes(document=document, cause="test"))

    async def exchange(self, urls: list[str]) -> None:
        """Until exactly these serve, as every proxy says, and whoever left is drained."""
        balancer = {"servers": [{"url": url} for url in urls]}
        content = {"http": {"services": {BACKEND: {"loadBalancer": balancer}}}}
        await self.publish(Document(SERVICE, "service_acme_web_22222222", content))
        wanted = frozenset(urls)

        def served() -> bool:
            found = self.world.serving.get(SERVICE)
            return found is not None and (
                wanted == found.everywhere.get(BACKEND) == found.anywhere.get(BACKEND)
                and all(found.open.get(url) == 0 for url in found.left)
            )

        await until(served, "not served or not drained")

    async def route(self, path: str = "/") -> None:
        router = {
            "entryPoints": ["web"],
            "rule": f"Host(`a.localhost`) && PathPrefix(`{path}`)",
            "service": BACKEND,
        }
        content = {"http": {"routers": {"acme-site-11111111": router}}}
        document = Document("11111111-domain", "domain_acme_site_11111111", content)
        await self.publish(document)

        def served() -> bool:
            found = self.world.serving.get(document.uid)
            return found is not None and found.routers.get("acme-site-11111111") == ""

        await until(served, "the router is not served")


async def until(holds: Callable[[], bool], otherwise: str) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(otherwise) from None


class Load:
    """Visitors: half of them keep their connections, half of what they send has a body."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/page"
        self.answers = Counter[str]()
        self.failures: list[str] = []

    @asynccontextmanager
    async def upon(self) -> AsyncIterator[None]:
        visitors = [asyncio.create_task(self._visit(n)) for n in range(CLIENTS)]
        try:
            yield
        finally:
            for visitor in visitors:
                visitor.cancel()
            await asyncio.gather(*visitors, return_exceptions=True)

    async def _visit(self, number: int) -> None:
        connector = aiohttp.TCPConnector(force_close=number % 2 == 0)
        headers = {"Host": "a.localhost"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            while True:
                body = b"x" * 10_000 if number % 4 < 2 else None
                method = "POST" if body else "GET"
                try:
                    async with (
                        asyncio.timeout(20),
                        session.request(method, self._url, data=body) as answer,
                    ):
                        text = await answer.text()
                        if answer.status == 200:
                            self.answers[text.split()[0]] += 1
                        else:
                            self.failures.append(f"{method}: {answer.status}")
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self.failures.append(f"{method}: {error!r}")

    def told(self) -> str:
        return f"{sum(self.answers.values())} requests, {len(self.failures)} failed"


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    settings = Settings(
        state_dir=tmp_path,
        ingress="process",
        ingress_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
        ingress_idle_timeout=1.0,
        ingress_grace=5.0,
    )
    try:
        yield Bed(settings)
    finally:
        stop_all(settings.ingress_dir)


async def test_servers_are_exchanged_and_no_request_fails(bed: Bed) -> None:
    servers = [Server(0)]
    await servers[0].start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([servers[0].url])
        await bed.route()
        async with load.upon():
            for number in range(1, EXCHANGES + 1):
                servers.append(Server(number))
                await servers[-1].start()
                await bed.exchange([servers[-2].url, servers[-1].url])
                await bed.exchange([servers[-1].url])
                await servers[-2].stop()
                await bed.route("/page" if number % 2 else "/")
    await servers[-1].stop()
    print(f"\n{EXCHANGES} exchanges: {load.told()}; by server {dict(load.answers)}")
    assert not load.failures, load.failures[:5]
    assert len(load.answers) == EXCHANGES + 1


async def test_a_proxy_outlives_its_controller_and_a_changed_setting(bed: Bed) -> None:
    """One that nobody keeps goes on serving, and is taken over by a controller that comes back. A
    setting is changed by a second one on the same ports. What falls to that one before it has
    loaded its routes gets a 404 (Traefik listens first and reads then), and nothing else fails."""
    server = Server(0)
    await server.start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([server.url])
        await bed.route()
    (first,) = running(bed.settings.ingress_dir)
    async with load.upon():
        await until(lambda: load.answers["0"] > 50, "it does not serve without a controller")
        async with bed.led():
            await until(lambda: SERVICE in bed.world.serving, "nothing is known of what is served")
            assert [proxy.pid for proxy in running(bed.settings.ingress_dir)] == [first.pid]
        bed.settings = bed.settings.model_copy(update={"ingress_dial_timeout": 0.7})
        async with bed.led():
            await until(lambda: not first.still(bed.settings.ingress_dir), "the first stays")
            assert len(running(bed.settings.ingress_dir)) == 1
            before = load.answers["0"]
            await until(lambda: load.answers["0"] > before + 50, "it does not serve")
    await server.stop()
    print(f"\none restart for a setting: {load.told()}")
    assert sum("404" not in failure for failure in load.failures) <= 2, load.failures


async def test_one_that_dies_is_started_again(bed: Bed) -> None:
    server = Server(0)
    await server.start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([server.url])
        await bed.route()
        (first,) = running(bed.settings.ingress_dir)
        os.kill(first.pid, signal.SIGKILL)
        await until(
            lambda: any(p != first for p in running(bed.settings.ingress_dir)), "none is started"
        )
        await until(lambda: bed.gateway.mirror.problem == "", "it does not answer")
        async with load.upon():
            await until(lambda: load.answers["0"] > 10, "it does not serve")
    await server.stop()
