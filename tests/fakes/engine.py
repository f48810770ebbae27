"""The ``Engine`` protocol in memory: deterministic, on the loop's time, with hooks for faults.

Each call passes ``latency`` (an async callback, before and after), then ``faults``: raised in phase
``before`` the request was lost, in phase ``after`` it was done and the reply was lost. ``writes``
counts changing calls that the engine did, ``trace`` lists them. A test looks at ``world`` and
disturbs it by ``hand``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from controller.clock import Clock
from controller.engine.base import (
    EngineEvent,
    EngineInfo,
    LogLine,
    PullProgress,
    Sample,
    Sampled,
    Usage,
)
from controller.engine.docker import faults as words
from resources.labels import L_CONTROLLER, L_UID
from resources.observed import Container, Image, Network, Volume
from resources.steps import (
    CheckVolumes,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    EngineStep,
    PullImage,
    PutFiles,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)
from resources.world import Scope, World
from tests.fakes.hand import Hand
from tests.fakes.listening import Listeners, unreachable
from tests.fakes.machine import Machine
from tests.fakes.objects import Behaviour, Refused
from tests.fakes.running import FakeExec, listed

T = TypeVar("T")
Latency = Callable[[str, str], Awaitable[None]]
"""(phase, operation)"""
Faults = Callable[[str, str, object], None]
"""(phase, operation, step or subject)"""


class FakeEngine:
    def __init__(
        self,
        clock: Clock,
        *,
        seed: str = "",
        images: dict[str, Behaviour] | None = None,
        latency: Latency | None = None,
        faults: Faults | None = None,
        silence: float = 300.0,
    ) -> None:
        self.stream = Listeners(silence)
        """Events: drop, repeat, hold back, mute or end them here."""
        self._clock = clock
        self.machine = Machine(clock, self.stream.publish, seed)
        self.machine.images.update(images or {})
        self.hand = Hand(self, self.machine)
        self.latency = latency
        self.faults = faults
        self.up = True
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.trace: list[str] = []
        self.removed_volumes: list[Volume] = []
        self.under_way = 0
        self.peak = 0
        """Most calls under way at once so far."""
        self.host: Sequence[str] = ()
        self.engine_info = EngineInfo(f"FAKE:{seed}", "20.10.24", "1.41")
        self.on_pull_progress: Callable[[PullProgress], None] | None = None
        self._removing: set[str] = set()
        self.remove_seconds = 0.0
        """How long a removal takes; a second one meanwhile is refused as in progress."""

    @property
    def world(self) -> World:
        """What there is, without asking."""
        return self.machine.world

    @property
    def images(self) -> dict[str, Behaviour]:
        return self.machine.images

    # -- calls
    async def _call(
        self, operation: str, subject: object, act: Callable[[], T], name: str = ""
    ) -> T:
        async def at_once() -> T:
            return act()

        return await self._slow(operation, subject, at_once, name)

    async def _slow(
        self, operation: str, subject: object, act: Callable[[], Awaitable[T]], name: str = ""
    ) -> T:
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            await self._hook("before", operation, subject)
            try:
                result = await act()
            except Refused as refused:
                raise words.refused(operation, refused.status, refused.message, name) from refused
            if isinstance(subject, EngineStep):
                self.writes[operation] += 1
                self.trace.append(subject.render())
            else:
                self.reads[operation] += 1
            await self._hook("after", operation, subject)
            return result
        finally:
            self.under_way -= 1

    async def _hook(self, phase: str, operation: str, subject: object) -> None:
        if self.latency is not None:
            await self.latency(phase, operation)
        if not self.up:
            raise unreachable()
        if self.faults is not None:
            self.faults(phase, operation, subject)

    # -- reading
    async def info(self) -> EngineInfo:
        return await self._call("info", "", lambda: self.engine_info)

    async def list(self) -> World:
        return await self._call("list", "", self._listed)

    def _listed(self) -> World:
        world = World()
        for container in self.world.containers.values():
            world.put_container(listed(container))
        for network in self.world.networks.values():
            world.put_network(network)
        for volume in self.world.volumes.values():
            world.put_volume(volume)
        return world

    async def read(self, scope: Scope) -> World:
        return await self._call("read", scope, lambda: self._scope(scope))

    def _scope(self, scope: Scope) -> World:
        world = World.of(self.world.slice(scope))
        others = scope.others.images if scope.others is not None else frozenset()
        for reference in scope.images | others:
            if (image := self.machine.image(reference)) is not None:
                world.put_image(image)
        return world

    async def inspect_container(self, id_: str) -> Container | None:
        def find() -> Container | None:
            return self.world.containers.get(id_) or self.world.container_named(id_)

        return await self._call("inspect_container", id_, find)

    async def inspect_network(self, id_: str) -> Network | None:
        return await self._call("inspect_network", id_, lambda: self.world.networks.get(id_))

    async def inspect_volume(self, name: str) -> Volume | None:
        return await self._call("inspect_volume", name, lambda: self.world.volume(name))

    async def inspect_image(self, reference: str) -> Image | None:
        return await self._call("inspect_image", reference, lambda: self.machine.image(reference))

    async def host_networks(self) -> Sequence[str]:
        return await self._call("host_networks", "", lambda: self.host)

    # -- events
    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[EngineEvent]]:
        await self._call("events", "", lambda: None)
        with self.stream.subscribed() as heard:
            yield heard

    def go_down(self) -> None:
        self.up = False
        self.stream.end(broken=True)

    def come_up(self) -> None:
        self.up = True

    # -- steps
    async def create_network(self, step: CreateNetwork) -> None:
        def act() -> None:
            self.machine.create_network(
                step.name, step.labels, step.subnet, internal=step.internal, bridge=step.bridge
            )

        await self._call("create_network", step, act, step.name)

    async def remove_network(self, step: RemoveNetwork) -> None:
        def act() -> None:
            if step.id in self.world.networks:
                self.machine.remove_network(step.id)

        await self._call("remove_network", step, act, step.name)

    async def connect_network(self, step: ConnectNetwork) -> None:
        def act() -> None:
            self.machine.connect(step.network, step.container, step.aliases)

        await self._call("connect_network", step, act, step.container_name)

    async def disconnect_network(self, step: DisconnectNetwork) -> None:
        def act() -> None:
            try:
                self.machine.disconnect(step.network, step.container)
            except Refused as refused:
                if refused.status != 404 and "is not connected" not in refused.message:
                    raise

        await self._call("disconnect_network", step, act, step.container_name)

    async def create_volume(self, step: CreateVolume) -> None:
        def act() -> None:
            volume = self.machine.create_volume(step.name, step.labels)
            if volume.labels.get(L_UID) != step.labels.get(L_UID):
                raise words.not_ours("volume", step.name, volume.labels)

        await self._call("create_volume", step, act, step.name)

    async def remove_volume(self, step: RemoveVolume) -> None:
        def act() -> None:
            volume = self.world.volume(step.name)
            if volume is None:
                return
            labels = volume.labels
            if labels.get(L_UID) != step.uid or labels.get(L_CONTROLLER) != step.instance:
                raise words.not_ours("volume", step.name, labels)
            self.machine.remove_volume(step.name)
            self.removed_volumes.append(volume)

        await self._call("remove_volume", step, act, step.name)

    async def check_volumes(self, step: CheckVolumes) -> None:
        def act() -> None:
            lost = {
                name: words.loss(self.world.volume(name), uid)
                for name, uid in step.volume_uids.items()
            }
            if lost := {name: why for name, why in lost.items() if why}:
                raise words.volume_lost(lost, step.container_name)

        await self._call("check_volumes", step, act, step.container_name)

    async def pull_image(self, step: PullImage) -> None:
        async def act() -> None:
            await asyncio.sleep(self.machine.behaviour(step.reference).pull_seconds)
            self.machine.pulled(step.reference)
            if self.on_pull_progress is not None:
                self.on_pull_progress(PullProgress(step.reference, "done", pull=step.identity))

        await self._slow("pull_image", step, act, step.reference)

    async def ask_registry(self, step: PullImage) -> str:
        return await self._call(
            "ask_registry",
            step.reference,
            lambda: self.machine.published(step.reference),
            step.reference,
        )

    async def list_images(self) -> Mapping[str, frozenset[str]]:
        return await self._call("list_images", None, self.machine.images_by_id)

    async def remove_image(self, step: RemoveImage) -> None:
        def act() -> None:
            self.machine.remove_image(step.reference, step.id)

        await self._call("remove_image", step, act, step.reference)

    async def create_container(self, step: CreateContainer) -> None:
        def act() -> None:
            self.machine.create(step.spec)

        await self._call("create_container", step, act, step.spec.name)

    async def put_files(self, step: PutFiles) -> None:
        def act() -> None:
            container = self.machine.container(step.container)
            life = self.machine.lives[container.id]
            inside = tuple(m.path.rstrip("/") + "/" for m in container.mounts)
            for file in step.files:
                if life.spec.read_only_root and not file.path.startswith(inside):
                    raise Refused(500, "container rootfs is marked read-only")
                life.files[file.path] = file.content

        await self._call("put_files", step, act, step.container_name)

    async def start_container(self, step: StartContainer) -> None:
        await self._call(
            "start_container",
            step,
            lambda: self.machine.start(step.container),
            step.container_name,
        )

    async def stop_container(self, step: StopContainer) -> None:
        async def act() -> None:
            try:
                container = self.machine.begin_stop(step.container)
            except Refused:
                return
            if container is None:
                return
            behaviour = self.machine.lives[container.id].behaviour
            await asyncio.sleep(min(behaviour.stop_seconds, step.grace))
            obeys = behaviour.stop_seconds <= step.grace
            self.machine.end_stop(container.id, behaviour.stop_code if obeys else 137)

        await self._slow("stop_container", step, act, step.container_name)

    async def unpause_container(self, step: UnpauseContainer) -> None:
        def act() -> None:
            if self.machine.container(step.container).state == "paused":
                self.machine.unpause(step.container)

        await self._call("unpause_container", step, act, step.container_name)

    async def rename_container(self, step: RenameContainer) -> None:
        def act() -> None:
            if self.machine.container(step.container).name != step.name:
                self.machine.rename(step.container, step.name)

        await self._call("rename_container", step, act, step.container_name)

    async def remove_container(self, step: RemoveContainer) -> None:
        await self._slow("remove_container", step, lambda: self._remove(step), step.container_name)

    async def _remove(self, step: RemoveContainer) -> None:
        try:
            id_ = self.machine.container(step.container).id
        except Refused:
            return
        if id_ in self._removing:
            raise Refused(409, f"removal of container {id_} is already in progress")
        self._removing.add(id_)
        try:
            await asyncio.sleep(self.remove_seconds)
            if id_ in self.world.containers:
                self.machine.remove(id_)
        finally:
            self._removing.discard(id_)

    async def update_container(self, step: UpdateContainer) -> None:
        await self._call(
            "update_container",
            step,
            lambda: self.machine.update(step.container, step.limits, step.restart),
            step.container_name,
        )

    # -- the running thing
    async def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> AsyncIterator[LogLine]:
        """What the test put into the container's life; following ends at once."""

        def find() -> Sequence[LogLine]:
            found = self.machine.container(container)
            return [LogLine(*line) for line in self.machine.lives[found.id].logs]

        lines = await self._call("logs", container, find, container)
        for line in lines if tail is None else lines[max(0, len(lines) - tail) :]:
            yield line

    async def exec(
        self, container: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> FakeExec:
        def start() -> FakeExec:
            if not self.machine.container(container).running:
                raise Refused(409, f"Container {container} is not running")
            return FakeExec(command)

        return await self._call("exec", container, start, container)

    async def usage(self, container: str) -> Usage | None:
        def read() -> Usage | None:
            found = self.world.containers.get(container) or self.world.container_named(container)
            if found is None or not found.running or found.limits is None:
                return None
            return Usage(0.1, found.limits.memory // 2, found.limits.memory, 1)

        return await self._call("usage", container, read)

    async def sample(self, containers: Sequence[Container]) -> Sampled:
        """As of the kernel, so without a call: a tenth of a core each, since its start."""
        await asyncio.sleep(0)
        now, found = self._clock.now(), {}
        for asked in containers:
            one = self.world.containers.get(asked.id)
            if one is not None and one.running and one.started_at and one.limits:
                up = (now - one.started_at).total_seconds()
                memory = one.limits.memory // 2
                found[one.id] = Sample(up, up / 10, memory, *(int(up),) * 4)
        return Sampled(found, 0.0001 * len(containers))

    async def close(self) -> None:
        self.stream.end()
