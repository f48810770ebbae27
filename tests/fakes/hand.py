"""A person at the engine's command line: what tests disturb the world with. Immediate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from resources.container_spec import ContainerSpec
from resources.observed import Container, Limits, Mount, Network, Volume
from tests.fakes.machine import Machine

if TYPE_CHECKING:
    from tests.fakes.engine import FakeEngine

ENOUGH = Limits(10**9, 64 * 1024 * 1024, 64)


class Hand:
    """Containers by name or id, networks by id or unambiguous name."""

    def __init__(self, engine: FakeEngine, machine: Machine) -> None:
        self._engine = engine
        self._machine = machine

    def start(self, name: str) -> None:
        self._machine.start(name)

    def stop(self, name: str) -> None:
        if (container := self._machine.begin_stop(name)) is not None:
            code = self._machine.lives[container.id].behaviour.stop_code
            self._machine.end_stop(container.id, code)

    def kill(self, name: str) -> None:
        """``docker kill``: counts as stopped by hand, so no policy restarts it."""
        container = self._machine.container(name)
        self._machine.lives[container.id].stopped_by_hand = True
        self._machine.tell("kill", container)
        self._machine.down(container, 137, final=True)

    def crash(self, name: str, code: int = 1, *, oom: bool = False) -> None:
        """The process ends by itself; the restart policy decides what then."""
        self._machine.crash(name, 137 if oom else code, oom=oom)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def pause(self, name: str) -> None:
        self._machine.pause(name)

    def unpause(self, name: str) -> None:
        self._machine.unpause(name)

    def rm(self, name: str) -> None:
        self._machine.remove(name)

    def rename(self, name: str, to: str) -> None:
        self._machine.rename(name, to)

    def update(self, name: str, limits: Limits | None = None, restart: str | None = None) -> None:
        self._machine.update(name, limits, restart)

    def health(self, name: str, word: str) -> None:
        self._machine.health(self._machine.container(name).id, word)

    def connect(self, network: str, name: str, aliases: tuple[str, ...] = ()) -> None:
        self._machine.connect(network, name, aliases)

    def disconnect(self, network: str, name: str) -> None:
        self._machine.disconnect(network, name)

    def rm_network(self, network: str) -> None:
        self._machine.remove_network(network)

    def rm_volume(self, name: str) -> None:
        self._machine.remove_volume(name)

    def rmi(self, reference: str) -> None:
        image = self._machine.local.pop(reference)
        self._machine.emit("image", "untag", image.id, reference)
        self._machine.emit("image", "delete", image.id, image.id)

    def run(
        self,
        name: str,
        image: str,
        *,
        labels: Mapping[str, str] | None = None,
        network: str = "",
        volumes: Mapping[str, str] | None = None,
    ) -> Container:
        """A container, foreign unless the labels say otherwise. volumes: name -> path."""
        self._machine.have(image)
        container = self._machine.create(
            ContainerSpec(
                name=name,
                image=image,
                labels=labels or {},
                network=network,
                aliases=(),
                limits=ENOUGH,
                restart="never",
                mounts=tuple(Mount(v, path) for v, path in (volumes or {}).items()),
            )
        )
        self._machine.start(container.id)
        return self._machine.container(container.id)

    def create_network(
        self, name: str, subnet: str, labels: Mapping[str, str] | None = None
    ) -> Network:
        """Names need not be unique."""
        return self._machine.create_network(name, labels or {}, subnet, check=False)

    def create_volume(self, name: str, labels: Mapping[str, str] | None = None) -> Volume:
        return self._machine.create_volume(name, labels or {})

    async def restart_engine(self, seconds: float = 1.0) -> None:
        """Streams end, calls fail meanwhile, containers come back by their policies."""
        world = self._machine.world
        up = [i for i, c in world.containers.items() if c.state in ("running", "restarting")]
        self._engine.go_down()
        self._machine.halt()
        await asyncio.sleep(seconds)
        self._machine.boot(up)
        self._engine.come_up()

    async def kill_engine(self, seconds: float = 1.0) -> None:
        """``kill -9`` of it: containers run on until it is back, which ends them whatever their
        policy says (dockerd 20.10 without live restore)."""
        self._engine.go_down()
        await asyncio.sleep(seconds)
        self._machine.halt()
        self._machine.boot(())
        self._engine.come_up()
