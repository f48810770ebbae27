"""Retained data goes when the store says so, whatever our own clock says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from controller.reconcile.execute import Done, Executor
from controller.reconcile.retention import Retention
from resources.meta import Key, Manifest
from resources.steps import EngineStep
from resources.store_steps import AdoptVolume, RetainVolume
from tests.fakes.store import FakeDatabase, FakeStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DATA = Key("Volume", "acme", "data")


class Hands:
    """A clock that can be set, and an executor that notes what is to be removed."""

    def __init__(self) -> None:
        self.time = NOON
        self.removed: list[EngineStep] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def remove(self, steps: Sequence[EngineStep], done: Done) -> None:
        self.removed += steps


async def retained(store: FakeStore, epoch: int) -> str:
    uid = (await store.apply(Manifest(DATA, {}), source="sql")).uid
    await store.delete(DATA, source=None)
    retain = RetainVolume(cause="test", engine_name="v1", seconds=HOUR.total_seconds())
    await store.record(uid, [retain], epoch=epoch)
    return uid


def retention(store: FakeStore, ours: Hands, epoch: int) -> Retention:
    return Retention(store, cast(Executor, ours), ours, lambda: epoch)


async def test_a_clock_that_is_ahead_ends_no_window() -> None:
    theirs, ours = Hands(), Hands()
    store = FakeStore(FakeDatabase(now=theirs.now))
    epoch = await store.leadership("test").acquire()
    uid = await retained(store, epoch)
    ours.time += 2 * HOUR
    await retention(store, ours, epoch).expire()
    assert ours.removed == []
    assert [r.uid for r in await store.retained()] == [uid]

    theirs.time += HOUR
    await retention(store, ours, epoch).expire()
    (step,) = ours.removed
    assert step.render() == "RemoveVolume v1 (its retention window ended)"
    assert getattr(step, "instance", None) == await store.instance()
    assert await store.retained() == []


@pytest.mark.parametrize(
    ("actor", "cause"), [("user:anna", "purge requested by user:anna"), (None, "purge requested")]
)
async def test_a_purge_is_not_called_the_end_of_a_window(actor: str | None, cause: str) -> None:
    hands = Hands()
    store = FakeStore(FakeDatabase(now=hands.now))
    epoch = await store.leadership("test").acquire()
    await store.expire_retained(await retained(store, epoch), actor=actor)
    await retention(store, hands, epoch).expire()
    (step,) = hands.removed
    assert step.render() == f"RemoveVolume v1 ({cause})"


async def test_what_is_adopted_at_this_moment_stays() -> None:
    """Between our reading of the list and the removal."""
    theirs, ours = Hands(), Hands()
    database = FakeDatabase(now=theirs.now)
    store, user = FakeStore(database), FakeStore(database)
    epoch = await store.leadership("test").acquire()
    uid = await retained(store, epoch)
    ours.time += HOUR

    async def adopting(op: str, *what: object) -> None:
        if op == "retained":
            new = (await user.apply(Manifest(DATA, {"adopt": uid}), source="sql")).uid
            adopt = AdoptVolume(cause="test", engine_name="v1", retained_uid=uid)
            await user.record(new, [adopt], epoch=epoch)

    store.after = adopting
    await retention(store, ours, epoch).expire()
    assert ours.removed == []
