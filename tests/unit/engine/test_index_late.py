"""A container that was only made is looked at a moment later; one that starts, when it has."""

from __future__ import annotations

import asyncio

import pytest

from controller.engine.index import LATER
from tests.unit.engine.index_lab import lab

pytestmark = pytest.mark.looptime


async def test_one_look_at_what_is_made_and_started() -> None:
    async with lab() as it:
        before = it.engine.reads["inspect_container"]
        it.run("web")
        await asyncio.sleep(LATER / 2)
        it.assert_current()
        await asyncio.sleep(LATER * 2)
        assert it.engine.reads["inspect_container"] == before + 1


async def test_what_was_only_made_is_seen_within_a_second() -> None:
    async with lab() as it:
        it.engine.stream.filter = lambda event: () if event.action == "start" else (event,)
        it.run("web")
        await asyncio.sleep(LATER / 2)
        assert it.index.world.container_named("web") is None
        await asyncio.sleep(LATER)
        it.assert_current()


async def test_what_was_made_and_is_gone_is_not_looked_at() -> None:
    async with lab() as it:
        before = it.engine.reads["inspect_container"]
        it.engine.stream.filter = lambda event: () if event.action == "start" else (event,)
        it.run("web")
        it.engine.hand.rm("web")
        await asyncio.sleep(LATER * 2)
        assert it.engine.reads["inspect_container"] == before
        it.assert_current()
