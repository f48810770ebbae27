"""Which images the engine has, asked once per reference and forgotten at any image event.

There is no listing of references worth keeping, and image events name them in several ways, so
one event makes everything known uncertain; the next to ask pays one inspection. Only for those
whose tag moves under a running container is somebody woken: the event names them, or a resync finds
out.
"""

from __future__ import annotations

from collections import OrderedDict

from controller.engine.base import Engine, EngineEvent
from resources.image_access import familiar
from resources.world import World

REMEMBERED = 4096
ATTEMPTS = 3


class Images:
    """Keeps ``world.images``: what is there is present; what was ensured and is not, is absent."""

    def __init__(self, engine: Engine, world: World) -> None:
        self._engine = engine
        self._world = world
        self._known: OrderedDict[str, None] = OrderedDict()
        self._epoch = 0

    def forget(self) -> None:
        """Something happened to some image, or events were missed."""
        self._epoch += 1
        self._known.clear()

    def named(self, event: EngineEvent) -> list[str]:
        """The references in use that this event may be about."""
        told = {familiar(event.name), familiar(event.id)}
        return [reference for reference in self._world.images if familiar(reference) in told]

    async def look(self, reference: str) -> bool:
        """What it means now; True when that is another image than before. Raises UserError."""
        before = self._world.images.get(reference)
        self._known.pop(reference, None)
        await self.ensure(reference)
        return self._world.images.get(reference) != before

    async def ensure(self, reference: str) -> None:
        """Asked again when an image event arrives while asking. Raises UserError."""
        if reference in self._known:
            self._known.move_to_end(reference)
            return
        for _ in range(ATTEMPTS):
            epoch = self._epoch
            image = await self._engine.inspect_image(reference)
            if image is None:
                self._world.images.pop(reference, None)
            else:
                self._world.put_image(image)
            if epoch == self._epoch:
                self._remember(reference)
                return

    def _remember(self, reference: str) -> None:
        self._known[reference] = None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        while len(self._world.images) > REMEMBERED:
            self._world.images.pop(next(iter(self._world.images)))
