"""The same cases against the fake proxies and a real Traefik that reads files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from controller.clock import SystemClock
from controller.ingress.api import Apis
from controller.ingress.base import Proxies, Publisher, Sight
from controller.ingress.binary import find_traefik
from controller.ingress.files import FilePublisher
from controller.ingress.ports import free_port
from controller.ingress.process import ProcessRunner
from controller.ingress.proxies import Traefiks
from controller.ingress.supervisor import ProxySupervisor
from controller.ingress.traefik import constant
from controller.settings import Settings
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.sealed import Sealed
from tests.fakes.ingress import FakeIngress
from tests.fakes.traefik import stop_all

SECONDS = 30.0


class Stage(Protocol):
    publisher: Publisher
    proxies: Proxies

    def edit(self, name: str) -> None: ...

    def remove(self, name: str) -> None: ...


class FakeStage:
    def __init__(self) -> None:
        self._ingress = FakeIngress(delay=lambda: 0.05)
        self.publisher: Publisher = self._ingress
        self.proxies: Proxies = self._ingress

    def edit(self, name: str) -> None:
        self._ingress.edit(name)

    def remove(self, name: str) -> None:
        self._ingress.remove(name)


class RealStage:
    def __init__(self, directory: Path, proxies: Proxies) -> None:
        self._directory = directory
        self.publisher: Publisher = FilePublisher(directory, lambda sealed: sealed.text)
        self.proxies = proxies

    def edit(self, name: str) -> None:
        path = self._directory / f"{name}.yml"
        path.write_text(path.read_text().replace("a.localhost", "hijacked.localhost") + " ")

    def remove(self, name: str) -> None:
        (self._directory / f"{name}.yml").unlink()


@asynccontextmanager
async def real_stage(state: Path) -> AsyncIterator[Stage]:
    settings = Settings(
        state_dir=state,
        ingress_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
    )
    apis, token = Apis(), "a-token-for-tests"
    supervisor = ProxySupervisor(
        settings, ProcessRunner(settings), token, apis, SystemClock(), wanted=lambda: True
    )
    proxies = Traefiks(apis, supervisor.addresses, beside_us=True, why=lambda: "it does not run")
    stage = RealStage(settings.ingress_dir / "routes", proxies)
    assert isinstance(stage.publisher, FilePublisher)
    await stage.publisher.keep(constant(token))
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(SECONDS):
            while not supervisor.addresses():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield stage
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await apis.close()
        stop_all(settings.ingress_dir)


@pytest.fixture(params=["fake", "traefik"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    if find_traefik() is None:
        pytest.skip("Traefik is not here")
    async with real_stage(tmp_path) as real:
        yield real


def domain(rule: str = "Host(`a.localhost`)", **more: Any) -> Document:
    router = {"entryPoints": ["web"], "rule": rule, "service": "acme-web-22222222-80"}
    content = {"http": {"routers": {"acme-site-11111111": router}, **more}}
    return Document("11111111-domain", "domain_acme_site_11111111", content)


def service(*urls: str) -> Document:
    balancer = {"servers": [{"url": url} for url in urls]}
    content = {"http": {"services": {"acme-web-22222222-80": {"loadBalancer": balancer}}}}
    return Document("22222222-service", "service_acme_web_22222222", content)


async def publish(stage: Stage, *documents: Document) -> None:
    for document in documents:
        await stage.publisher.publish(PublishRoutes(document=document, cause="test"))


async def withdraw(stage: Stage, document: Document) -> None:
    step = WithdrawRoutes(uid=document.uid, name=document.name, cause="test")
    await stage.publisher.withdraw(step)


async def seen(stage: Stage, holds: Callable[[Sight], bool]) -> Sight:
    """Waits until the proxy shows it."""
    sight = Sight()
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                (sight,) = await stage.proxies.look()
                if holds(sight):
                    return sight
                await asyncio.sleep(0.03)
    except TimeoutError:
        raise AssertionError(f"not shown: {sight}") from None


def shows(document: Document) -> Callable[[Sight], bool]:
    """In whichever edition."""

    def shown(sight: Sight) -> bool:
        found = sight.documents.get(document.name)
        return found is not None and (found.uid, found.digest) == (document.uid, document.digest)

    return shown


async def test_what_is_published_is_served_in_the_version_that_was_published(stage: Stage) -> None:
    back, front = service("http://127.0.0.1:9"), domain()
    await publish(stage, back, front)
    sight = await seen(stage, lambda s: shows(back)(s) and shows(front)(s))
    assert sight.routers["acme-site-11111111"] == ""
    assert sight.backends == {"acme-web-22222222-80": {"http://127.0.0.1:9"}}
    marker = (await stage.publisher.shelf())[back.uid].marker
    assert (marker.uid, marker.digest) == (back.uid, back.digest)
    assert await stage.proxies.serve(back.name, marker)
    assert not await stage.proxies.serve(back.name, replace(marker, digest="0" * 32))
    assert not await stage.proxies.serve(back.name, replace(marker, edition="0"))
    assert not await stage.proxies.serve(back.name, None)
    shelf = await stage.publisher.shelf()
    assert {uid: one.published.digest for uid, one in shelf.items()} == {
        back.uid: back.digest,
        front.uid: front.digest,
    }
    assert shelf[front.uid].routers == {"acme-site-11111111"}
    assert shelf[back.uid].backends == {"acme-web-22222222-80"}


async def test_servers_come_and_go(stage: Stage) -> None:
    old, new = "http://127.0.0.1:9", "http://127.0.0.1:8"
    name = "acme-web-22222222-80"
    for urls in ((old,), (old, new), (new,), ()):
        await publish(stage, service(*urls))
        sight = await seen(stage, shows(service(*urls)))
        assert sight.backends[name] == set(urls)


async def test_a_backend_is_seen_before_anything_is_routed_to_it(stage: Stage) -> None:
    await publish(stage, service("http://127.0.0.1:9"))
    sight = await seen(stage, shows(service("http://127.0.0.1:9")))
    assert sight.backends["acme-web-22222222-80"] == {"http://127.0.0.1:9"}


async def test_a_router_says_what_is_wrong_with_it(stage: Stage) -> None:
    await publish(stage, domain())
    sight = await seen(stage, shows(domain()))
    assert "does not exist" in sight.routers["acme-site-11111111"]
    await publish(stage, service("http://127.0.0.1:9"))
    await seen(stage, lambda s: s.routers.get("acme-site-11111111") == "")
    broken = domain("Host(`a.localhost")
    await publish(stage, broken)
    sight = await seen(stage, shows(broken))
    assert "pars" in sight.routers["acme-site-11111111"]


async def test_what_is_said_again_is_another_edition(stage: Stage) -> None:
    """What a proxy served before was published again is no acknowledgement of it."""
    one, other = service("http://127.0.0.1:9"), service("http://127.0.0.1:10")
    await publish(stage, one)
    first = (await stage.publisher.shelf())[one.uid].marker
    await seen(stage, lambda sight: sight.documents.get(one.name) == first)
    await publish(stage, other)
    await publish(stage, one)
    again = (await stage.publisher.shelf())[one.uid].marker
    assert (again.digest, again.edition) != (first.digest, first.edition)
    await publish(stage, one)
    assert (await stage.publisher.shelf())[one.uid].marker == again, "nothing to be written"
    await seen(stage, lambda sight: sight.documents.get(one.name) == again)


async def test_the_last_withdrawal_is_applied_too(stage: Stage) -> None:
    back, front = service("http://127.0.0.1:9"), domain()
    await publish(stage, back, front)
    await seen(stage, lambda s: shows(back)(s) and shows(front)(s))
    await withdraw(stage, front)
    await withdraw(stage, back)
    await withdraw(stage, back)
    sight = await seen(stage, lambda s: not s.backends)
    assert "acme-site-11111111" not in sight.routers
    assert await stage.proxies.serve(front.name, None)
    assert await stage.publisher.shelf() == {}


async def test_a_document_that_somebody_changed_is_its_owners_still(stage: Stage) -> None:
    await publish(stage, domain())
    await stage.publisher.shelf()
    stage.edit(domain().name)
    shelf = await stage.publisher.shelf()
    assert shelf[domain().uid].published.digest == ""
    await publish(stage, domain())
    shelf = await stage.publisher.shelf()
    assert shelf[domain().uid].published.digest == domain().digest
    stage.remove(domain().name)
    assert await stage.publisher.shelf() == {}
    await seen(stage, lambda s: domain().name not in s.documents)


async def test_a_secret_value_changes_the_version_and_is_put_in_its_place(stage: Stage) -> None:
    def guarded(text: str) -> Document:
        middlewares = {"m-11111111": {"basicAuth": {"users": []}}}
        document = domain(middlewares=middlewares)
        pointer = "/http/middlewares/m-11111111/basicAuth/users"
        sealed = Sealed("acme", "users", "htpasswd", text)
        return Document(document.uid, document.name, document.content, {pointer: sealed})

    one, two = guarded("a:{SHA}x"), guarded("a:{SHA}x\nb:{SHA}y")
    assert one.digest != two.digest
    for version in (one, two):
        await publish(stage, version)
        await seen(stage, shows(version))


async def test_nobody_is_connected_to_a_server_that_is_not_there(stage: Stage) -> None:
    url = "http://127.0.0.1:9"
    assert await stage.proxies.open_connections(frozenset({url})) == {url: 0}
