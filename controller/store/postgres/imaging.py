"""What is remembered of images: which we pulled, which are still needed, which were allowed."""

from __future__ import annotations

from collections.abc import Sequence

from controller.store.base import Pulled
from controller.store.postgres.guarding import Guarding

VERDICTS_KEPT = "180 days"

# The last so many generations of every service, the newest accepted and the newest that was Ready.
_NEEDED = """
SELECT DISTINCT n.image FROM (
  SELECT v.uid, v.generation, v.accepted, v.spec ->> 'image' AS image,
         row_number() OVER (PARTITION BY v.uid ORDER BY v.generation DESC) AS place,
         max(v.generation) FILTER (WHERE v.accepted) OVER (PARTITION BY v.uid) AS newest_accepted,
         (SELECT max(generation) FROM skyctl.rollouts WHERE uid = v.uid AND was_ready) AS ready
  FROM skyctl.revisions AS v JOIN skyctl.resource_rows AS r ON r.uid = v.uid
  WHERE r.kind = 'Service') AS n
WHERE n.image IS NOT NULL AND (n.place <= $1 OR n.generation IN (n.newest_accepted, n.ready))
"""


class Imaging(Guarding):
    async def pulled(self) -> Sequence[Pulled]:
        async with self._database.session() as session:
            rows = await session.fetch(
                "SELECT image_id, reference FROM skyctl.pulled_images ORDER BY at, reference"
            )
        return [Pulled(row["reference"], row["image_id"]) for row in rows]

    async def record_pulled(self, pulled: Pulled, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "INSERT INTO skyctl.pulled_images (image_id, reference) VALUES ($1, $2)"
                " ON CONFLICT DO NOTHING",
                pulled.image_id,
                pulled.reference,
            )

    async def forget_pulled(self, pulled: Pulled, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "DELETE FROM skyctl.pulled_images WHERE image_id = $1 AND reference = $2",
                pulled.image_id,
                pulled.reference,
            )

    async def needed_images(self, generations: int) -> frozenset[str]:
        async with self._database.session() as session:
            rows = await session.fetch(_NEEDED, generations)
        return frozenset(row["image"] for row in rows)

    async def image_allowed(self, pulled: Pulled, policy: str) -> bool:
        async with self._database.session() as session:
            return bool(
                await session.fetchval(
                    "SELECT EXISTS (SELECT FROM skyctl.allowed_images WHERE image_id = $1"
                    " AND reference = $2 AND policy = $3)",
                    pulled.image_id,
                    pulled.reference,
                    policy,
                )
            )

    async def allow_image(self, pulled: Pulled, policy: str, *, epoch: int) -> None:
        async with self._database.leading(epoch) as session:
            await session.execute(
                "INSERT INTO skyctl.allowed_images (image_id, reference, policy)"
                " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                pulled.image_id,
                pulled.reference,
                policy,
            )
            await session.execute(
                f"DELETE FROM skyctl.allowed_images WHERE at < now() - interval '{VERDICTS_KEPT}'"
            )
