"""What the fake remembers of images, as ``controller/store/postgres/imaging``."""

from __future__ import annotations

from collections.abc import Sequence

from controller.store.base import Pulled
from tests.fakes.store_client import FakeClient


class FakeImages(FakeClient):
    async def pulled(self) -> Sequence[Pulled]:
        async with self.operation("pulled") as database:
            return list(database.pulled)

    async def record_pulled(self, pulled: Pulled, *, epoch: int) -> None:
        async with self.operation("record_pulled", pulled) as database:
            self.lead(epoch)
            database.pulled[pulled] = None

    async def forget_pulled(self, pulled: Pulled, *, epoch: int) -> None:
        async with self.operation("forget_pulled", pulled) as database:
            self.lead(epoch)
            database.pulled.pop(pulled, None)

    async def needed_images(self, generations: int) -> frozenset[str]:
        async with self.operation("needed_images") as database:
            found: set[str] = set()
            for key, entry in database.entries.items():
                revisions = database.revisions.get(entry.resource.uid, {})
                wanted = {*sorted(revisions)[-generations:]}
                wanted |= {entry.record.accepted_generation, entry.record.ready_generation}  # type: ignore[arg-type]
                if key.kind == "Service":
                    specs = [revisions[g].spec for g in wanted if g in revisions]
                    found.update(str(s["image"]) for s in specs if s.get("image") is not None)
        return frozenset(found)

    async def image_allowed(self, pulled: Pulled, policy: str) -> bool:
        async with self.operation("image_allowed", pulled) as database:
            return (pulled, policy) in database.allowed

    async def allow_image(self, pulled: Pulled, policy: str, *, epoch: int) -> None:
        async with self.operation("allow_image", pulled) as database:
            self.lead(epoch)
            database.allowed.add((pulled, policy))
