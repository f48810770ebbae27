"""The controller: in which order what it is made of starts, and how it ends.

Always running: the HTTP side, the mirrors (catalogue, engine index), the sign of life. Only while
leading, with the right engine: workers, resync, manifests. On SIGTERM or SIGINT no new keys are
taken, the passes under way may finish, the lease is released, and the process exits 0. A
background task that dies takes the process down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from controller import __version__
from controller.composition import Composition
from controller.configuration import KEY as CONFIGURATION
from controller.core import Core
from controller.engine.base import PullProgress
from controller.metrics import METRICS
from controller.vitals import every, measure_lag

HEARTBEAT_SECONDS = 5.0
KEYRING_SECONDS = 5.0
ONCE_SECONDS = 600.0

Serve = Callable[[Core], Coroutine[Any, Any, None]]


class Controller(Composition):
    """One controller, which runs once. The simulation builds it on fakes and virtual time."""

    @property
    def core(self) -> Core:
        return Core(
            settings=self.settings,
            store=self.store,
            engine=self.engine,
            preview=self.preview,
            readiness=self.health.readiness,
            engine_info=lambda: self.identity.info,
            pulls=self.pulls.follow,
            adopt_engine=self.identity.adopt,
            instance=self.instance,
            version=__version__,
            vault=self.vault,
            last_words=self.last_words,
            ended_before=self.index.deaths.before,
            lately=self.gateway.lately if self.gateway is not None else lambda _uid: None,
            decided=self.decided,
            configured=self.configuration.current.configured,
            docker=self.configuration.current.docker.environment,
        )

    # -- lifetimes
    async def run(self, serve: Serve | None = None, *, once: bool = False) -> None:
        """Until ``stop`` is set (or, with once, until everything converged, but no longer than
        ``ONCE_SECONDS``: neither store nor engine need ever come)."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._run(group, serve, once)
        finally:
            await self.executor.close()
            if self.gateway is not None:
                await self.gateway.close()

    async def _run(self, group: asyncio.TaskGroup, serve: Serve | None, once: bool) -> None:
        self.vault.load()
        if self.gateway is not None:
            await self.gateway.prepare()
        if self.firewall is not None:
            await self.firewall.look()
        background = [
            group.create_task(self.index.run(), name="engine-index"),
            group.create_task(self.database.run(), name="database"),
            group.create_task(every(HEARTBEAT_SECONDS, self._beat), name="heartbeat"),
            group.create_task(measure_lag(self.clock), name="lag"),
            group.create_task(every(KEYRING_SECONDS, self._keys), name="keyring"),
            group.create_task(self.pull_news.run(), name="pull-news"),
            group.create_task(self.tags.run(), name="tags"),
        ]
        if self.firewall is not None:
            background.append(group.create_task(self.firewall.run(), name="host-firewall"))
        if serve is not None:
            background.append(group.create_task(serve(self.core), name="http"))
        self.coverage.sweeps = not once
        act = self.acting.once if once else self.acting.act
        leading = group.create_task(self.leadership.run(act), name="leadership")
        stopping = group.create_task(self.stop.wait(), name="stop")
        await asyncio.wait(
            {leading, stopping},
            timeout=ONCE_SECONDS if once else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        ended = "it was stopped" if self.stop.is_set() else f"{ONCE_SECONDS:g} s have passed"
        cause = ": ".join((f"{ended} before it was over", *self.health.readiness().reasons))
        self.stop.set()
        if self.leadership.epoch is not None and self.acting.working:
            await asyncio.wait({leading}, timeout=self.settings.drain_timeout + 1)
        if once:
            self.once_failed = self.acting.unfinished(self.catalogue, cause)
        for task in (*background, leading, stopping):
            task.cancel()

    def pull_progress(self, progress: PullProgress) -> None:
        """What the engine says of a pull, for whoever watches and whoever waits."""
        self.pulls.publish(progress)
        self.pull_news.heard(progress)

    async def _keys(self) -> None:
        """A key file that was brought back is used at once."""
        if self.vault.refresh():
            self.resync.enqueue(urgent=False)

    async def _beat(self) -> None:
        info = self.identity.info
        if self.platform.engine_turned:
            self.queue.add(CONFIGURATION)
        METRICS.engine.up.set(self.index.synced)
        await self.store.heartbeat(
            process=self.process,
            version=__version__,
            leader=self.leadership.epoch is not None,
            epoch=self.leadership.epoch or 0,
            engine_state="connected" if self.index.synced else "disconnected",
            engine_version=info.version if info else "",
        )
