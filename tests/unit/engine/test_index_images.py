"""Images in the live index."""

from __future__ import annotations

import asyncio

import pytest

from resources.steps import PullImage
from tests.fakes.objects import Behaviour
from tests.unit.engine.index_lab import lab, soon

pytestmark = pytest.mark.looptime


async def test_images_are_asked_once_until_something_happens_to_one() -> None:
    async with lab() as it:
        it.engine.images.update({"app:2": Behaviour(), "app:3": Behaviour(local=True)})
        wanted = ["app:1", "app:2", "app:3"]
        for _ in range(3):
            await it.index.ensure_images(wanted)
        assert it.engine.reads["inspect_image"] == 3
        assert set(it.index.world.images) == {"app:1", "app:3"}

        await it.engine.pull_image(PullImage(cause="test", reference="app:2"))
        await soon()
        await it.index.ensure_images(["app:2"])
        assert it.index.world.image("app:2") is not None

        it.engine.images["app:1"] = Behaviour()
        it.engine.hand.rmi("app:1")
        await soon()
        await it.index.ensure_images(["app:1"])
        assert it.index.world.image("app:1") is None


async def test_an_image_pulled_while_asking_is_not_missed() -> None:
    async with lab() as it:
        it.engine.images["app:2"] = Behaviour()

        async def slow(phase: str, operation: str) -> None:
            if operation == "inspect_image" and phase == "after":
                await asyncio.sleep(1)

        it.engine.latency = slow
        async with asyncio.TaskGroup() as group:
            group.create_task(it.index.ensure_images(["app:2"]))
            await asyncio.sleep(0.5)
            await it.engine.pull_image(PullImage(cause="test", reference="app:2"))
        assert it.index.world.image("app:2") is not None
