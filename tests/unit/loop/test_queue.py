"""The queue's promises: never the same key twice at once, no lost add, dates, fairness."""

from __future__ import annotations

import asyncio
import random

import pytest

from controller.loop.backoff import Backoff
from controller.loop.queue import FAIRNESS, Closed, Queue


async def test_equal_keys_are_one() -> None:
    queue: Queue[str] = Queue()
    for _ in range(3):
        queue.add("a")
    assert queue.depth == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.depth == 0


async def test_an_add_during_processing_runs_once_more_afterwards() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a", urgent=False)
    assert queue.depth == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.depth == 0


async def test_changes_go_before_resyncs_but_do_not_starve_them() -> None:
    queue: Queue[int] = Queue()
    queue.add(-1, urgent=False)
    for key in range(FAIRNESS + 5):
        queue.add(key)
    order = []
    for _ in range(FAIRNESS + 1):
        key = await queue.get()
        queue.done(key)
        order.append(key)
    assert order[:FAIRNESS] == list(range(FAIRNESS))
    assert order[FAIRNESS] == -1


async def test_a_waiting_resync_becomes_urgent() -> None:
    queue: Queue[str] = Queue()
    queue.add("slow", urgent=False)
    queue.add("x")
    queue.add("slow")
    assert [await queue.get(), await queue.get()] == ["x", "slow"]


@pytest.mark.looptime
async def test_dates_the_earliest_wins_and_an_add_overtakes() -> None:
    queue: Queue[str] = Queue()
    loop = asyncio.get_running_loop()
    start = loop.time()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 7)
    assert await queue.get() == "a"
    assert loop.time() - start == pytest.approx(3, abs=0.01)
    queue.done("a")
    queue.add_after("a", 5)
    queue.add("a")
    assert await queue.get() == "a"
    assert loop.time() - start == pytest.approx(3, abs=0.01)
    queue.done("a")
    assert queue.waiting == 0


@pytest.mark.looptime
async def test_hints_do_not_hasten_what_failed() -> None:
    queue: Queue[str] = Queue()
    loop = asyncio.get_running_loop()
    start = loop.time()
    queue.add("a")
    await queue.get()
    queue.hint("a")  # an event of the failing call itself
    queue.back_off("a", 10)
    queue.done("a")
    queue.hint("a")
    assert queue.depth == 0
    assert await queue.get() == "a"
    assert loop.time() - start == pytest.approx(10, abs=0.01)
    queue.hint("a")
    queue.done("a")
    assert await queue.get() == "a", "without a failure a hint counts, also during the work"
    queue.back_off("a", 10)
    queue.done("a")
    queue.add("a")
    assert await queue.get() == "a", "a change of the declaration is worked at once"
    assert loop.time() - start == pytest.approx(10, abs=0.01)


async def test_close_wakes_every_getter() -> None:
    queue: Queue[str] = Queue()
    getters = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    for getter in getters:
        with pytest.raises(Closed):
            await getter


async def test_suspended_it_holds_nothing_and_takes_nothing() -> None:
    queue: Queue[str] = Queue()
    for key in ("a", "worked"):
        queue.add(key)
    queue.add_after("b", 1000)
    assert await queue.get() == "a"
    queue.add("a")
    queue.suspend()
    queue.add("c")
    queue.add_after("d", 0)
    queue.done("a")
    assert (queue.depth, queue.waiting, queue.processing) == (0, 0, 0)
    async with asyncio.timeout(5):
        await queue.join()
    queue.resume()
    queue.add("e")
    assert await queue.get() == "e"


async def test_a_cancelled_getter_passes_its_wake_up_on() -> None:
    queue: Queue[str] = Queue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    async with asyncio.timeout(5):
        assert await second == "a"


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(20))
async def test_against_a_model(seed: int) -> None:
    """Random adds and works: exclusive per key, and every add is followed by a start."""
    chance = random.Random(seed)
    queue: Queue[int] = Queue()
    working: set[int] = set()
    wanted: set[int] = set()

    async def worker() -> None:
        while True:
            try:
                key = await queue.get()
            except Closed:
                return
            assert key not in working
            working.add(key)
            wanted.discard(key)
            await asyncio.sleep(chance.random())
            working.discard(key)
            queue.done(key)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(worker())
        for _ in range(300):
            key = chance.randrange(12)
            wanted.add(key)
            if chance.random() < 0.3:
                queue.add_after(key, chance.random() * 3)
            else:
                queue.add(key, urgent=chance.random() < 0.7)
            await asyncio.sleep(chance.random() * 0.2)
        await asyncio.sleep(60)
        queue.close()
    assert wanted == set()
    assert queue.waiting == 0


def test_backoff_doubles_with_jitter_and_is_forgotten() -> None:
    backoff: Backoff[str] = Backoff(0.5, 60, random.Random(1))
    waits = [backoff.next("a") for _ in range(12)]
    for number, wait in enumerate(waits):
        ceiling = min(60, 0.5 * 2**number)
        assert ceiling / 2 <= wait <= ceiling
    backoff.forget("a")
    assert backoff.next("a") <= 0.5


async def test_one_groups_many_keys_do_not_keep_anothers_waiting() -> None:
    queue: Queue[str] = Queue(group=lambda key: key[0])
    for number in range(100):
        queue.add(f"a{number}")
    queue.add("b0")
    queue.add("b1")
    taken = [await queue.get() for _ in range(5)]
    assert taken == ["a0", "b0", "a1", "b1", "a2"]
    assert queue.depth == 97
