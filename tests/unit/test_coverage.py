"""When a term has looked at all that is routed."""

from __future__ import annotations

from typing import cast
from unittest.mock import Mock

import pytest

from controller.coverage import PATIENCE, Coverage
from controller.loop.outcome import Done, Outcome
from controller.reconcile.observe import Observation
from controller.store.base import StoreUnavailable
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from tests.fakes.clock import HandClock

ONE, TWO = Key("Domain", "acme", "one"), Key("Service", "acme", "two")


class Stage:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.returns: set[Key] = set()
        self.keys = [ONE, TWO]
        self.again = 0
        self.error: Exception | None = None
        self.asked = 0
        self.coverage = Coverage(lambda: self.keys, self._again, self.clock, self._returns)
        self.coverage.begin()
        self.reconcile = self.coverage.following(self._reconcile)

    async def look_at_all(self) -> None:
        self.coverage.informed()
        self.coverage.swept()
        for key in self.keys:
            await self.reconcile(key)

    def _returns(self, context: Context) -> bool:
        self.asked += 1
        return context.key in self.returns

    def _again(self) -> None:
        self.again += 1

    async def _reconcile(self, key: Key) -> Outcome:
        if self.error is not None:
            raise self.error
        observation = Mock(spec=Observation)
        observation.context.key = key
        self.coverage.observed(cast(Observation, observation), key)
        return Done()


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_all_were_looked_at_since_it_was_known_what_there_is(stage: Stage) -> None:
    for key in stage.keys:
        await stage.reconcile(key)
    stage.coverage.swept()
    assert not stage.coverage.whole
    stage.coverage.informed()
    assert stage.again == 1
    await stage.reconcile(ONE)
    stage.coverage.swept()
    assert not stage.coverage.whole
    await stage.reconcile(TWO)
    assert stage.coverage.whole
    stage.keys.append(Key("Domain", "acme", "three"))
    assert stage.coverage.whole
    stage.coverage.begin()
    assert not stage.coverage.whole


async def test_what_has_no_row_must_have_gone(stage: Stage) -> None:
    stage.coverage.informed()
    for key in stage.keys:
        await stage.reconcile(key)
    assert not stage.coverage.whole
    stage.coverage.swept()
    assert stage.coverage.whole


async def test_one_that_went_meanwhile_is_not_waited_for(stage: Stage) -> None:
    stage.coverage.sweeps = False
    stage.coverage.informed()
    await stage.reconcile(ONE)
    stage.keys.remove(TWO)
    assert stage.coverage.whole


@pytest.mark.parametrize(
    ("error", "counts"),
    [(UserError("X", "refused"), True), (KeyError(), True), (StoreUnavailable(), False)],
)
async def test_a_pass_that_fails_has_been_one(stage: Stage, error: Exception, counts: bool) -> None:
    stage.coverage.informed()
    stage.coverage.swept()
    stage.error = error
    for key in stage.keys:
        with pytest.raises(type(error)):
            await stage.reconcile(key)
    assert stage.coverage.whole is counts


async def test_what_is_about_to_be_published_again_is_waited_for(stage: Stage) -> None:
    stage.returns = {ONE}
    await stage.look_at_all()
    assert not stage.coverage.whole
    stage.returns.clear()
    await stage.reconcile(ONE)
    assert stage.coverage.whole


@pytest.mark.parametrize("ends", ["the resource", "patience"])
async def test_it_is_not_waited_for_without_end(stage: Stage, ends: str) -> None:
    stage.returns = {ONE}
    await stage.look_at_all()
    assert not stage.coverage.whole
    if ends == "patience":
        stage.clock.at += PATIENCE + 1
    else:
        stage.coverage.observed(None, ONE)
    assert stage.coverage.whole


async def test_it_is_asked_only_while_somebody_waits_for_the_answer(stage: Stage) -> None:
    """At every pass of every resource it would cost something for nobody."""
    for key in stage.keys:
        await stage.reconcile(key)
    assert stage.asked == 0
    await stage.look_at_all()
    assert stage.asked == len(stage.keys)
    assert stage.coverage.whole
    await stage.reconcile(ONE)
    assert stage.asked == len(stage.keys)
