"""When a term has looked at all that is routed."""

from __future__ import annotations

import pytest

from controller.coverage import Coverage
from controller.loop.outcome import Done, Outcome
from controller.store.base import StoreUnavailable
from resources.errors import UserError
from resources.meta import Key

ONE, TWO = Key("Domain", "acme", "one"), Key("Service", "acme", "two")


class Stage:
    def __init__(self) -> None:
        self.keys = [ONE, TWO]
        self.again = 0
        self.error: Exception | None = None
        self.coverage = Coverage(lambda: self.keys, self._again)
        self.coverage.begin()
        self.reconcile = self.coverage.following(self._reconcile)

    def _again(self) -> None:
        self.again += 1

    async def _reconcile(self, key: Key) -> Outcome:
        if self.error is not None:
            raise self.error
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
