"""The live index when the stream ends, is silent, or its engine goes."""

from __future__ import annotations

import asyncio

import pytest

from resources.errors import UserError
from tests.unit.engine.index_lab import caught, lab, soon

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("broken", [False, True])
async def test_a_gap_is_healed(broken: bool) -> None:
    async with lab() as it:
        for name in ("stays", "stops", "goes", "limits"):
            it.run(name)
        await soon()
        it.changes.clear()
        it.engine.stream.end(broken=broken)
        await soon()
        assert not it.index.synced
        it.engine.hand.stop("stops")
        it.engine.hand.rm("goes")
        it.engine.hand.update("limits", restart="always")
        it.run("comes")
        async with asyncio.timeout(5):
            await it.index.wait_synced()
            await soon()
        it.assert_current()
        assert {name for _, name in it.told} == {"stops", "goes", "comes", "limits"}
        assert it.relists == ["start", "error" if broken else "ended"]


async def test_silence_is_a_gap() -> None:
    async with lab(silence=30) as it:
        it.engine.stream.mute = True
        it.run("web")
        await asyncio.sleep(29)
        assert it.index.synced
        await asyncio.sleep(5)
        assert it.index.synced
        assert it.relists == ["start", "error"]
        it.assert_current()


async def test_engine_restart() -> None:
    async with lab() as it:
        hand = it.engine.hand
        it.run("never")
        it.run("always")
        hand.update("always", restart="always")
        await soon()
        await hand.restart_engine(20.0)
        async with asyncio.timeout(20):
            await it.index.wait_synced()
        it.assert_current()
        states = {c.name: c.state for c in it.index.world.containers.values()}
        assert states == {"never": "exited", "always": "running"}


async def test_an_engine_that_is_down_at_first() -> None:
    async with lab(synced=False) as it:
        it.engine.go_down()
        await asyncio.sleep(100)
        assert (it.index.synced, it.index.state) == (False, "disconnected")
        assert "reached" in it.index.last_error
        with pytest.raises(UserError) as caught:
            await it.index.relist()
        assert caught.value.retryable
        attempts = it.engine.reads["events"]
        it.engine.come_up()
        async with asyncio.timeout(16):
            await it.index.wait_synced()
        assert it.index.last_error == ""
        assert attempts == 0


async def test_the_reader_survives_a_listing_that_fails() -> None:
    async with lab(synced=False) as it:
        failures = iter(range(3))

        def fail(phase: str, operation: str, subject: object) -> None:
            if operation == "list" and next(failures, None) is not None:
                raise UserError("CONFIGURATION_ENGINE_FAILED", "no", retryable=True)

        it.engine.faults = fail
        async with asyncio.timeout(60):
            await it.index.wait_synced()
        it.assert_current()


async def test_an_object_the_engine_cannot_show_spoils_nothing() -> None:
    async with lab() as it:
        web = it.run("web")

        def fail(phase: str, operation: str, subject: object) -> None:
            if operation == "inspect_container" and subject == web.id:
                raise UserError("CONFIGURATION_ENGINE_FAILED", "cannot show it", retryable=True)

        it.engine.faults = fail
        it.run("other")
        await soon()
        assert it.index.synced
        assert it.index.world.container_named("other") is not None
        it.engine.faults = None
        await it.index.relist()
        it.assert_current()


async def test_a_relist_under_way_when_the_engine_goes_fails() -> None:
    async with lab() as it:
        for number in range(5):
            it.run(f"web{number}")
        await soon()
        it.engine.stream.mute = True
        for number in range(5):
            it.engine.hand.stop(f"web{number}")
        it.engine.stream.mute = False

        async def slow(phase: str, operation: str) -> None:
            await asyncio.sleep(1)

        it.engine.latency = slow
        async with asyncio.TaskGroup() as group:
            relist = group.create_task(caught(it.index.relist()))
            await asyncio.sleep(2.5)
            it.engine.go_down()
            assert (await relist).code == "CONFIGURATION_ENGINE_UNREACHABLE"
        it.engine.latency = None
        it.engine.come_up()
        await it.index.wait_synced()
