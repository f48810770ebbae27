"""``skyctl run``: the real parts, and a controller built on them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from controller import __version__
from controller.app import Controller, Serve
from controller.configuration import Configuration
from controller.core import Core
from controller.firewall.nft import Nft
from controller.ingress.assembly import traefik_gateway
from controller.metrics import METRICS
from controller.sealing import FileKeyring, Vault
from controller.settings import Settings
from controller.sources.manifests import Directory
from controller.store.base import Store
from resources.errors import UserError

log = structlog.get_logger("app")


async def run(
    settings: Settings,
    *,
    manifests: Sequence[Directory] = (),
    once: bool = False,
    serve: Serve | None = None,
) -> None:
    """``skyctl run``: starts what is needed, runs until SIGTERM or SIGINT. Raises UserError."""
    from controller.store.embedded import embedded_postgres
    from controller.store.postgres import open_store

    METRICS.build.info({"version": __version__})
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(embedded_postgres(settings.state_dir))
        store = await open_store(settings, url)
        stack.push_async_callback(store.close)
        vault = Vault(store, FileKeyring(settings.sealing_key_file))
        configuration = Configuration(store, settings, vault)
        await configuration.load()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await Process(store, configuration, manifests, once, stop).run(serve)
    log.info("stopped")


class Process:
    """One controller after the other, each built anew when what it runs by has changed. The store
    and the HTTP side outlive them; containers and proxies do not notice."""

    def __init__(
        self,
        store: Store,
        configuration: Configuration,
        manifests: Sequence[Directory],
        once: bool,
        stop: asyncio.Event,
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._manifests = manifests
        self._once = once
        self._stop = stop
        self._core: Core | None = None

    async def run(self, serve: Serve | None) -> None:
        """Until ``stop`` (or, with once, until all converged). Raises UserError."""
        async with asyncio.TaskGroup() as group:
            serving: asyncio.Task[None] | None = None
            while True:
                async with self._built() as controller:
                    core = self._known(controller.core)
                    if serve is not None and serving is None:
                        serving = group.create_task(serve(core), name="http")
                    again = await self._life(controller)
                if not again:
                    break
                log.info("beginning anew, by another CaasConfiguration")
            if serving is not None:
                serving.cancel()
        if controller.once_failed:
            raise UserError(
                "DEPLOYMENT_NOT_CONVERGED",
                f"not everything converged: {controller.once_failed[0]}",
                details={"problems": controller.once_failed},
                suggestions=["see the status of each resource: skyctl get all -A"],
            )

    def _known(self, core: Core) -> Core:
        if self._core is None:
            self._core = core
        else:
            self._core.become(core)
        return self._core

    @asynccontextmanager
    async def _built(self) -> AsyncIterator[Controller]:
        from controller.engine.docker import connect

        self._configuration.begun()
        current = self._configuration.current
        settings, docker = current.settings, current.docker
        engine = await connect(
            settings,
            host=docker.host or None,
            tls=docker.certificates is not None if docker.host else None,
            certificates=docker.certificates,
            observe=METRICS.engine.called,
        )
        try:
            controller = Controller(
                settings,
                self._store,
                engine,
                await self._store.instance(),
                manifests=self._manifests,
                nft=Nft(),
                last_words=settings.state_dir / "last-words",
                ingress=partial(traefik_gateway, containers=engine.platform_containers),
                configuration=self._configuration,
            )
            engine.on_pull_progress = controller.pull_progress
            yield controller
        finally:
            await engine.close()

    async def _life(self, controller: Controller) -> bool:
        """Until it has ended. True: there is to be another one."""
        running = asyncio.create_task(controller.run(once=self._once), name="controller")
        changing = asyncio.create_task(
            self._configuration.changed(controller.configured), name="configuration"
        )
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({running, changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            again = changing.done()
            controller.stop.set()
            if again:
                await changing
            await running
            if self._stop.is_set():
                return False
            return again or (self._once and await self._configuration.differs())
        finally:
            for task in (running, changing, stopping):
                task.cancel()
            await asyncio.gather(running, changing, stopping, return_exceptions=True)
