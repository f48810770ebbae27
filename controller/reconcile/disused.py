"""Images that we pulled and that nothing needs any more go.

Needed is what the last few generations of any service name, what is accepted, what was Ready last,
and what any container is made of, ours or not. An image whose tag has moved on is needed by nobody
but its containers. The engine has the last word: it removes no image in use, and we force nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from controller.engine.base import Engine
from controller.loop.leadership import leading
from controller.reconcile.execute import Executor
from controller.store.base import Pulled, Store
from resources.errors import UserError
from resources.steps import RemoveImage
from resources.world import World

log = structlog.get_logger("images")


class Disused:
    """generations: whose images are kept, of each service."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        executor: Executor,
        epoch: Callable[[], int | None],
        generations: int,
    ) -> None:
        self._store = store
        self._engine = engine
        self._executor = executor
        self._epoch = epoch
        self._generations = generations

    async def sweep(self, world: World) -> None:
        """Each image by itself: one that the engine keeps does not hold up the others."""
        pulled = await self._store.pulled()
        if not pulled:
            return
        there = await self._engine.list_images()
        needed = await self._store.needed_images(self._generations)
        used = frozenset(container.image_id for container in world.containers.values())
        for each in pulled:
            if each.image_id in used or _kept(each, needed, there):
                continue
            if each.image_id not in there or await self._remove(each, needed):
                await self._store.forget_pulled(each, epoch=leading(self._epoch))

    async def _remove(self, pulled: Pulled, needed: frozenset[str]) -> bool:
        moved = pulled.reference in needed
        cause = "its tag has moved on" if moved else "no generation that is kept needs it"
        step = RemoveImage(reference=pulled.reference, id=pulled.image_id, cause=cause)
        try:
            await self._executor.remove([step], lambda s: log.info(s.render()))
        except UserError as error:
            log.debug("image stays", image=pulled.reference, reason=error.message)
            return False
        return True


def _kept(pulled: Pulled, needed: frozenset[str], there: Mapping[str, frozenset[str]]) -> bool:
    """A digest always means the same image; a tag that moved leaves its old image without one."""
    if pulled.reference not in needed:
        return False
    return "@" in pulled.reference or bool(there.get(pulled.image_id))
