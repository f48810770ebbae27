"""Images that we pulled go when nothing needs them; nobody else's ever do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from controller.clock import SystemClock
from controller.engine.base import Engine
from controller.reconcile.disused import Disused
from controller.reconcile.execute import Done, Executor
from controller.reconcile.pulling import Pulling
from controller.store.base import Pulled
from resources.meta import Key, Manifest
from resources.steps import EngineStep, PullImage, RemoveImage
from tests.fakes.engine import FakeEngine
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeStore

WEB = Key("Service", "acme", "web")
IMAGES = [f"app:{n}" for n in range(1, 6)]


class Site:
    def __init__(self) -> None:
        self.engine = FakeEngine(SystemClock(), images={name: Behaviour() for name in IMAGES})
        self.store = FakeStore()
        self.pulling = Pulling(self.engine, self.store, lambda: self.store.database.epoch)

    async def pull(self, *references: str) -> None:
        for reference in references:
            await self.pulling(PullImage(reference=reference, cause="test"))

    async def declare(self, *images: str) -> None:
        for image in images:
            await self.store.apply(Manifest(WEB, {"image": image}), source="sql")

    async def remove(self, steps: Sequence[EngineStep], done: Done) -> None:
        for step in steps:
            await self.engine.remove_image(cast(RemoveImage, step))
            done(step)

    async def sweep(self, generations: int = 2) -> list[str]:
        """What is left."""
        disused = Disused(
            self.store,
            cast(Engine, self.engine),
            cast(Executor, self),
            lambda: self.store.database.epoch,
            generations,
        )
        await disused.sweep(self.engine.world)
        return sorted(self.engine.machine.local)

    async def remembered(self) -> list[str]:
        return sorted(pulled.reference for pulled in await self.store.pulled())


async def test_the_last_generations_are_kept() -> None:
    site = Site()
    await site.pull(*IMAGES[:4])
    await site.declare(*IMAGES[:4])
    assert await site.sweep(2) == ["app:3", "app:4"]
    assert await site.remembered() == ["app:3", "app:4"]
    writes = site.engine.writes.total()
    assert await site.sweep(2) == ["app:3", "app:4"]
    assert site.engine.writes.total() == writes


async def test_what_was_there_before_is_nobodys_to_remove() -> None:
    site = Site()
    site.engine.machine.have("app:1")
    await site.pull("app:1", "app:2")
    assert await site.remembered() == ["app:2"]
    assert await site.sweep() == ["app:1"]


async def test_what_a_container_is_made_of_stays() -> None:
    site = Site()
    await site.pull("app:1", "app:2")
    site.engine.hand.run("other", "app:1")
    assert await site.sweep() == ["app:1"]
    assert await site.remembered() == ["app:1"]


async def test_a_moved_tag_leaves_its_old_image() -> None:
    site = Site()
    await site.declare("app:1")
    await site.pull("app:1")
    old = Pulled("app:1", "sha256:old")
    await site.store.record_pulled(old, epoch=site.store.database.epoch)
    assert await site.sweep() == ["app:1"]
    assert await site.remembered() == ["app:1"]
    assert old not in await site.store.pulled()


async def test_what_somebody_removed_is_forgotten() -> None:
    site = Site()
    await site.pull("app:1")
    site.engine.machine.local.clear()
    site.engine.images.clear()
    assert await site.sweep() == []
    assert await site.remembered() == []
