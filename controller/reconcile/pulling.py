"""Pulling, and remembering what was pulled by us.

An image is ours to remove later only if it was not on the engine before we pulled it, under
whatever name. Should we die in between, it is not remembered and stays for ever: the safe side.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.engine.base import Engine
from controller.loop.leadership import leading
from controller.store.base import Pulled, Store
from resources.steps import PullImage


class Pulling:
    def __init__(self, engine: Engine, store: Store, epoch: Callable[[], int | None]) -> None:
        self._engine = engine
        self._store = store
        self._epoch = epoch

    async def __call__(self, step: PullImage) -> None:
        """Raises as ``Engine.pull_image``."""
        before = await self._engine.list_images()
        await self._engine.pull_image(step)
        image = await self._engine.inspect_image(step.reference)
        if image is not None and image.id not in before:
            pulled = Pulled(step.reference, image.id)
            await self._store.record_pulled(pulled, epoch=leading(self._epoch))
