"""Pulling, and remembering what was pulled by us, and on whose word.

An image is ours to remove later only if it was not on the engine before we pulled it, under
whatever name. Should we die in between, it is not remembered and stays for ever: the safe side.

Whose an image is (``resources.image_access``) is kept in the store, and here for the plans. A pull
with credentials is announced before it begins, and the announcement goes in the transaction that
records its outcome; so at no moment, also not after a crash, is there an image on the engine that
came with somebody's credentials and counts as anybody's. A pull that failed grants nothing: what
its reference means now may have come by another's. What it leaves is nobody's until somebody's
pull of it succeeds.

A pull by itself proves nothing where the engine has the image already, or gets it meanwhile for
somebody else: what is asked for by digest it takes from itself, without a word to the registry. So
the registry is asked before anybody is let in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from controller.engine.base import Engine
from controller.loop.leadership import leading
from controller.store.base import Pulled, Store
from resources.errors import UserError
from resources.image_access import EVERYBODY, Announced, Grant, ImageAccess
from resources.observed import Image
from resources.sealed import SealedCredentials
from resources.steps import PullImage


class Pulling:
    """access: as the store has it, while we lead."""

    def __init__(self, engine: Engine, store: Store, epoch: Callable[[], int | None]) -> None:
        self._engine = engine
        self._store = store
        self._epoch = epoch
        self._under_way: Counter[Announced] = Counter()
        self._left: frozenset[Announced] = frozenset()
        self._beginning = asyncio.Lock()
        self.access = ImageAccess()

    async def load(self) -> None:
        """When we begin to lead. Raises StoreUnavailable."""
        self.access = await self._store.image_access()

    async def __call__(self, step: PullImage) -> None:
        """Raises as ``Engine.pull_image``."""
        if step.credentials is None:
            before = await self._engine.list_images()
            await self._engine.pull_image(step)
            await self._arrived(step, before, None)
        else:
            await self._signed_in(step, step.credentials)

    async def _signed_in(self, step: PullImage, credentials: SealedCredentials) -> None:
        announced = Announced(step.reference, credentials.organization, credentials.secret)
        async with self._beginning:
            before = await self._engine.list_images()
            await self._announce(announced)
            self._under_way[announced] += 1
        try:
            await self._engine.pull_image(step)
            await self._arrived(step, before, announced)
        except UserError:
            if await self._harmless(announced):
                await self._withdraw(announced)
            raise
        finally:
            self._under_way[announced] -= 1
            self._under_way += Counter()  # forgets those that are over

    def _alone(self, announced: Announced) -> bool:
        """No other pull on the same word goes on: with credentials that came later, say."""
        return self._under_way[announced] <= 1

    async def _announce(self, announced: Announced) -> None:
        found = await self._engine.inspect_image(announced.reference)
        if found is not None and not self.access.restricted(found):
            announced = replace(announced, before=found.id)
        await self._store.announce_pull(announced, epoch=leading(self._epoch))
        self.access = self.access.announcing(announced)

    async def _arrived(
        self, step: PullImage, before: Mapping[str, object], announced: Announced | None
    ) -> None:
        """before: ids of what was there. announced: None without credentials."""
        image = await self._engine.inspect_image(step.reference)
        if image is None:
            return  # it has gone again; what was announced is tidied up later
        new = image.id not in before
        restricted = self.access.restricted(image)
        if restricted or (new and announced is not None):
            await self._engine.ask_registry(step)
        if announced is None and restricted:
            await self._grant(image, EVERYBODY)
        elif announced is not None and (new or restricted):
            await self._grant(image, Grant(announced.organization, announced.secret), announced)
        elif announced is not None:
            await self._withdraw(announced)
        if new:
            pulled = Pulled(step.reference, image.id)
            await self._store.record_pulled(pulled, epoch=leading(self._epoch))

    async def _grant(self, image: Image, grant: Grant, over: Announced | None = None) -> None:
        if over is not None and not self._alone(over):
            over = None
        epoch = leading(self._epoch)
        await self._store.grant_image(image.id, grant, over=over, epoch=epoch)
        access = self.access.granted(image.id, grant)
        self.access = access if over is None else access.over(over)

    async def _withdraw(self, announced: Announced) -> None:
        if self._alone(announced):
            await self._store.withdraw_pull(announced, epoch=leading(self._epoch))
            self.access = self.access.over(announced)

    async def _harmless(self, announced: Announced) -> bool:
        """Is nothing on the engine that is hidden by this announcement alone?"""
        image = await self._engine.inspect_image(announced.reference)
        held = next((a for a in self.access.announced if a.same(announced)), announced)
        return image is None or image.id in self.access.grants or not held.brings(image)

    async def tidy(self) -> None:
        """What is remembered of images that have gone is forgotten; so are announcements of pulls
        that came to nothing, when they did so before the last time already."""
        async with self._beginning:
            if self._under_way or self.access == ImageAccess():
                return
            epoch = leading(self._epoch)
            there = await self._engine.list_images()
            for image_id in [i for i in self.access.grants if i not in there]:
                await self._store.forget_image(image_id, epoch=epoch)
                self.access = self.access.without([image_id])
            left = frozenset([a for a in self.access.announced if await self._harmless(a)])
            for announced in left & self._left:
                await self._withdraw(announced)
            self._left = left
