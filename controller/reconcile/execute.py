"""Execute: walk the steps, decide nothing.

Consecutive store steps are one transaction. Before a destructive step the leadership is
confirmed against the store. Changing engine calls share a limit, pulls another; pulls of one
image are shared. The first error ends the walk: what was done is seen by the next observation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby

import structlog

from controller.engine.base import Engine
from controller.metrics import METRICS
from controller.store.base import Deposed, Store
from resources.context import Context
from resources.errors import UserError
from resources.plan import Plan
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
    RemoveNetwork,
    RemoveVolume,
    StartContainer,
    Step,
    StopContainer,
    StoreStep,
    UnpauseContainer,
    UpdateContainer,
)

log = structlog.get_logger("execute")

Done = Callable[[Step], None]


class Executor:
    """epoch: of our leadership, None while we do not lead. gate: raises while nothing may be done
    to the engine (not connected, or not ours). doubt: told when what
    is known of images may be wrong, after a pull and after a step that failed."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        epoch: Callable[[], int | None],
        *,
        concurrency: int,
        pulls: int,
        gate: Callable[[], None] = lambda: None,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._gate = gate
        self._doubt = doubt
        self._slots = asyncio.Semaphore(concurrency)
        self._pull_slots = asyncio.Semaphore(pulls)
        self._pulling: dict[str, asyncio.Task[None]] = {}
        self._engine = engine
        self._calls: dict[type[Step], Callable[..., Awaitable[None]]] = {
            CreateNetwork: engine.create_network,
            RemoveNetwork: engine.remove_network,
            ConnectNetwork: engine.connect_network,
            DisconnectNetwork: engine.disconnect_network,
            CreateVolume: engine.create_volume,
            RemoveVolume: engine.remove_volume,
            CreateContainer: engine.create_container,
            PutFiles: engine.put_files,
            CheckVolumes: engine.check_volumes,
            StartContainer: engine.start_container,
            StopContainer: engine.stop_container,
            UnpauseContainer: engine.unpause_container,
            RemoveContainer: engine.remove_container,
            UpdateContainer: engine.update_container,
        }

    async def execute(self, context: Context, plan: Plan, done: Done) -> None:
        """Raises the first step's error; ``done`` is called after each step that succeeded."""
        for is_store, steps in groupby(plan.steps, lambda step: isinstance(step, StoreStep)):
            if is_store:
                await self._record(context, [s for s in steps if isinstance(s, StoreStep)], done)
            else:
                for step in steps:
                    await self._call(context, step)
                    done(step)

    async def remove(self, steps: Sequence[EngineStep], done: Done) -> None:
        """Removal of objects without a row, already decided as a batch."""
        for step in steps:
            await self.confirm()
            self._gate()
            async with self._slots:
                await self._calls[type(step)](step)
            done(step)

    async def confirm(self) -> int:
        """Our epoch, if the store says that it still is the newest. Raises Deposed."""
        epoch = self._epoch()
        if epoch is None or await self._store.epoch() != epoch or self._epoch() != epoch:
            raise Deposed("another controller leads, or none")
        return epoch

    async def _record(self, context: Context, steps: list[StoreStep], done: Done) -> None:
        epoch = self._epoch()
        if epoch is None:
            raise Deposed("not the leader")
        await self._store.record(context.uid, steps, epoch=epoch)
        for step in steps:
            done(step)

    async def _call(self, context: Context, step: Step) -> None:
        self._gate()
        if isinstance(step, PullImage):
            await self._pull(step)
            return
        if step.destructive:
            await self.confirm()
        elif self._epoch() is None:
            raise Deposed("not the leader")
        try:
            async with self._slots:
                await self._calls[type(step)](step)
        except UserError:
            self._doubt()
            raise
        if step.drift:
            METRICS.drift.labels(context.key.kind, step.drift).inc()

    async def _pull(self, step: PullImage) -> None:
        """One pull per reference however many ask; it outlives an asker that is cancelled only
        as long as another waits."""
        task = self._pulling.get(step.reference)
        if task is None:
            task = asyncio.create_task(self._pull_alone(step), name=f"pull {step.reference}")
            self._pulling[step.reference] = task
            task.add_done_callback(lambda done: self._pulled(step.reference, done))
        await asyncio.shield(task)

    def _pulled(self, reference: str, task: asyncio.Task[None]) -> None:
        """Its error is for whoever asked; that may be nobody any more."""
        self._pulling.pop(reference, None)
        if not task.cancelled():
            task.exception()

    async def _pull_alone(self, step: PullImage) -> None:
        async with self._pull_slots:
            await self._engine.pull_image(step)
        self._doubt()

    async def close(self) -> None:
        """Cancels the pulls under way."""
        for task in list(self._pulling.values()):
            task.cancel()
        await asyncio.gather(*self._pulling.values(), return_exceptions=True)
