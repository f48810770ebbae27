"""What the listener hears, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.store.base import Change, Store
from resources.meta import Key
from resources.store_steps import BeginRollout, Finalize
from tests.contract.store.making import ACME, CAUSE, DATA, WEB, accept, get, manifest, put, record

END = Key("Organization", "", "end")


async def heard(store: Store, changes: AsyncIterator[Change]) -> list[Key | None]:
    """All that was heard until now: a mark is written and waited for."""
    await store.apply(manifest(END, {}), source="api")
    found: list[Key | None] = []
    async with asyncio.timeout(10):
        async for change in changes:
            if change.key == END:
                break
            found.append(change.key)
    await store.delete(END, source=None)
    async with asyncio.timeout(10):
        assert (await anext(changes)).key == END
    await asyncio.sleep(0)
    return found


async def finish(store: Store, epoch: int) -> None:
    entry = await get(store, END)
    await store.record(entry.resource.uid, [Finalize(cause=CAUSE)], epoch=epoch)


@pytest.fixture
async def changes(store: Store) -> AsyncIterator[AsyncIterator[Change]]:
    async with store.changes() as stream:
        yield stream


async def test_declarations_are_heard(
    store: Store, epoch: int, changes: AsyncIterator[Change]
) -> None:
    await put(store)
    assert await heard(store, changes) == [WEB]
    await finish(store, epoch)
    async with asyncio.timeout(10):
        assert (await anext(changes)).key == END  # the row went
    await put(store, WEB, {"image": "b"})
    await store.annotate(WEB, {"skypanel.io/restartedAt": "1"})
    await store.apply(manifest(spec={"image": "b"}, labels={"a": "b"}), source="sql")
    await store.delete(WEB, source=None)
    await put(store, ACME, {})
    assert await heard(store, changes) == [WEB, ACME]


async def test_our_own_writes_are_not_heard(
    store: Store, epoch: int, changes: AsyncIterator[Change]
) -> None:
    entry = await put(store)
    assert await heard(store, changes) == [WEB]
    await finish(store, epoch)
    async with asyncio.timeout(10):
        assert (await anext(changes)).key == END
    await accept(store, entry, epoch)
    await record(store, entry, epoch, BeginRollout(cause=CAUSE, generation=1, revision="v1:a"))
    await store.write_status(entry.resource.uid, 1, {"phase": "Running"}, epoch=epoch)
    await put(store)  # nothing changes
    await store.annotate(WEB, {})
    await store.adopt(WEB, source="api")
    assert await heard(store, changes) == []


async def test_equal_news_unread_are_one(
    store: Store, epoch: int, changes: AsyncIterator[Change]
) -> None:
    for number in range(5):
        await put(store, WEB, {"image": str(number)})
        await put(store, DATA, {"size": number})
    assert len(await heard(store, changes)) <= 10  # as many as were read in between


async def test_two_listeners_hear_the_same(store: Store) -> None:
    async with store.changes() as one, store.changes() as two:
        await put(store)
        async with asyncio.timeout(10):
            assert (await anext(one)).key == WEB
            assert (await anext(two)).key == WEB
