"""Certificates as they are served: read by a real handshake, told when they change."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from controller.clock import Clock
from controller.ingress.ports import free_port
from controller.reconcile import certificates as module
from controller.reconcile.certificates import CertificateWatcher, Handshake, HandshakeTarget
from controller.reconcile.observe import Observation
from resources.meta import Key
from resources.routing.world import Attempt, Certificate
from resources.world import World
from resources.x509 import read_der

SHOP = Key("Domain", "acme", "shop")
OWN = Path(__file__).parents[1] / "domain" / "certificates" / "own.crt"
DER = ssl.PEM_cert_to_DER_cert(OWN.read_text())


class Stand:
    """answer: what is served (by each, of several), or what connecting raises."""

    def __init__(self, answer: bytes | list[bytes] | Exception) -> None:
        self.world = World()
        self.answer = answer
        self.asked: list[str] = []
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        clock = cast(Clock, SimpleNamespace(now=lambda: datetime(2026, 11, 26, tzinfo=UTC)))
        self.watcher = CertificateWatcher(
            lambda: self.world, self.woken.put_nowait, clock, random.Random(1), self._fetch
        )

    async def _fetch(self, name: str) -> list[bytes]:
        self.asked.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, list) else [self.answer]

    def observed(self, hostname: str | None, digest: str = "d") -> None:
        shown = HandshakeTarget("u", hostname, hostname, digest) if hostname else None
        self.watcher.observed(cast(Observation, shown), SHOP)

    async def seen(self) -> Certificate:
        assert await asyncio.wait_for(self.woken.get(), 5) == SHOP
        return self.world.certificates["u"]


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.watcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_target", lambda observation: observation)
    monkeypatch.setattr(module, "SOON", 0.01)


async def test_what_is_served_is_told() -> None:
    stand = Stand(ConnectionRefusedError(111, "Connection refused"))
    stand.observed("shop.example.com")
    async with running(stand):
        assert await stand.seen() == Certificate(
            "u", error="no HTTPS connection: Connection refused"
        )
        stand.answer = b"\x30\x00"
        assert (await stand.seen()).error == "what is served holds something that is no certificate"
        stand.answer = DER
        found = await stand.seen()
        assert (found.covers, found.error) == (True, "")
        assert found.names == ("shop.example.com", "*.example.com")
        assert found.issuer == "Test shop.example.com"
        stand.observed("else.example.org")
        assert not (await stand.seen()).covers
        stand.observed(None)
        assert stand.world.certificates == {}


async def test_of_several_proxies_the_worst_counts() -> None:
    single = ssl.PEM_cert_to_DER_cert(OWN.with_name("single.crt").read_text())
    stand = Stand([DER, single])
    stand.observed("www.example.com")
    async with running(stand):
        found = await stand.seen()
        assert (found.covers, found.names) == (False, ("shop.example.com",))


async def test_nothing_is_told_where_nobody_knows_the_proxies() -> None:
    stand = Stand([])
    stand.observed("shop.example.com")
    async with running(stand):
        assert await stand.seen() == Certificate("u", hidden=True)


async def test_what_is_missing_is_ordered_again() -> None:
    when = datetime(2026, 11, 26, 1, tzinfo=UTC)

    attempt = Attempt(1, when)

    class FakeOrders:
        def __init__(self) -> None:
            self.without: set[str] = set()
            self.forgotten: list[str] = []

        def missing(self, uid: str, hostname: str) -> Attempt:
            self.without.add(hostname)
            return attempt

        def known(self, uid: str, hostname: str) -> Attempt:
            return attempt

        def settled(self, hostname: str) -> None:
            self.without.discard(hostname)

        def forget(self, uid: str, hostname: str) -> None:
            self.forgotten.append(hostname)

        async def failure(self, hostname: str) -> str:
            return f"{hostname} is not known"

    stand = Stand(DER)
    stand.watcher._orders = orders = FakeOrders()
    async with running(stand):
        ordered = HandshakeTarget("u", "else.example.org", "else.example.org", "d", ordered=True)
        stand.watcher.observed(cast(Observation, ordered), SHOP)
        found = await stand.seen()
        assert (found.failure, found.attempt) == ("else.example.org is not known", attempt)
        assert orders.without == {"else.example.org"}
        stand.answer = ConnectionRefusedError(111, "Connection refused")
        found = await stand.seen()
        assert (found.failure, found.attempt) == ("", attempt)  # nobody knows, and nothing is lost
        stand.answer = DER
        ordered = HandshakeTarget("u", "shop.example.com", "shop.example.com", "d", ordered=True)
        stand.watcher.observed(cast(Observation, ordered), SHOP)
        found = await stand.seen()
        while not found.covers:
            found = await stand.seen()
        assert (found.failure, found.attempt) == ("", Attempt())
        assert orders.without == {"else.example.org"}
        assert orders.forgotten == ["else.example.org"]


def test_a_short_life_ends_later() -> None:
    shown = HandshakeTarget("u", "shop.example.com", "shop.example.com", "d")
    said = read_der(DER)
    short = replace(said, not_before=said.not_after - timedelta(days=6))
    for days, ending in ((3.0, ""), (1.0, "soon")):
        assert module.seen(shown, short, said.not_after - timedelta(days=days)).ending == ending


def test_its_end() -> None:
    shown = HandshakeTarget("u", "shop.example.com", "shop.example.com", "d")
    said = read_der(DER)
    for days, ending in ((-1, "over"), (0, "over"), (6, "soon"), (8, "")):
        now = said.not_after - timedelta(days=days)
        assert module.seen(shown, said, now).ending == ending


async def test_what_is_published_anew_is_looked_at_anew() -> None:
    """What was seen before stands until then."""
    stand = Stand(DER)
    async with running(stand):
        stand.observed("shop.example.com")
        await stand.seen()
        asked = len(stand.asked)
        stand.observed("shop.example.com")
        await asyncio.sleep(0)
        assert len(stand.asked) == asked
        stand.observed("shop.example.com", "other")
        assert "u" in stand.world.certificates
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(stand.asked) == asked + 1
        assert stand.woken.empty()


async def test_a_real_handshake(tmp_path: Path) -> None:
    """With a key that is made here: none is kept among the files."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt")),
        *("-subj", "/CN=x", "-addext", "subjectAltName=DNS:shop.example.com", "-days", "10"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        places = [("127.0.0.1", port), ("127.0.0.1", free_port()), ("localhost", port)]
        found = await Handshake(lambda: places)("shop.example.com")
        with pytest.raises(OSError, match="Connect call failed"):
            await Handshake(lambda: places[1:2])("shop.example.com")
    assert await Handshake(tuple)("shop.example.com") == []
    assert found == [ssl.PEM_cert_to_DER_cert((tmp_path / "crt").read_text())]
    assert asked == ["shop.example.com"]  # the same place by another name is asked once
