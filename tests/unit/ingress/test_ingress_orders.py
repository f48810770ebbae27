"""Orders for certificates that failed: when they are tried again, and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from controller.clock import Clock
from controller.ingress.orders import Log, Orders, failed

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINE = (
    '2026-01-02T03:04:05Z ERR Unable to obtain ACME certificate for domains error="cannot get '
    'directory: Get \\"https://ca/dir\\": refused" ACME CA=https://ca/dir acmeCA=https://ca/dir '
    'domains=["shop.example.com","www.example.com"] providerName=letsencrypt.acme\n'
)


class Watch:
    """A clock that is moved by hand, and the attempts that were made."""

    def __init__(self, first: float = 0.02) -> None:
        self.time = NOW
        self.made: asyncio.Queue[int] = asyncio.Queue()
        self.orders = Orders(cast(Clock, self), first, self.made.put)

    def now(self) -> datetime:
        return self.time

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.orders.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_later_and_later_until_it_is_there() -> None:
    watch = Watch()
    async with watch.running():
        watch.orders.missing("a")
        for attempt in (1, 2, 3):
            watch.time += timedelta(hours=1)
            watch.orders._news.set()  # the clock was moved
            assert await asyncio.wait_for(watch.made.get(), 5) == attempt
        for _ in range(3):
            await asyncio.sleep(0)
        assert watch.orders._due == watch.time + timedelta(seconds=0.02 * 4**3)
        watch.orders.settled("a")
        assert watch.orders._left() is None


def test_another_one_has_its_first_attempt_soon() -> None:
    watch = Watch(first=60.0)
    assert watch.orders.missing("a") == NOW + timedelta(seconds=60)
    watch.time += timedelta(seconds=30)
    assert watch.orders.missing("b") == NOW + timedelta(seconds=60)
    assert watch.orders.missing("a") == NOW + timedelta(seconds=60)
    watch.orders.settled("a")
    assert watch.orders._left() == 30.0
    watch.orders.settled("b")
    assert watch.orders.missing("c") == watch.time + timedelta(seconds=60)


@pytest.mark.parametrize("hostname", ["shop.example.com", "www.example.com"])
def test_why_it_failed_is_in_the_proxys_log(hostname: str) -> None:
    later = LINE.replace("refused", "again\\nand again")
    text = "2026-01-02T03:04:05Z WRN something\n" + LINE + later + "half a li"
    assert failed(text)[hostname] == 'cannot get directory: Get "https://ca/dir": again and again'
    assert failed("") == failed(text[:40]) == {}


async def test_the_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "traefik.log"
    log = Log(path)
    orders = Orders(cast(Clock, Watch()), 1.0, Watch().made.put, log)
    assert await orders.failure("shop.example.com") == ""
    path.write_text(LINE)
    assert (await orders.failure("shop.example.com")).endswith("refused")
    path.write_text("x" * 300_000 + "\n" + LINE.replace("refused", "closed"))
    assert (await orders.failure("shop.example.com")).endswith("closed")
    assert await orders.failure("other.example.com") == ""
