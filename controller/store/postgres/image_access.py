"""Whose images are: grants by image id, and pulls whose outcome is not known yet."""

from __future__ import annotations

from collections import defaultdict

from controller.store.postgres.imaging import Imaging
from resources.image_access import Announced, Grant, ImageAccess


class Accessing(Imaging):
    async def image_access(self) -> ImageAccess:
        async with self._database.session() as session:
            granted = await session.fetch(
                "SELECT image_id, organization, secret FROM skyctl.image_grants"
            )
            announced = await session.fetch(
                "SELECT reference, organization, secret, before FROM skyctl.announced_pulls"
            )
        grants: dict[str, set[Grant]] = defaultdict(set)
        for row in granted:
            grants[row["image_id"]].add(Grant(row["organization"], row["secret"]))
        return ImageAccess(
            {id_: frozenset(known) for id_, known in grants.items()},
            frozenset(Announced(**dict(row)) for row in announced),
        )

    async def announce_pull(self, pull: Announced, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "INSERT INTO skyctl.announced_pulls (reference, organization, secret, before)"
                " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                pull.reference,
                pull.organization,
                pull.secret,
                pull.before,
            )

    async def grant_image(
        self, image_id: str, grant: Grant, *, over: Announced | None = None, epoch: int
    ) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "INSERT INTO skyctl.image_grants (image_id, organization, secret)"
                " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                image_id,
                grant.organization,
                grant.secret,
            )
            if over is not None:
                await session.execute(_OVER, over.reference, over.organization, over.secret)

    async def withdraw_pull(self, pull: Announced, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(_OVER, pull.reference, pull.organization, pull.secret)

    async def forget_image(self, image_id: str, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute("DELETE FROM skyctl.image_grants WHERE image_id = $1", image_id)


_OVER = """
DELETE FROM skyctl.announced_pulls WHERE reference = $1 AND organization = $2 AND secret = $3
"""
