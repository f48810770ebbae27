"""The verifier: asks again with patience, tells only news, and shares itself out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from controller.clock import Clock
from controller.reconcile import verifier as module
from controller.reconcile.observe import Observation
from controller.reconcile.verifier import PER_ORGANIZATION, Verifier
from resources.domain.verifying import Answer, DnsQuestion, judge, pause
from resources.meta import Key
from resources.routing.world import DnsFinding
from resources.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = Key("Domain", "acme", "shop")


class Stand:
    """DNS by uid; ``hole`` never answers."""

    def __init__(self) -> None:
        self.world = World()
        self.now = NOW
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        clock = cast(Clock, SimpleNamespace(now=lambda: self.now))
        self.verifier = Verifier(
            lambda: self.world, self.woken.put_nowait, clock, random.Random(1), self._ask
        )

    async def asked_more(self, count: int) -> None:
        while len(self.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _ask(self, question: DnsQuestion) -> Answer:
        self.asked.append(question.uid)
        if question.host == "hole":
            await asyncio.Event().wait()
        return self.answers.get(question.uid, Answer())

    def observed(self, key: Key, *questions: DnsQuestion) -> None:
        self.verifier.observed(cast(Observation, questions), key)

    def found(self, host: str = "shop.example.com") -> DnsFinding:
        return self.world.findings["u"][host]


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_questions", lambda observation: observation)
    monkeypatch.setattr(module, "pause", lambda finding, attempts: 0.01)


def question(uid: str = "u", host: str = "shop.example.com", token: str = "t") -> DnsQuestion:
    return DnsQuestion(uid, host, token, ("192.0.2.7",))


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.verifier.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def woken(stand: Stand) -> Key:
    return await asyncio.wait_for(stand.woken.get(), 5)


async def test_until_it_is_there_and_then_it_is_silent() -> None:
    stand = Stand()
    stand.observed(SHOP, question())
    assert stand.verifier.settled
    async with running(stand):
        assert await woken(stand) == SHOP
        assert not stand.found().proven
        stand.answers["u"] = Answer(("t",), ("192.0.2.7",))
        while not stand.found().proven:
            await woken(stand)
        found, asked = stand.found(), len(stand.asked)
        stand.observed(SHOP, question())
        await asyncio.wait_for(stand.asked_more(asked + 5), 5)
        assert stand.found() is found
        assert stand.woken.empty()
        stand.observed(SHOP)
        assert stand.world.findings == {}


async def test_another_hostname_is_asked_about_anew() -> None:
    stand = Stand()
    async with running(stand):
        stand.observed(SHOP, question(host="hole"))
        await asyncio.sleep(0)
        stand.observed(SHOP, question(host="other.example.com"))
        await woken(stand)
        assert [*stand.world.findings["u"]] == ["other.example.com"]
    assert stand.world.findings == {}


async def test_the_earlier_hostname_is_asked_about_as_long_as_it_is_held() -> None:
    """What is known of it stays known when the newest is asked about as well."""
    stand, new = Stand(), question(host="new.example.com")
    async with running(stand):
        stand.observed(SHOP, question())
        await woken(stand)
        known = stand.found()
        stand.answers["u"] = Answer(error="away")
        stand.observed(SHOP, new, question())
        while not stand.verifier.settled:
            await woken(stand)
        assert stand.found().failing_since == known.failing_since
        assert stand.found().failures >= 1
        stand.observed(SHOP, new)
        assert [*stand.world.findings["u"]] == ["new.example.com"]


async def test_black_holes_hold_up_nobody_else() -> None:
    stand = Stand()
    for number in range(100):
        stand.observed(Key("Domain", "evil", f"d{number}"), question(f"e{number}", "hole"))
    stand.observed(SHOP, question())
    async with running(stand):
        assert await woken(stand) == SHOP
        assert len([uid for uid in stand.asked if uid.startswith("e")]) == PER_ORGANIZATION
        assert not stand.verifier.settled


def test_it_is_asked_less_and_less_often() -> None:
    bad = judge(None, question(), Answer(), NOW)
    pauses = [pause(bad, attempts) for attempts in range(1, 40)]
    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 600
    good = judge(None, question(), Answer(("t",), ("192.0.2.7",)), NOW)
    assert pause(good, 0) == 3600


def test_partly_elsewhere_is_not_here() -> None:
    """A certificate authority would ask the other address."""
    both = judge(None, question(), Answer(("t",), ("192.0.2.7", "2001:db8::1")), NOW)
    assert both.proven
    assert not both.pointed
    assert not judge(None, question(), Answer(("t",)), NOW).pointed


def test_a_name_without_an_address_leads_nowhere() -> None:
    """Also where nobody says what leads here: an authority could not ask it."""
    anywhere = replace(question(), addresses=())
    assert not judge(None, anywhere, Answer(("t",)), NOW).pointed
    assert not judge(None, anywhere, Answer(("t",), aliases=("gone.example",)), NOW).pointed
    assert judge(None, anywhere, Answer(("t",), ("198.51.100.9",)), NOW).pointed


def test_an_error_keeps_what_was_known() -> None:
    good = judge(None, question(), Answer(("t",), ("192.0.2.7",)), NOW)
    later = judge(good, question(), Answer(error="away"), NOW + timedelta(hours=1))
    assert (later.proven, later.pointed, later.error, later.failures) == (True, True, "away", 0)
    assert judge(later, question(), Answer(error="away"), NOW + timedelta(hours=2)) is later
