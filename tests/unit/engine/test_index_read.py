"""The engine read through the index: what it answers is held, unless something newer is known."""

from __future__ import annotations

import asyncio

import pytest

from resources.world import Scope
from tests.unit.engine.index_lab import lab

pytestmark = pytest.mark.looptime


async def test_what_was_read_is_held_at_once() -> None:
    """Who acts and reads what became of it need not wait for the events."""
    async with lab() as it:
        gone = it.run("gone")
        await asyncio.sleep(1)
        it.engine.stream.mute = True
        it.engine.hand.rm(gone.name)
        made = it.run("made")
        found = await it.index.read(Scope(containers_of=frozenset({"u"})))
        assert set(found.containers) == {made.id}
        it.assert_current()
        assert {("container", "gone"), ("container", "made")} <= set(it.told)


async def test_what_was_read_is_not_held_when_something_newer_is_known() -> None:
    async with lab() as it:
        container = it.run("web")
        await asyncio.sleep(1)

        async def slow(phase: str, operation: str) -> None:
            if operation == "read" and phase == "after":
                it.engine.hand.stop(container.name)
                await asyncio.sleep(1)

        it.engine.latency = slow
        found = await it.index.read(Scope(containers_of=frozenset({"u"})))
        assert found.containers[container.id].state == "running"
        assert it.index.world.containers[container.id].state == "exited"


async def test_what_was_read_before_the_stream_was_lost_is_not_held() -> None:
    async with lab() as it:
        it.run("web")
        await asyncio.sleep(1)

        async def slow(phase: str, operation: str) -> None:
            if operation == "read" and phase == "after":
                it.engine.hand.rm("web")
                it.engine.stream.end()
                await asyncio.sleep(30)

        it.engine.latency = slow
        await it.index.read(Scope(containers_of=frozenset({"u"})))
        await it.index.wait_synced()
        it.assert_current()
