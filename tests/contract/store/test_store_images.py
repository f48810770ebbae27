"""What is remembered of images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.store.base import Deposed, Pulled, Store
from resources.image_access import EVERYBODY, Announced, Grant, ImageAccess
from resources.store_steps import EndRollout
from tests.contract.store.making import ACME, CAUSE, WEB, accept, get, put, record

APP = Pulled("app:1", "sha256:1")


async def test_pulled_is_remembered_until_forgotten(store: Store, epoch: int) -> None:
    other = Pulled("app:1", "sha256:2")
    for pulled in (APP, other, APP):
        await store.record_pulled(pulled, epoch=epoch)
    assert list(await store.pulled()) == [APP, other]
    await store.forget_pulled(APP, epoch=epoch)
    await store.forget_pulled(APP, epoch=epoch)
    assert list(await store.pulled()) == [other]
    with pytest.raises(Deposed):
        await store.record_pulled(APP, epoch=epoch - 1)
    with pytest.raises(Deposed):
        await store.forget_pulled(other, epoch=epoch - 1)


async def test_needed_are_the_last_the_accepted_and_the_ready(store: Store, epoch: int) -> None:
    await put(store, ACME, {"image": "no service"})
    for number in range(1, 8):
        await put(store, WEB, {"image": f"app:{number}"})
        entry = await get(store, WEB)
        if number == 1:
            end = EndRollout(cause=CAUSE, generation=1, outcome="ready")
            await record(store, entry, epoch, end)
        if number == 2:
            await accept(store, entry, epoch)
    await put(store, WEB, {"replicas": 1})
    assert await store.needed_images(3) == {"app:1", "app:2", "app:6", "app:7"}
    assert await store.needed_images(1) == {"app:1", "app:2"}


async def test_allowed_by_a_policy(store: Store, epoch: int) -> None:
    assert not await store.image_allowed(APP, "p1")
    for _ in range(2):
        await store.allow_image(APP, "p1", epoch=epoch)
    assert await store.image_allowed(APP, "p1")
    assert not await store.image_allowed(APP, "p2")
    assert not await store.image_allowed(Pulled("app:1", "sha256:2"), "p1")
    assert not await store.image_allowed(Pulled("app:2", "sha256:1"), "p1")
    with pytest.raises(Deposed):
        await store.allow_image(APP, "p2", epoch=epoch - 1)


async def test_whose_images_are(store: Store, epoch: int) -> None:
    acme, rival = Grant("acme", "registry"), Grant("rival", "registry")
    pull = Announced("app:1", "acme", "registry", "sha256:0")
    assert await store.image_access() == ImageAccess()
    await store.announce_pull(pull, epoch=epoch)
    await store.announce_pull(replace(pull, before="sha256:9"), epoch=epoch)
    assert (await store.image_access()).announced == {pull}
    for _ in range(2):
        await store.grant_image("sha256:1", acme, over=pull, epoch=epoch)
    await store.grant_image("sha256:1", rival, epoch=epoch)
    await store.grant_image("sha256:2", EVERYBODY, epoch=epoch)
    known = {"sha256:1": frozenset({acme, rival}), "sha256:2": frozenset({EVERYBODY})}
    assert await store.image_access() == ImageAccess(known)
    await store.announce_pull(pull, epoch=epoch)
    await store.withdraw_pull(pull, epoch=epoch)
    await store.forget_image("sha256:1", epoch=epoch)
    assert await store.image_access() == ImageAccess({"sha256:2": frozenset({EVERYBODY})})
    for late in (
        store.announce_pull(pull, epoch=epoch - 1),
        store.grant_image("sha256:1", acme, epoch=epoch - 1),
        store.withdraw_pull(pull, epoch=epoch - 1),
        store.forget_image("sha256:2", epoch=epoch - 1),
    ):
        with pytest.raises(Deposed):
            await late
