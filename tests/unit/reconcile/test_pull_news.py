"""Progress of a pull as one event, renewed in place, for those who wait for it."""

from __future__ import annotations

from controller.engine.base import PullProgress
from controller.reconcile.pull_news import PullNews, spoken
from resources.meta import Key, Manifest
from resources.sealed import Sealed, SealedCredentials
from resources.steps import PullImage
from tests.fakes.store import FakeStore

WEB, API = Key("Service", "acme", "web"), Key("Service", "acme", "api")
OPEN = PullImage(reference="r.example/app:1", cause="test")
SIGNED = PullImage(
    reference="r.example/app:1",
    credentials=SealedCredentials(
        Sealed("rival", "registry", "username", "u"), Sealed("rival", "registry", "password", "p")
    ),
    cause="test",
)


class Site:
    def __init__(self) -> None:
        self.store = FakeStore()
        self.news = PullNews(self.store, lambda: self.store.database.epoch)

    async def wait(self, key: Key, step: PullImage = OPEN) -> None:
        await self.store.apply(Manifest(key, {"image": step.reference}), source="sql")
        entry = await self.store.entry(key)
        assert entry is not None
        self.news.asked(step, key, entry.resource.uid)

    async def heard(self, current: int, step: PullImage = OPEN) -> list[str]:
        self.news.heard(progress(current, step))
        await self.news.tell()
        return [e.message for e in await self.store.events() if e.reason == "Pulling"]


def progress(current: int, step: PullImage = OPEN) -> PullProgress:
    return PullProgress(step.reference, "Downloading", current, 2048, step.identity, 3, 1)


async def test_it_is_renewed_in_place() -> None:
    site = Site()
    await site.wait(WEB)
    assert await site.heard(0) == ["r.example/app:1: 1 of 3 layers, 0 of 2Ki"]
    assert await site.heard(1024) == ["r.example/app:1: 1 of 3 layers, 1Ki of 2Ki"]
    writes = site.store.database.events.copy()
    await site.heard(1024)
    assert site.store.database.events == writes


async def test_everybody_who_waits_is_told_and_nobody_else() -> None:
    site = Site()
    await site.wait(WEB)
    await site.wait(API)
    assert len(await site.heard(5)) == 2
    assert len(await site.heard(6, SIGNED)) == 2
    site.news.ended(OPEN)
    before = await site.heard(7)
    assert before == await site.heard(8)


def test_what_is_tried_again_is_said() -> None:
    said = spoken(PullProgress("app:1", "Retrying in 5 seconds", layers=2))
    assert said == "app:1: 0 of 2 layers, the registry does not answer, it is tried again"
    assert spoken(PullProgress("app:1", "Waiting")) == "app:1: Waiting"
