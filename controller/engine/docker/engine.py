"""The Docker engine behind the ``Engine`` protocol: a thin front over its parts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from controller.engine.base import EngineEvent, EngineInfo, LogLine, PullProgress, Sampled, Usage
from controller.engine.docker import execution, host, logs
from controller.engine.docker.endpoint import endpoint_from
from controller.engine.docker.events import Events
from controller.engine.docker.execution import DockerExec
from controller.engine.docker.platform_containers import DockerPlatformContainers
from controller.engine.docker.puller import ImagePuller, OnPull
from controller.engine.docker.reading import EngineReader
from controller.engine.docker.sampling import Sampling
from controller.engine.docker.steps import Steps
from controller.engine.docker.usage import UsageMeter
from controller.engine.docker.wire import ObserveCall, Wire
from controller.settings import Settings
from resources.observed import Container, Image, Network, Volume
from resources.steps import PullImage
from resources.world import Scope, World


async def connect(
    settings: Settings,
    *,
    host: str | None = None,
    environment: Mapping[str, str] | None = None,
    tls: bool | None = None,
    certificates: Path | None = None,
    observe: ObserveCall | None = None,
    on_pull_progress: OnPull | None = None,
) -> DockerEngine:
    """A client of the engine at ``host``, else of ``DOCKER_HOST``, else of the usual socket.

    Opens no connection yet: an engine that is down now may come up later; every call says so
    by itself. Raises UserError CONFIGURATION_INVALID for an address that cannot be used.
    """
    env = os.environ if environment is None else environment
    endpoint = endpoint_from(host, env, tls=tls, certificates=certificates)
    wire = Wire(endpoint, settings.engine_timeout, observe or (lambda *_: None))
    return DockerEngine(wire, settings, on_pull_progress)


class DockerEngine(Steps):
    """on_pull_progress: told of every pull, may be set at any time."""

    def __init__(self, wire: Wire, settings: Settings, on_pull_progress: OnPull | None) -> None:
        reader = EngineReader(wire)
        super().__init__(wire, reader)
        self.on_pull_progress = on_pull_progress
        self._events = Events(wire, settings.engine_silence)
        self._puller = ImagePuller(wire, settings.pull_timeout, self._progress)
        self._meter = UsageMeter(wire)
        self._sampling = Sampling(wire)
        self.platform_containers = DockerPlatformContainers(wire, self._puller)

    def _progress(self, progress: PullProgress) -> None:
        if self.on_pull_progress is not None:
            self.on_pull_progress(progress)

    # -- reading
    async def info(self) -> EngineInfo:
        raw = (await self._wire.call("info", "GET", "info")).json()
        networks = await self._reader.networks()
        reach = host.reach(networks, loopback=self._wire.endpoint.loopback)
        return EngineInfo(
            id=identity(raw["ID"], raw.get("DockerRootDir") or ""),
            version=raw.get("ServerVersion") or "",
            api_version=self._wire.api_version,
            reach=reach,
            local=reach == "host",
            security=tuple(
                option.partition(",")[0].removeprefix("name=")
                for option in raw.get("SecurityOptions") or ()
            ),
        )

    async def list(self) -> World:
        return await self._reader.everything()

    async def read(self, scope: Scope) -> World:
        return await self._reader.scope(scope)

    async def inspect_container(self, id_: str) -> Container | None:
        return await self._reader.inspect_container(id_)

    async def inspect_network(self, id_: str) -> Network | None:
        return await self._reader.inspect_network(id_)

    async def inspect_volume(self, name: str) -> Volume | None:
        return await self._reader.inspect_volume(name)

    async def inspect_image(self, reference: str) -> Image | None:
        return await self._reader.inspect_image(reference)

    async def list_images(self) -> Mapping[str, frozenset[str]]:
        return await self._reader.images()

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[EngineEvent]]:
        return self._events.subscribe()

    async def host_networks(self) -> Sequence[str]:
        """Empty for an engine whose host is not ours."""
        networks = await self._reader.networks()
        if host.reach(networks, loopback=self._wire.endpoint.loopback) != "host":
            return ()
        return host.routed(networks)

    # -- the running thing (steps are inherited)
    async def pull_image(self, step: PullImage) -> None:
        await self._puller.pull_image(step)

    async def ask_registry(self, step: PullImage) -> str:
        return await self._puller.ask_registry(step)

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> AsyncIterator[LogLine]:
        return logs.follow(self._wire, container, follow=follow, tail=tail, since=since)

    async def exec(
        self, container: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> DockerExec:
        return await execution.start(self._wire, container, command, tty=tty, stdin=stdin)

    async def usage(self, container: str) -> Usage | None:
        return await self._meter.usage(container)

    async def sample(self, containers: Sequence[Container]) -> Sampled:
        return await self._sampling.sample(containers)

    async def close(self) -> None:
        await self._wire.close()


def identity(engine: str, root: str) -> str:
    """The engine's own ID lives in /etc and is shared by every engine on a host (and by cloned
    machines); what makes it the same engine to us is where its containers are kept."""
    return f"{engine}@{hashlib.sha256(root.encode()).hexdigest()[:8]}"
