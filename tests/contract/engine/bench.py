"""The same workbench around the fake engine and a real one.

A ``Bench`` makes container specs of a few *kinds* (what the process does), addresses everything by
names of its own, disturbs the world by ``hand``, and removes what it made. Nothing here knows
which engine it is but the two subclasses.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from controller.clock import SystemClock
from controller.engine.base import Engine, EngineEvent
from controller.engine.docker import DockerEngine, connect
from controller.settings import Settings
from resources.container_spec import ContainerSpec, ExecCheck
from resources.labels import L_CONTROLLER, L_UID
from resources.observed import Container, Limits, Network
from resources.steps import (
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    RemoveContainer,
    RemoveNetwork,
    StartContainer,
    StopContainer,
)
from resources.world import Scope, World
from tests.fakes.engine import FakeEngine
from tests.fakes.objects import Behaviour
from tests.images import ensure_busybox_image

MEGABYTE = 1024 * 1024
LIMITS = Limits(500_000_000, 64 * MEGABYTE, 64)

WHY: dict[str, Any] = {"cause": "test"}
CHECK = ExecCheck(("true",), interval=0.2, timeout=1, retries=2, start_period=0)


@dataclass(frozen=True)
class Kind:
    """What a container's process does: on the fake by its image, on docker by its command."""

    behaviour: Behaviour
    command: tuple[str, ...]
    check: ExecCheck | None = None


KINDS: Mapping[str, Kind] = {
    "sleeper": Kind(Behaviour(local=True), ("sleep", "100000")),
    "quitter": Kind(
        Behaviour(local=True, exits_after=0.1, exit_code=3), ("sh", "-c", "sleep 0.1; exit 3")
    ),
    "finisher": Kind(
        Behaviour(local=True, exits_after=0.1, exit_code=0), ("sh", "-c", "sleep 0.1; exit 0")
    ),
    "stubborn": Kind(
        Behaviour(local=True, stop_seconds=60),
        ("sh", "-c", "trap '' TERM; while :; do sleep 1; done"),
    ),
    "missing": Kind(Behaviour(local=True, exits_after=0, exit_code=127), ("/nope",)),
    "nobody": Kind(
        Behaviour(
            local=True,
            start_error="unable to find user nosuch: no matching entries in passwd file",
        ),
        ("sleep", "100000"),
    ),
    "healthy": Kind(Behaviour(local=True, healthy_after=0.2), ("sleep", "100000"), CHECK),
    "sick": Kind(
        Behaviour(local=True, healthy_after=None),
        ("sleep", "100000"),
        replace(CHECK, command=("false",)),
    ),
}  # fmt: skip


@dataclass
class Bench:
    engine: Engine
    default_network: str
    prefix: str = field(default_factory=lambda: "ct" + uuid.uuid4().hex[:8])
    _second: int = field(default_factory=lambda: random.randrange(216, 252))
    _third: int = field(default_factory=lambda: random.randrange(0, 250))

    # -- names
    @property
    def uid(self) -> str:
        return f"{self.prefix}-uid"

    def name(self, short: str) -> str:
        return f"{self.prefix}_{short}"

    def labels(self, **more: str) -> dict[str, str]:
        return {L_CONTROLLER: self.prefix, L_UID: self.uid, **more}

    def subnet(self) -> str:
        self._third += 1
        return f"10.{self._second}.{self._third % 256}.0/24"

    def image(self, kind: str) -> str:
        raise NotImplementedError

    def command(self, kind: str) -> tuple[str, ...] | None:
        raise NotImplementedError

    # -- making
    def spec(self, short: str, kind: str = "sleeper", **more: Any) -> ContainerSpec:
        values: dict[str, Any] = {
            "name": self.name(short),
            "image": self.image(kind),
            "entrypoint": self.command(kind),
            "labels": self.labels(),
            "network": self.default_network,
            "aliases": (),
            "limits": LIMITS,
            "restart": "never",
            "check": KINDS[kind].check,
            **more,
        }
        return ContainerSpec(**values)

    async def network(self, short: str = "net", subnet: str | None = None) -> Network:
        name = self.name(short)
        await self.engine.create_network(
            CreateNetwork(
                **WHY,
                name=name,
                labels=self.labels(),
                subnet=subnet or self.subnet(),
                internal=False,
                bridge="sky" + uuid.uuid4().hex[:8],
            )
        )
        found = await self.engine.read(Scope(networks=frozenset({name})))
        return next(iter(found.networks.values()))

    async def volume(self, short: str = "vol") -> str:
        name = self.name(short)
        await self.engine.create_volume(CreateVolume(**WHY, name=name, labels=self.labels()))
        return name

    async def create(self, spec: ContainerSpec) -> Container:
        await self.engine.create_container(CreateContainer(**WHY, spec=spec))
        return await self.see(spec.name)

    async def run(self, short: str, kind: str = "sleeper", **more: Any) -> Container:
        container = await self.create(self.spec(short, kind, **more))
        await self.start(container)
        return await self.see(container.name)

    # -- acting
    async def start(self, container: Container) -> None:
        await self.engine.start_container(StartContainer(**step(container)))

    async def stop(self, container: Container, grace: int = 5) -> None:
        await self.engine.stop_container(StopContainer(**step(container), grace=grace))

    async def remove(self, container: Container) -> None:
        await self.engine.remove_container(RemoveContainer(**step(container)))

    async def remove_network(self, network: Network) -> None:
        await self.engine.remove_network(RemoveNetwork(**WHY, id=network.id, name=network.name))

    async def by_hand(self, verb: str, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    # -- seeing
    async def see(self, ref: str) -> Container:
        container = await self.engine.inspect_container(ref)
        assert container is not None, f"no container {ref}"
        return container

    async def becomes(
        self, ref: str, condition: Callable[[Container], object], seconds: float = 15.0
    ) -> Container:
        """The container once the condition holds."""
        seen: Container | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    seen = await self.see(ref)
                    if condition(seen):
                        return seen
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {seconds}s; last seen {seen}") from None

    async def scope(self, **wanted: set[str]) -> World:
        return await self.engine.read(Scope(**{k: frozenset(v) for k, v in wanted.items()}))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Heard]:
        async with self.engine.events() as events, asyncio.TaskGroup() as group:
            heard = Heard()
            task = group.create_task(heard.take(events))
            yield heard
            task.cancel()

    async def close(self) -> None:
        """Whatever carries our prefix goes."""
        world = await self.engine.list()
        for container in world.containers.values():
            if container.name.startswith(self.prefix):
                await self.remove(container)
        for network in world.networks.values():
            if network.name.startswith(self.prefix):
                await self.remove_network(network)
        for volume in world.volumes.values():
            if volume.name.startswith(self.prefix):
                await self.by_hand("rm_volume", volume.name)
        await self.engine.close()


@dataclass
class Heard:
    events: list[EngineEvent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, events: AsyncIterator[EngineEvent]) -> None:
        async for event in events:
            self.events.append(event)
            self.news.set()

    def of(self, *ids: str) -> list[str]:
        """``type action`` of everything about these objects, in order."""
        return [f"{e.type} {e.action}" for e in self.events if e.id in ids or e.container in ids]

    async def until(self, id_: str, last: str, seconds: float = 10.0) -> list[str]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while last not in self.of(id_):
                    self.news.clear()
                    await self.news.wait()
        return self.of(id_)


async def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds}s")


def step(container: Container) -> dict[str, Any]:
    return {**WHY, "container": container.id, "container_name": container.name}


# ---------------------------------------------------------------- the two


class FakeBench(Bench):
    engine: FakeEngine

    def image(self, kind: str) -> str:
        return f"test/{kind}:1"

    def command(self, kind: str) -> tuple[str, ...] | None:
        return None

    async def by_hand(self, verb: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.engine.hand, verb)(*arguments, **options)


class DockerBench(Bench):
    engine: DockerEngine

    def image(self, kind: str) -> str:
        return ensure_busybox_image()

    def command(self, kind: str) -> tuple[str, ...] | None:
        return KINDS[kind].command

    async def by_hand(self, verb: str, *arguments: Any, **options: Any) -> Any:
        return await getattr(DockerHand(self.engine), verb)(*arguments, **options)


@dataclass
class DockerHand:
    """The engine's API past our own code's rules."""

    engine: DockerEngine

    async def _post(self, path: str, json: Any = None, **params: str) -> Any:
        wire = self.engine._wire
        reply = await wire.call("hand", "POST", path, params=params, json=json)
        return reply.json() if reply.body else None

    async def start(self, name: str) -> None:
        await self._post(f"containers/{name}/start")

    async def stop(self, name: str) -> None:
        await self._post(f"containers/{name}/stop", t="5")

    async def kill(self, name: str) -> None:
        await self._post(f"containers/{name}/kill")

    async def pause(self, name: str) -> None:
        await self._post(f"containers/{name}/pause")

    async def rm(self, name: str) -> None:
        await self.engine._wire.call("hand", "DELETE", f"containers/{name}", params={"force": "1"})

    async def rename(self, name: str, to: str) -> None:
        await self._post(f"containers/{name}/rename", name=to)

    async def rm_network(self, network: str) -> None:
        await self.engine._wire.call("hand", "DELETE", f"networks/{network}")

    async def rm_volume(self, name: str) -> None:
        await self.engine._wire.call("hand", "DELETE", f"volumes/{name}")

    async def create_network(self, name: str, subnet: str) -> None:
        await self._post(
            "networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}}
        )

    async def create_volume(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        await self._post("volumes/create", {"Name": name, "Labels": dict(labels or {})})


def fake_bench() -> FakeBench:
    images = {f"test/{kind}:1": spec.behaviour for kind, spec in KINDS.items()}
    engine = FakeEngine(SystemClock(), images=images)
    bridge = engine.hand.create_network("bridge", "172.31.255.0/24")
    return FakeBench(engine, bridge.id)


async def docker_bench() -> DockerBench:
    bench = DockerBench(await connect(Settings()), "")
    name = bench.name("default")
    await bench.by_hand("create_network", name, bench.subnet())
    bench.default_network = next(iter((await bench.scope(networks={name})).networks))
    return bench
