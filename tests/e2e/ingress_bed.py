"""A gateway with its Traefik, small servers behind it, and visitors in front of it."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from controller.clock import SystemClock
from controller.engine.platform_containers import PlatformContainers
from controller.ingress.assembly import traefik_gateway
from controller.ingress.gateway import Gateway, Wiring
from controller.ingress.ports import free_port
from controller.settings import Settings
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes
from resources.world import World

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

    def __init__(self, settings: Settings, containers: PlatformContainers | None = None) -> None:
        self.settings = settings
        self._containers = containers
        self.instance = str(uuid.uuid4())
        self.world = World()
        self.changes = Counter[str]()
        self.gateway = self._gateway()

    def _gateway(self) -> Gateway:
        return traefik_gateway(
            Wiring(
                settings=self.settings,
                instance=self.instance,
                clock=SystemClock(),
                open_=lambda sealed: sealed.text,
                world=lambda: self.world,
                wanted=lambda: True,
                here=lambda: True,
                changed=lambda uid: self.changes.update([uid]),
                troubled=lambda: None,
            ),
            self._containers,
        )

    def another(self) -> Gateway:
        """Of a controller that knows nothing yet, by the settings as they are now."""
        self.world = World()
        self.gateway = self._gateway()
        return self.gateway

    @asynccontextmanager
    async def led(self) -> AsyncIterator[Gateway]:
        """A term of leading, by a controller that knows nothing yet."""
        self.another()
        await self.gateway.begin()
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
