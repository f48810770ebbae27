"""``skyctl diff`` on a stage."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from controller.core import Difference
from controller.reconcile.preview import Previewer
from controller.store.catalogue import Catalogue
from resources.meta import Manifest
from resources.observed import Image
from tests.unit.service.theatre import Theatre


class Clock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


async def diff(
    stage: Theatre, *manifests: Manifest, present: Collection[str] = ()
) -> dict[str, Difference]:
    """present: images that the engine has, though nobody asked it about them so far."""

    async def ensure(references: Iterable[str]) -> None:
        for reference in references:
            if reference in present:
                stage.world.put_image(Image(f"sha256:{reference}", reference))

    catalogue = Catalogue()
    for entry in stage.rows.values():
        catalogue.put(entry)
    observer: Any = None
    previewer = Previewer(
        observer,
        catalogue,
        lambda: stage.world,
        lambda: stage.platform,
        Clock(stage.now),
        ensure,
    )
    return {d.key.name: d for d in await previewer.diff(manifests, "sql")}
