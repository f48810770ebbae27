"""What ``skyctl diff`` shows of a service: everything that applying leads to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.core import Difference
from controller.reconcile.preview import Previewer
from controller.store.catalogue import Catalogue
from resources.meta import Key, Manifest
from tests.unit.service.theatre import Theatre


class Clock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


async def diff(stage: Theatre, *manifests: Manifest) -> dict[str, Difference]:
    catalogue = Catalogue()
    for entry in stage.rows.values():
        catalogue.put(entry)
    observer: Any = None
    previewer = Previewer(
        observer, catalogue, lambda: stage.world, lambda: stage.platform, Clock(stage.now)
    )
    return {d.key.name: d for d in await previewer.diff(manifests, "sql")}


def service(name: str, **spec: Any) -> Manifest:
    return Manifest(Key("Service", "acme", name), {"image": "nginx:1.27", **spec})


async def test_an_update_is_shown_to_its_end_though_it_takes_time() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    before = stage.world.containers.copy()
    found = (await diff(stage, service("web")))["web"]
    assert [type(step).__name__ for step in found.plan.steps] == [
        "Accept",
        "BeginRollout",
        "PullImage",
        "CreateContainer",
        "StartContainer",
        "StopContainer",
        "RemoveContainer",
        "EndRollout",
    ]
    assert "image changed: nginx:1.26 -> nginx:1.27" in found.plan.render()
    assert stage.world.containers == before


async def test_what_waits_for_another_is_shown_too() -> None:
    stage = Theatre()
    found = await diff(stage, service("app", dependsOn=["db"]), service("db"))
    assert "CreateContainer acme_app_0_" in found["app"].plan.render()
    assert "CreateContainer acme_db_0_" in found["db"].plan.render()
