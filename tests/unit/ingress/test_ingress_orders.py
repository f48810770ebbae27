"""Orders for certificates that failed: when they are tried again, and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from controller.clock import Clock
from controller.ingress.base import Marker
from controller.ingress.leaf import OWN
from controller.ingress.ordering import Ordering
from controller.ingress.orders import TELLING, Log, OrderBook, failed
from controller.store.base import Deposed
from resources.routing.world import Attempt

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINE = (
    '2026-01-02T03:04:05Z ERR Unable to obtain ACME certificate for domains error="cannot get '
    'directory: Get \\"https://ca/dir\\": refused" ACME CA=https://ca/dir acmeCA=https://ca/dir '
    'domains=["shop.example.com","www.example.com"] providerName=letsencrypt.acme\n'
)


SHOP = "shop.example.com"


class Watch:
    """A clock that is moved by hand, what the statuses tell, and the orders that were made."""

    def __init__(self, first: float = 60.0) -> None:
        self.time = NOW
        self.told: dict[tuple[str, str], Attempt] = {}
        self.made: asyncio.Queue[set[str]] = asyncio.Queue()
        self.orders = self.begun(first)

    def begun(self, first: float = 60.0) -> OrderBook:
        """As after a restart of ours."""

        def told(uid: str, hostname: str) -> Attempt:
            return self.told.get((uid, hostname), Attempt())

        return OrderBook(cast(Clock, self), first, self._order, told)

    async def _order(self, hostnames: Set[str]) -> None:
        self.made.put_nowait(set(hostnames))

    def now(self) -> datetime:
        return self.time

    def missing(self, uid: str = "a", hostname: str = SHOP) -> Attempt:
        """Looked at, and told in the status."""
        found = self.orders.missing(uid, hostname)
        self.told[uid, hostname] = found
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.orders.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ordered(self) -> set[str]:
        return await asyncio.wait_for(self.made.get(), 5)


def test_more_and_more_rarely() -> None:
    """Far from five in an hour, which is what Let's Encrypt allows."""
    watch, made = Watch(), []
    for minute in range(240):
        watch.time = NOW + timedelta(minutes=minute)
        before = watch.told.get(("a", SHOP), Attempt()).number
        if watch.missing().number != before:
            made.append(minute)
    assert made == [0, 1, 11, 71, 131, 191]


async def test_it_is_told_before_it_is_made() -> None:
    watch = Watch()
    async with watch.running():
        intended = watch.orders.missing("a", SHOP)
        assert intended == Attempt(1, NOW + timedelta(seconds=60))
        for _ in range(3):
            await asyncio.sleep(TELLING)
        assert watch.made.empty()
        watch.told["a", SHOP] = intended
        assert await watch.ordered() == {SHOP}
        assert watch.missing() == intended
        for _ in range(3):
            await asyncio.sleep(TELLING)
        assert watch.made.empty()


async def test_a_restart_orders_nothing_before_its_time() -> None:
    watch = Watch()
    first = watch.missing()
    watch.time += timedelta(seconds=30)
    watch.orders = watch.begun()
    async with watch.running():
        assert watch.missing() == first
        watch.time += timedelta(seconds=30)
        second = watch.missing()
        assert second == Attempt(2, watch.time + timedelta(seconds=600))
        assert await watch.ordered() == {SHOP}
    assert watch.made.empty()


async def test_another_hostname_moves_nobody() -> None:
    watch = Watch()
    async with watch.running():
        first = watch.missing()
        assert await watch.ordered() == {SHOP}
        watch.time += timedelta(seconds=30)
        assert watch.missing("b", "other.example.com").number == 1
        assert await watch.ordered() == {"other.example.com"}
        assert watch.missing() == first


async def test_domains_with_one_hostname_share_its_attempts() -> None:
    """Also one that is made anew under another name."""
    watch = Watch()
    async with watch.running():
        first = watch.missing()
        assert watch.missing("b") == first
        assert await watch.ordered() == {SHOP}
        watch.orders.forget("a", SHOP)
        watch.orders.forget("b", SHOP)
        assert watch.missing("c") == first
        watch.orders.settled(SHOP)
        assert watch.orders.known("d", SHOP) == Attempt()
    assert watch.made.empty()


async def test_who_asks_no_more_gets_nothing() -> None:
    watch = Watch()
    watch.missing()
    watch.orders.forget("a", SHOP)
    async with watch.running():
        watch.missing("b", "other.example.com")
        assert await watch.ordered() == {"other.example.com"}


async def test_an_order_is_there_until_it_was_seen() -> None:
    seen: list[tuple[str, ...]] = []

    class Proxies:
        async def serve(self, name: str, marker: Marker | None) -> bool:
            assert (name, marker) == (OWN, Marker("platform", str(len(seen))))
            asked.append(name)
            return len(asked) > 2

    class Publisher:
        async def keep(self, content: Mapping[str, Any]) -> Marker:
            seen.append(tuple(content["hostnames"]))
            return Marker("platform", str(len(seen)))

    asked: list[str] = []
    proxies = cast("Any", Proxies())
    ordering = Ordering(Publisher(), proxies, lambda hostnames: {"hostnames": hostnames})
    await ordering.order({SHOP})
    assert seen == [(SHOP,), ()]
    assert len(asked) == 3


async def test_a_term_that_ends_meanwhile_ends_it_too() -> None:
    """Nothing may be written any more, which is no reason to go on."""
    asked = asyncio.Event()

    class Proxies:
        async def serve(self, name: str, marker: Marker | None) -> bool:
            asked.set()
            return False

    class Publisher:
        async def keep(self, content: Mapping[str, Any]) -> Marker:
            if asked.is_set():
                raise Deposed("not the leader any more")
            return Marker("platform", "1")

    ordering = Ordering(Publisher(), cast("Any", Proxies()), lambda hostnames: {})
    ordered = asyncio.create_task(ordering.order({SHOP}))
    async with asyncio.timeout(10):
        await asked.wait()
        ordered.cancel()
        await asyncio.gather(ordered, return_exceptions=True)
    assert ordered.cancelled()


@pytest.mark.parametrize("hostname", ["shop.example.com", "www.example.com"])
def test_why_it_failed_is_in_the_proxys_log(hostname: str) -> None:
    later = LINE.replace("refused", "again\\nand again")
    text = "2026-01-02T03:04:05Z WRN something\n" + LINE + later + "half a li"
    assert failed(text)[hostname] == 'cannot get directory: Get "https://ca/dir": again and again'
    assert failed("") == failed(text[:40]) == {}


async def test_the_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "traefik.log"
    log = Log(path)
    watch = Watch()
    orders = OrderBook(cast(Clock, watch), 1.0, watch._order, lambda _u, _h: Attempt(), log)
    assert await orders.failure("shop.example.com") == ""
    path.write_text(LINE)
    assert (await orders.failure("shop.example.com")).endswith("refused")
    path.write_text("x" * 300_000 + "\n" + LINE.replace("refused", "closed"))
    assert (await orders.failure("shop.example.com")).endswith("closed")
    assert await orders.failure("other.example.com") == ""
