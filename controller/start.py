"""``skyctl run``: the real parts, and a controller built on them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog

from controller import __version__
from controller.app import Controller, Serve
from controller.firewall.nft import Nft
from controller.ingress.assembly import traefik_gateway
from controller.metrics import METRICS
from controller.settings import Settings
from controller.sources.manifests import Directory
from resources.errors import UserError

if TYPE_CHECKING:
    from controller.engine.docker import DockerEngine

log = structlog.get_logger("app")


async def run(
    settings: Settings,
    *,
    manifests: Sequence[Directory] = (),
    once: bool = False,
    serve: Serve | None = None,
) -> None:
    """``skyctl run``: starts what is needed, runs until SIGTERM or SIGINT. Raises UserError."""
    from controller.engine.docker import connect
    from controller.store.embedded import embedded_postgres
    from controller.store.postgres import open_store

    METRICS.build.info({"version": __version__})
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(embedded_postgres(settings.state_dir))
        store = await open_store(settings, url)
        stack.push_async_callback(store.close)
        engine: DockerEngine = await connect(settings, observe=METRICS.engine.called)
        stack.push_async_callback(engine.close)
        controller = Controller(
            settings,
            store,
            engine,
            await store.instance(),
            manifests=manifests,
            nft=Nft(),
            last_words=settings.state_dir / "last-words",
            ingress=partial(traefik_gateway, containers=engine.platform_containers),
        )
        engine.on_pull_progress = controller.pull_progress
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, controller.stop.set)
        await controller.run(serve, once=once)
        if controller.once_failed:
            raise UserError(
                "DEPLOYMENT_NOT_CONVERGED",
                f"not everything converged: {controller.once_failed[0]}",
                details={"problems": controller.once_failed},
                suggestions=["see the status of each resource: skyctl get all -A"],
            )
    log.info("stopped")
