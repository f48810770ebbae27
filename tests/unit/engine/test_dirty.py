"""The set of what to look at again."""

from __future__ import annotations

import asyncio

import pytest

from controller.engine.dirty import Dirty, Ref

A, B, C = (Ref("container", name) for name in "abc")


async def test_urgent_goes_first_and_each_once() -> None:
    dirty = Dirty()
    dirty.add(A, urgent=False)
    dirty.add(B)
    dirty.add(B)
    dirty.add(C, urgent=False)
    dirty.add(C)
    dirty.add(B, urgent=False)
    assert [await dirty.get() for _ in range(3)] == [B, C, A]


async def test_never_twice_at_once_but_once_more_afterwards() -> None:
    dirty = Dirty()
    dirty.add(A)
    assert await dirty.get() == A
    dirty.add(A)
    getter = asyncio.ensure_future(dirty.get())
    await asyncio.sleep(0)
    assert not getter.done()
    dirty.done(A)
    async with asyncio.timeout(5):
        assert await getter == A


async def test_what_is_gone_while_looked_at_is_looked_at_again() -> None:
    dirty = Dirty()
    dirty.add(A)
    await dirty.get()
    dirty.discard(A)
    dirty.done(A)
    assert await dirty.get() == A
    dirty.done(A)
    dirty.add(B)
    dirty.discard(B)
    dirty.add(C)
    assert await dirty.get() == C


async def test_settled_wants_a_look_that_began_later() -> None:
    """And no more than that, however busy the object is."""
    dirty = Dirty()
    dirty.add(A)
    await dirty.get()
    dirty.add(A)
    waiter = asyncio.ensure_future(dirty.settled([A]))
    await asyncio.sleep(0)
    dirty.done(A)
    await asyncio.sleep(0)
    assert not waiter.done()
    await dirty.get()
    dirty.add(A)
    dirty.done(A)
    async with asyncio.timeout(5):
        await waiter
    await dirty.settled([B])


async def test_abandoned() -> None:
    dirty = Dirty()
    dirty.add(A)
    dirty.add(B)
    waiter = asyncio.ensure_future(dirty.settled([A, B]))
    await dirty.get()
    await asyncio.sleep(0)
    dirty.abandon()
    with pytest.raises(ConnectionResetError):
        await waiter
