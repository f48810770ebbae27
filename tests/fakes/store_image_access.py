"""Whose images are, as ``controller/store/postgres/image_access``."""

from __future__ import annotations

from resources.image_access import Announced, Grant, ImageAccess
from tests.fakes.store_images import FakeImages


class FakeImageAccess(FakeImages):
    async def image_access(self) -> ImageAccess:
        async with self.operation("image_access") as database:
            return database.access

    async def announce_pull(self, pull: Announced, *, epoch: int) -> None:
        async with self.operation("announce_pull", pull) as database:
            self.lead(epoch)
            database.access = database.access.announcing(pull)

    async def grant_image(
        self, image_id: str, grant: Grant, *, over: Announced | None = None, epoch: int
    ) -> None:
        async with self.operation("grant_image", grant) as database:
            self.lead(epoch)
            database.access = database.access.granted(image_id, grant)
            if over is not None:
                database.access = database.access.over(over)

    async def withdraw_pull(self, pull: Announced, *, epoch: int) -> None:
        async with self.operation("withdraw_pull", pull) as database:
            self.lead(epoch)
            database.access = database.access.over(pull)

    async def forget_image(self, image_id: str, *, epoch: int) -> None:
        async with self.operation("forget_image", image_id) as database:
            self.lead(epoch)
            database.access = database.access.without([image_id])
