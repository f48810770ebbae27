"""Objects of ours without a row: removed as one batch, under the mass-change guard.

Absence is a strong claim, so it is made from two complete readings taken now (every row of the
store, every object of the engine), never from the mirrors, and decided before anything is
touched. Volumes are never removed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from controller.engine.base import Engine
from controller.loop.leadership import leading
from controller.metrics import METRICS
from controller.reconcile.execute import Executor
from controller.store.base import Event, Store, source_key
from resources.guard import GuardVerdict, exceeds, fingerprint, judge
from resources.labels import is_ours
from resources.orphans import Removal, orphans
from resources.steps import Step
from resources.world import World

log = structlog.get_logger("orphans")

SOURCE = "engine"


@dataclass(frozen=True, slots=True)
class MassChangeLimits:
    max_percent: float
    minimum: int


class Sweeper:
    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        executor: Executor,
        instance: str,
        limits: MassChangeLimits,
        epoch: Callable[[], int | None],
    ) -> None:
        self._store = store
        self._engine = engine
        self._executor = executor
        self._instance = instance
        self._limits = limits
        self._epoch = epoch
        self._settled: tuple[int, str | None] | None = None
        self._told = ""

    async def sweep(self, world: World, known: frozenset[str]) -> int:
        """Number of objects removed. world, known: the mirrors, which only say whether it is
        worth a real look."""
        if not orphans(world, self._instance, known):
            await self._settle(None)
            return 0
        # In this order: every object is younger than its row, so the rows that are read afterwards
        # have those of all that is listed.
        listed = await self._engine.list()
        listed.published.update(world.published)
        entries = await self._store.entries()
        known = frozenset(entry.resource.uid for entry in entries)
        steps = orphans(listed, self._instance, known)
        total = _ours(listed, self._instance)
        if not steps or not await self._allowed(steps, total, bool(entries)):
            return 0
        await self._executor.remove(steps, self._removed)
        return len(steps)

    async def _allowed(self, steps: list[Removal], total: int, any_rows: bool) -> bool:
        """Past the limits, or with an empty store (which proves nothing): only when approved."""
        items = sorted(step.render() for step in steps)
        limits = self._limits
        suspect = not any_rows or exceeds(len(steps), total, limits.max_percent, limits.minimum)
        earlier = [held for held in await self._store.held() if held.source == SOURCE]
        verdict = judge(items, earlier, suspect=suspect)
        if verdict is GuardVerdict.HOLD:
            await self._hold(items, total)
        else:
            METRICS.sources.held.labels(SOURCE).set(0)
        return verdict is GuardVerdict.DELETE

    async def _hold(self, items: list[str], total: int) -> None:
        mark = fingerprint(items)
        held = await self._store.hold(SOURCE, items, total, mark, epoch=leading(self._epoch))
        await self._settle(mark)
        METRICS.sources.held.labels(SOURCE).set(len(items))
        if self._told == held.id:
            return
        decide = f"skyctl guard approve {held.id}"
        what = "removal of objects without a row is held"
        log.warning(what, objects=len(items), of=total, decide=decide)
        message = f"{what}: {len(items)} of {total}; {decide}, or discard"
        event = Event("", source_key(SOURCE), "Warning", "DeletionsHeld", message)
        await self._store.emit([event], epoch=leading(self._epoch))
        self._told = held.id

    async def _settle(self, keep: str | None) -> None:
        """Batches that no longer match what is seen are moot; asked only when that changed, and
        anew by each leader: another one may have held something meanwhile."""
        epoch = leading(self._epoch)
        if self._settled == (epoch, keep):
            return
        await self._store.drop_held(SOURCE, keep=keep, epoch=epoch)
        self._settled = epoch, keep
        if keep is None:
            METRICS.sources.held.labels(SOURCE).set(0)

    def _removed(self, step: Step) -> None:
        log.warning(step.render())


def _ours(world: World, instance: str) -> int:
    """How many containers and networks carry our mark, and what is published."""
    labels = [o.labels for o in world.containers.values()]
    labels += [o.labels for o in world.networks.values()]
    marked = sum(1 for found in labels if is_ours(found, instance))
    return marked + len(world.published)
