"""The live index on a fake engine, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from controller.engine.index import EngineIndex
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_NAME, L_UID
from resources.observed import Container, Network
from tests.fakes.engine import FakeEngine
from tests.fakes.objects import Behaviour

MINE = "mine"


class LoopClock:
    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Change(NamedTuple):
    type: str
    name: str
    labels: Mapping[str, str] | None


@dataclass
class Lab:
    engine: FakeEngine
    index: EngineIndex
    network: Network
    changes: list[Change]
    relists: list[str]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(change.type, change.name) for change in self.changes]

    def run(self, name: str, **labels: str) -> Container:
        own = {L_CONTROLLER: MINE, L_UID: "u", L_NAME: name, **labels}
        return self.engine.hand.run(name, "app:1", labels=own, network=self.network.id)

    def foreign(self, name: str) -> Container:
        return self.engine.hand.run(name, "app:1", network=self.network.id)

    async def resynced(self, share: float) -> None:
        """Listed again, and that share of the containers looked at."""
        again = self.index.look_again(share)
        await self.index.relist()
        await self.index._dirty.settled(again)

    def assert_current(self) -> None:
        """The index holds what there is: own containers to the letter, others by what counts."""
        world, real = self.index.world, self.engine.world
        assert set(world.containers) == set(real.containers)
        for id_, container in real.containers.items():
            held = world.containers[id_]
            if container.labels.get(L_CONTROLLER) == MINE:
                assert held == container
            else:
                assert (held.name, held.mounts) == (container.name, container.mounts)
        assert world.networks == real.networks
        assert world.volumes == real.volumes


@asynccontextmanager
async def lab(*, synced: bool = True, silence: float = 300.0) -> AsyncIterator[Lab]:
    clock = LoopClock()
    engine = FakeEngine(clock, images={"app:1": Behaviour(local=True)}, silence=silence)
    network = engine.hand.create_network("net", "10.0.0.0/16")
    changes: list[Change] = []
    relists: list[str] = []
    index = EngineIndex(
        engine,
        instance=MINE,
        random_=random.Random(1),
        on_change=lambda labels, name, type_: changes.append(Change(type_, name, labels)),
        on_relist=relists.append,
    )
    made = Lab(engine, index, network, changes, relists)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(index.run())
        if synced:
            await index.wait_synced()
            changes.clear()
        yield made
        running.cancel()


async def soon() -> None:
    """Events travel and inspections are answered; no timer is waited for."""
    await asyncio.sleep(0.01)


async def caught(call: object) -> UserError:
    with pytest.raises(UserError) as found:
        await call  # type: ignore[misc]
    return found.value
