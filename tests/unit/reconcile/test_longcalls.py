"""Long calls hold no worker, are shared, and are fair between organizations."""

from __future__ import annotations

import asyncio

import pytest

from controller.reconcile.longcalls import NEWS, PATIENCE, LongCalls, Slots
from resources.errors import UserError
from resources.meta import Key
from resources.steps import StopContainer

STEP = StopContainer(container="c1", container_name="web", grace=10, cause="old")
A, B = Key("Service", "a", "web"), Key("Service", "b", "web")


@pytest.mark.looptime
async def test_a_quick_call_is_done_at_once() -> None:
    woken: list[Key] = []
    calls = LongCalls(woken.append)
    assert await calls.ask(A, "x", STEP, lambda: asyncio.sleep(PATIENCE / 2)) is True
    assert woken == [], "the pass that waited needs no waking: it would never end"


@pytest.mark.looptime
async def test_a_slow_call_ends_the_pass_and_wakes_every_asker_once() -> None:
    woken: list[Key] = []
    started: list[int] = []
    calls = LongCalls(woken.append)

    async def slow() -> None:
        started.append(1)
        await asyncio.sleep(100)

    loop = asyncio.get_running_loop()
    begin = loop.time()
    both = [calls.ask(key, "x", STEP, slow) for key in (A, B)]
    assert await asyncio.gather(*both) == [False] * 2
    assert loop.time() - begin == pytest.approx(PATIENCE, abs=0.1)
    assert await calls.ask(A, "x", STEP, slow) is False
    await asyncio.sleep(100)
    assert sorted(woken) == [A, B]
    assert len(started) == 1
    assert await calls.ask(A, "x", STEP, slow) is True
    assert await calls.ask(B, "x", STEP, slow) is True
    assert await calls.ask(A, "x", STEP, slow) is False
    assert len(started) == 2
    await calls.close()


@pytest.mark.looptime
async def test_what_was_done_meanwhile_is_kept_until_it_is_told() -> None:
    calls = LongCalls(lambda _: None)
    assert await calls.ask(A, "x", STEP, lambda: asyncio.sleep(5)) is False
    assert calls.done(A) == ()
    await asyncio.sleep(5)
    assert calls.done(A) == (STEP,)
    calls.told(A, ())
    assert calls.done(A) == (STEP,), "a pass that failed has told nobody"
    calls.told(A, (STEP,))
    assert (calls.done(A), calls.done(B)) == ((), ())


@pytest.mark.looptime
async def test_its_error_is_told_once_to_each() -> None:
    calls = LongCalls(lambda _: None)

    async def fails() -> None:
        await asyncio.sleep(10)
        raise UserError("IMAGE_PULL_FAILED", "no")

    assert await calls.ask(A, "x", STEP, fails) is False
    assert await calls.ask(B, "x", STEP, fails) is False
    await asyncio.sleep(10)
    for key in (A, B):
        with pytest.raises(UserError):
            await calls.ask(key, "x", STEP, fails)
    assert calls.done(A) == ()
    assert await calls.ask(A, "x", STEP, fails) is False
    await calls.close()


@pytest.mark.looptime
async def test_old_news_means_another_call() -> None:
    calls = LongCalls(lambda _: None)
    assert await calls.ask(A, "x", STEP, lambda: asyncio.sleep(5)) is False
    await asyncio.sleep(5 + NEWS)
    assert await calls.ask(A, "x", STEP, lambda: asyncio.sleep(5)) is False
    await calls.close()


@pytest.mark.looptime
async def test_one_organization_does_not_take_all_slots() -> None:
    slots = Slots(3, 2)
    held: list[str] = []

    async def hold(organization: str) -> None:
        async with slots.of(organization):
            held.append(organization)
            await asyncio.sleep(10)
            held.remove(organization)

    async with asyncio.TaskGroup() as group:
        for organization in ("a", "a", "a", "a", "b"):
            group.create_task(hold(organization))
        await asyncio.sleep(1)
        assert sorted(held) == ["a", "a", "b"]
        await asyncio.sleep(10)
        assert sorted(held) == ["a", "a"]
    assert held == []


@pytest.mark.looptime
async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    slots = Slots(1, 1)

    async def hold(seconds: float) -> None:
        async with slots.of("a"):
            await asyncio.sleep(seconds)

    first = asyncio.ensure_future(hold(5))
    second = asyncio.ensure_future(hold(5))
    third = asyncio.ensure_future(hold(5))
    await asyncio.sleep(1)
    second.cancel()
    async with asyncio.timeout(30):
        await asyncio.gather(first, third)
    assert second.cancelled()


@pytest.mark.looptime
async def test_who_holds_the_fewest_slots_is_next() -> None:
    slots = Slots(2, 2)
    order: list[str] = []

    async def hold(organization: str) -> None:
        async with slots.of(organization):
            order.append(organization)
            await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        for organization in ("a", "a", "a", "a", "a", "b"):
            group.create_task(hold(organization))
    assert order == ["a", "a", "b", "a", "a", "a"]
