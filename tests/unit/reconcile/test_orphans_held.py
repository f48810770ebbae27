"""Objects without a row that are too many wait for a person, and an event says so, once."""

from __future__ import annotations

from typing import cast

from controller.engine.base import Engine
from controller.reconcile.execute import Executor
from controller.reconcile.orphans import MassChangeLimits, Sweeper
from resources.labels import L_CONTROLLER, L_UID
from resources.observed import Network
from resources.world import World
from tests.fakes.store import FakeStore


class Hands:
    def __init__(self, world: World) -> None:
        self.world = world

    async def list(self) -> World:
        return self.world


async def test_an_event_tells_of_what_is_held() -> None:
    store = FakeStore()
    epoch = await store.leadership("test").acquire()
    instance = await store.instance()
    labels = {L_CONTROLLER: instance, L_UID: "nobody"}
    world = World.of([Network("n1", "skypanel_x_1", labels, ("10.0.0.0/24",))])
    sweeper = Sweeper(
        store=store,
        engine=cast(Engine, Hands(world)),
        executor=cast(Executor, None),
        instance=instance,
        limits=MassChangeLimits(30, 5),
        epoch=lambda: epoch,
    )
    for _ in range(2):
        assert await sweeper.sweep(world, frozenset()) == 0
    (held,) = await store.held()
    (event,) = await store.events()
    assert (str(event.key), event.reason, event.count) == ("Source//engine", "DeletionsHeld", 1)
    assert f"skyctl guard approve {held.id}" in event.message
