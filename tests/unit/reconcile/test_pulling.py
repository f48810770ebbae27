"""What is remembered of a pull, whatever happens in its midst."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.clock import SystemClock
from controller.reconcile.pulling import Pulling
from resources.errors import UserError
from resources.image_access import EVERYBODY, Grant
from resources.sealed import Sealed, SealedCredentials
from resources.steps import PullImage
from tests.fakes.engine import FakeEngine
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeStore

APP = "r.example/app:1"


def credentials(organization: str, secret: str = "registry") -> SealedCredentials:
    name, word = (Sealed(organization, secret, key, f"v1:0:{key}") for key in ("u", "p"))
    return SealedCredentials(name, word)


def step(organization: str | None = None) -> PullImage:
    told = credentials(organization) if organization else None
    return PullImage(reference=APP, credentials=told, cause="test")


class Site:
    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.engine = FakeEngine(SystemClock(), images={APP: behaviour or Behaviour()})
        self.store = FakeStore()
        self.pulling = self.restarted()

    def restarted(self) -> Pulling:
        self.pulling = Pulling(self.engine, self.store, lambda: self.store.database.epoch)
        return self.pulling

    def behave(self, **changes: object) -> None:
        self.engine.images[APP] = replace(self.engine.images[APP], **changes)  # type: ignore[arg-type]

    @property
    def grants(self) -> frozenset[Grant]:
        image = self.engine.machine.image(APP)
        assert self.pulling.access == self.store.database.access
        return (
            frozenset() if image is None else self.pulling.access.grants.get(image.id, frozenset())
        )

    def seen_by(self, organization: str) -> bool:
        image = self.engine.machine.image(APP)
        return image is not None and self.pulling.access.shown(image, organization)


async def test_without_credentials_nothing_is_remembered() -> None:
    site = Site()
    await site.pulling(step())
    assert site.pulling.access == site.restarted().access
    assert site.seen_by("rival")


async def test_with_credentials_it_is_theirs_and_of_who_proves_it() -> None:
    site = Site()
    await site.pulling(step("acme"))
    assert site.grants == {Grant("acme", "registry")}
    assert not site.pulling.access.announced
    assert (site.seen_by("acme"), site.seen_by("rival")) == (True, False)
    site.behave(pull="unauthorized")
    with pytest.raises(UserError):
        await site.pulling(step("rival"))
    assert site.grants == {Grant("acme", "registry")}
    site.behave(pull="ok")
    await site.pulling(step("other"))
    assert site.grants == {Grant("acme", "registry"), Grant("other", "registry")}
    await site.pulling(step())
    assert EVERYBODY in site.grants
    assert site.seen_by("rival")


async def test_what_was_there_before_stays_anybodys() -> None:
    site = Site(Behaviour(local=True))
    await site.pulling(step("acme"))
    assert site.grants == frozenset()
    assert not site.pulling.access.announced
    assert site.seen_by("rival")


async def test_while_it_is_under_way_it_is_nobodys() -> None:
    """Also at the very moment when the engine has it and nobody has recorded that."""
    site, seen = Site(), []

    async def look(phase: str, operation: str) -> None:
        if (phase, operation) == ("after", "pull_image"):
            seen.append((site.seen_by("rival"), site.seen_by("acme")))

    site.engine.latency = look
    await site.pulling(step("acme"))
    assert seen == [(False, False)]
    assert site.seen_by("acme")


def lost(phase: str, wanted: str) -> Callable[[str, str, object], None]:
    def fault(at: str, operation: str, _subject: object) -> None:
        if (at, operation) == (phase, wanted):
            raise asyncio.CancelledError  # as when the process ends there

    return fault


async def test_a_crash_after_the_engine_has_it_leaves_it_nobodys() -> None:
    site = Site()
    site.engine.faults = lost("after", "pull_image")
    with pytest.raises(asyncio.CancelledError):
        await site.pulling(step("acme"))
    site.engine.faults = None
    await site.restarted().load()
    assert (site.seen_by("rival"), site.seen_by("acme")) == (False, False)
    for _ in range(3):
        await site.pulling.tidy()
    assert not site.seen_by("rival")
    await site.pulling(step("acme"))
    assert site.grants == {Grant("acme", "registry")}
    assert not site.pulling.access.announced


async def test_a_crash_before_it_is_tidied_up() -> None:
    site = Site()
    site.engine.faults = lost("before", "pull_image")
    with pytest.raises(asyncio.CancelledError):
        await site.pulling(step("acme"))
    site.engine.faults = None
    await site.restarted().load()
    assert site.pulling.access.announced
    await site.pulling.tidy()
    assert site.pulling.access.announced
    await site.pulling.tidy()
    assert site.store.database.access == site.pulling.access
    assert not site.pulling.access.announced


async def test_who_fails_beside_one_who_succeeds_gets_nothing() -> None:
    site = Site(Behaviour(pull_seconds=0.05))
    good = asyncio.create_task(site.pulling(step("acme")))
    await asyncio.sleep(0)
    site.engine.faults = lambda at, op, what: refuse(what) if at == "before" else None

    def refuse(what: object) -> None:
        if isinstance(what, PullImage) and what.credentials == credentials("rival"):
            raise UserError("IMAGE_CREDENTIALS_REFUSED", "no")

    with pytest.raises(UserError):
        await site.pulling(step("rival"))
    await good
    assert site.grants == {Grant("acme", "registry")}
    assert not site.pulling.access.announced


@pytest.mark.parametrize("organization", [None, "rival"])
async def test_a_pull_that_the_engine_answers_by_itself_proves_nothing(
    organization: str | None,
) -> None:
    """As it does when an image that it has is asked for by digest."""
    site = Site()
    await site.pulling(step("acme"))

    def fault(phase: str, operation: str, _subject: object) -> None:
        if (phase, operation) == ("before", "ask_registry"):
            raise UserError("IMAGE_PULL_UNAUTHORIZED", "no")

    site.engine.faults = fault
    with pytest.raises(UserError):
        await site.pulling(step(organization))
    assert site.grants == {Grant("acme", "registry")}
    assert not site.pulling.access.announced


async def test_what_has_gone_is_forgotten() -> None:
    site = Site()
    await site.pulling(step("acme"))
    site.engine.machine.local.clear()
    await site.pulling.tidy()
    assert not site.store.database.access.grants
