"""What only the leader does: work the queue, resync, sweep, expire, and read manifests.

One term of leading after the other. Everything here is cancelled the moment the lease is in doubt,
and what was learnt in a term ends with it: memo, probes, keys waiting, gauges of resources. A
successor, even this same process, begins from the store and the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from controller.clock import Clock
from controller.coverage import Reconcile
from controller.engine.index import EngineIndex
from controller.identity import EngineIdentity
from controller.loop.backoff import Backoff
from controller.loop.pool import Pool
from controller.loop.queue import Queue
from controller.metrics import METRICS
from controller.reconcile.certificates import CertificateWatcher
from controller.reconcile.probes import Prober
from controller.reconcile.verifier import Verifier
from controller.resync import Resync
from controller.sampler import Sampler
from controller.sources.database import DatabaseSource
from controller.sources.manifests import ManifestSource, SyncReport
from controller.store.catalogue import Catalogue
from controller.vitals import every
from resources.meta import Key

log = structlog.get_logger("acting")


@dataclass(frozen=True, slots=True)
class Term:
    """What is made anew each time we begin to lead, since it remembers."""

    reconcile: Reconcile
    prober: Prober
    verifier: Verifier
    certificates: CertificateWatcher
    sampler: Sampler
    backoff: Backoff[Key]


class Beside(Protocol):
    """What else goes on during a term. settled: nothing that it waits for is about to come."""

    @property
    def settled(self) -> bool: ...

    async def begin(self) -> None:
        """Awaited before the first pass of a term."""
        ...

    async def run(self) -> None: ...


APART_SECONDS = 2.0
FIRST_READING = 5.0
"""Seconds that the other manifest directories wait for the first reading of one."""


class Acting:
    """stop: no new keys are taken from then on; ``once`` sets it when all is done. working: passes
    may be under way. settled: ``once`` saw the end of all work. reports: what it read of the
    manifests. prepare: awaited before anything else of a term, without the engine. apart: what can
    be done without it, again and again until it is there. ingress: runs beside; None: there is
    none."""

    def __init__(
        self,
        *,
        identity: EngineIdentity,
        index: EngineIndex,
        database: DatabaseSource,
        queue: Queue[Key],
        resync: Resync,
        manifests: Sequence[ManifestSource],
        prepare: Callable[[], Awaitable[None]],
        begin: Callable[[], Term],
        apart: Callable[[], Awaitable[None]],
        workers: int,
        drain_seconds: float,
        clock: Clock,
        stop: asyncio.Event,
        ingress: Beside | None = None,
    ) -> None:
        self._identity = identity
        self._index = index
        self._database = database
        self._queue = queue
        self._resync = resync
        self._manifests = manifests
        self._prepare = prepare
        self._begin = begin
        self._apart = apart
        self._workers = workers
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._stop = stop
        self._ingress = ingress
        self._queue.suspend()
        self.working = False
        self.settled = False
        self.reports: Sequence[SyncReport] = ()

    async def act(self, epoch: int) -> None:
        """Until ``stop``."""
        await self._prepare()
        await self._confirmed()
        await self._mirrored("leading")
        await self._begun()
        with self._term() as term:
            async with asyncio.TaskGroup() as group:
                aside = [
                    group.create_task(self._identity.watch(), name="identity"),
                    group.create_task(self._resync.run(), name="resync"),
                    group.create_task(term.prober.run(), name="prober"),
                    group.create_task(term.verifier.run(), name="verifier"),
                    group.create_task(term.certificates.run(), name="certificates"),
                    group.create_task(term.sampler.run(), name="sampler"),
                    *self._beside(group),
                    group.create_task(self._sources(), name="manifests"),
                ]
                await self._drained(term)
                for task in aside:
                    task.cancel()

    async def _sources(self) -> None:
        """In the order in which they were given, each once the one before it has written what it
        declares (or took too long): what one declares may refer to what another does."""
        async with asyncio.TaskGroup() as group:
            for source in self._manifests:
                group.create_task(source.run(), name=f"manifests-{source.name}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(FIRST_READING):
                        await source.begun.wait()

    async def once(self, epoch: int) -> None:
        """Converges and ends: manifests read, every key worked until none is waiting."""
        await self._prepare()
        await self._confirmed()
        self.reports = [await source.sync_once() for source in self._manifests]
        await self._mirrored("once")
        await self._begun()
        with self._term() as term:
            self._resync.enqueue(urgent=True)
            async with asyncio.TaskGroup() as group:
                aside = [
                    group.create_task(self._identity.watch(), name="identity"),
                    group.create_task(term.prober.run(), name="prober"),
                    group.create_task(term.verifier.run(), name="verifier"),
                    group.create_task(term.certificates.run(), name="certificates"),
                    *self._beside(group),
                    group.create_task(self._settling(term), name="settling"),
                ]
                await self._drained(term)
                for task in aside:
                    task.cancel()

    async def _begun(self) -> None:
        if self._ingress is not None:
            await self._ingress.begin()

    def _beside(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        if self._ingress is None:
            return []
        return [group.create_task(self._ingress.run(), name="ingress")]

    def unfinished(self, catalogue: Catalogue, cause: str) -> list[str]:
        """What ``once`` could not do, in words. cause: why it ended, if it did before its end."""
        told = [
            ": ".join(filter(None, (problem.place, problem.error.message)))
            for report in self.reports
            for problem in report.problems
        ]
        if not self.settled:
            told.append(cause)
        for key in catalogue.all_keys():
            entry = catalogue.entry(key)
            if entry is not None and (entry.status or {}).get("error"):
                told.append(f"{key}: {(entry.status or {}).get('message')}")
        return told

    async def _confirmed(self) -> None:
        async with asyncio.TaskGroup() as group:
            meanwhile = group.create_task(self._meanwhile(), name="apart")
            info = await self._identity.confirmed()
            meanwhile.cancel()
        log.info("engine confirmed", version=info.version, engine=info.id, reach=info.reach)

    async def _meanwhile(self) -> None:
        """An engine that is there answers sooner."""
        await asyncio.sleep(APART_SECONDS)
        await every(APART_SECONDS, self._apart)

    async def _mirrored(self, reason: str) -> None:
        """No pass looks before both mirrors are whole: what is not listed yet would be taken for
        lost, and a standby is told neither of records nor of status."""
        await self._index.wait_synced()
        if not self._identity.sure:
            await self._identity.confirmed()
        await self._database.reread(reason)

    @contextmanager
    def _term(self) -> Iterator[Term]:
        self._queue.resume()
        self.working = True
        try:
            yield self._begin()
        finally:
            self.working = False
            self._queue.suspend()
            METRICS.forget_all()

    async def _settling(self, term: Term) -> None:
        """Sets ``stop`` when no pass is under way or to come."""
        await self._queue.join()
        while (
            self._queue.waiting
            or not (term.prober.settled and term.verifier.settled)
            or not self._routed()
        ):
            await asyncio.sleep(0.1)
            await self._queue.join()
        self.settled = True
        self._stop.set()

    def _routed(self) -> bool:
        return self._ingress is None or self._ingress.settled

    async def _drained(self, term: Term) -> None:
        pool = Pool(
            self._queue,
            term.backoff,
            term.reconcile,
            workers=self._workers,
            clock=self._clock.monotonic,
        )
        await drained(pool, self._queue, self._stop, self._drain_seconds)


async def drained(pool: Pool, queue: Queue[Key], stop: asyncio.Event, deadline: float) -> None:
    """Runs the pool until ``stop``; then no new keys, and ``deadline`` seconds for the passes
    under way."""
    working = asyncio.create_task(pool.run(), name="pool")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return
        queue.close()
        await asyncio.wait({working}, timeout=deadline)
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
