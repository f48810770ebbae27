"""One acting controller: taking over, giving up, and who may still write."""

from __future__ import annotations

import asyncio

import pytest

from controller.store.base import Deposed
from tests.contract.store.conftest import Shared
from tests.contract.store.making import put


async def test_the_second_waits_until_the_first_lets_go(shared: Shared) -> None:
    one, two = await shared.open(), await shared.open()
    first, second = one.leadership("one"), two.leadership("two")
    assert not first.fresh()
    epoch = await first.acquire()
    assert first.fresh()
    waiting = asyncio.create_task(second.acquire())
    holding = asyncio.create_task(first.hold())
    done, _ = await asyncio.wait({waiting, holding}, timeout=1.6)  # longer than leader_timeout
    assert not done
    holding.cancel()
    await first.release()
    assert not first.fresh()
    async with asyncio.timeout(5):
        assert await waiting == epoch + 1
    assert await two.epoch() == epoch + 1
    await second.release()


async def test_a_frozen_leader_is_replaced_and_deposed(shared: Shared) -> None:
    """Frozen: it holds its lock and says nothing."""
    one, two = await shared.open(), await shared.open()
    first, second = one.leadership("one"), two.leadership("two")
    epoch = await first.acquire()
    entry = await put(one)
    assert await one.write_status(entry.resource.uid, 1, {"n": 1}, epoch=epoch)
    async with asyncio.timeout(10):
        newer = await second.acquire()
    assert newer > epoch
    assert not first.fresh()  # it knew before anybody else could lead
    with pytest.raises(Deposed):
        await one.write_status(entry.resource.uid, 1, {"n": 2}, epoch=epoch)
    async with asyncio.timeout(1):
        await first.hold()
    await first.release()
    assert second.fresh()
    await second.release()


async def test_leading_again_raises_the_epoch(shared: Shared) -> None:
    store = await shared.open()
    lease = store.leadership("one")
    epochs = []
    for _ in range(3):
        epochs.append(await lease.acquire())
        await lease.release()
    assert epochs == sorted(set(epochs))
