"""What is asked of the store before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import pytest

from controller.clock import SystemClock
from controller.engine.base import Engine
from controller.reconcile.observe import Observer
from controller.store.catalogue import Catalogue
from resources.context import Platform
from resources.labels import L_UID
from resources.meta import Key, Manifest
from resources.naming import volume_identity
from resources.observed import Volume
from resources.organization.plan import plan
from resources.routing.world import Ingress
from resources.store_steps import Finalize, RequestDeletion
from resources.world import Scope, World
from tests.fakes.store import FakeStore

ACME = Key("Organization", "", "acme")
WEB = Key("Service", "acme", "web")


async def nothing_there(scope: Scope) -> World:
    return World()


async def ensured(references: Iterable[str]) -> None:
    """There are no images."""


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def observer(store: FakeStore, catalogue: Catalogue) -> Observer:
    return Observer(
        catalogue,
        World,
        cast(Engine, None),
        nothing_there,
        store,
        lambda: Platform(instance="test"),
        SystemClock(),
        ensured,
    )


async def test_the_end_of_an_organization_waits_for_members_unheard_of(
    store: FakeStore, catalogue: Catalogue, observer: Observer
) -> None:
    await store.apply(Manifest(ACME, {}), source="sql")
    await store.apply(Manifest(WEB, {"image": "nginx:1.27"}), source="sql")
    await store.delete(ACME, source=None)
    observation = await observer.authoritative(ACME)
    assert observation is not None
    assert catalogue.members("acme") == 0
    assert (observation.context.members, observation.context.undeleted) == (1, 1)
    assert [type(step) for step in plan(observation.context).steps] == [RequestDeletion]

    await store.delete(WEB, source=None)
    observation = await observer.authoritative(ACME)
    assert observation is not None
    assert plan(observation.context).steps == ()
    entry = await store.entry(WEB)
    assert entry is not None
    epoch = await store.leadership("test").acquire()
    await store.record(entry.resource.uid, [Finalize(cause="test")], epoch=epoch)
    catalogue.put(entry)  # heard of, but not that it went
    observation = await observer.authoritative(ACME)
    assert observation is not None
    assert [type(step) for step in plan(observation.context).steps] == [Finalize]


async def test_what_the_mirror_hears_during_a_reading_is_another_observation(
    store: FakeStore, catalogue: Catalogue
) -> None:
    """Else it would count as thought about, although the plan never saw it."""
    mirror = World()

    async def read(scope: Scope) -> World:
        mirror.put_volume(Volume(name=name, labels={L_UID: uid}))
        return World()

    data = Key("Volume", "acme", "data")
    await store.apply(Manifest(data, {}), source="sql")
    entry = await store.entry(data)
    assert entry is not None
    uid, name = entry.resource.uid, volume_identity(entry).engine_name
    catalogue.put(entry)
    observer = Observer(
        catalogue,
        lambda: mirror,
        cast(Engine, None),
        read,
        store,
        lambda: Platform(instance="test"),
        SystemClock(),
        ensured,
    )
    observation = await observer.authoritative(data)
    assert observation is not None
    assert observation.context.world.volumes == {}
    assert observation.identity != observer.identity(data)
    again = await observer.authoritative(data)
    assert again is not None
    assert again.identity == observer.identity(data)


@pytest.mark.parametrize("publish", ["labels", "provider"])
async def test_a_service_sees_the_secrets_of_the_domains_that_it_carries(
    store: FakeStore, catalogue: Catalogue, publish: str
) -> None:
    users, shop = Key("Secret", "acme", "users"), Key("Domain", "acme", "shop")
    spec = {
        "hostname": "shop.example.com",
        "service": "web",
        "middlewares": {"basicAuth": {"secret": "users"}},
    }
    declared = {ACME: {}, WEB: {"image": "nginx:1.27"}, users: {}, shop: spec}
    for key, each in declared.items():
        await store.apply(Manifest(key, each), source="sql")
        entry = await store.entry(key)
        assert entry is not None
        catalogue.put(entry)
    ingress = Ingress(mode="external", publish=publish)
    observer = Observer(
        catalogue,
        World,
        cast(Engine, None),
        nothing_there,
        store,
        lambda: Platform(instance="test", ingress=ingress),
        SystemClock(),
        ensured,
    )
    observation = observer.cached(WEB)
    assert observation is not None
    assert [entry.key for entry in observation.context.referrers] == [shop]
    assert (users in observation.context.refs) == (publish == "labels")
