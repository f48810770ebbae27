"""A manifest directory as a source of desired state: its files become rows, and stay so.

One pass reads the directory until it stands still, compares what it declares with the rows that
this source owns, applies what differs, and decides about all that is absent as one batch. A pass
is level-triggered: hints, polling and the clock only say when, never what. Nothing is kept that a
restart would miss, but for what each file declared when it was last sound; without that memory
(after a restart, after another controller led) a file with problems shields more, never less.

Rows are written only while this process leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from controller.sealing import Vault
from controller.settings import Settings
from controller.sources.manifests.comparison import Comparison, compare
from controller.sources.manifests.declaration import DeclaredSet, Problem, declare
from controller.sources.manifests.hints import follow
from controller.sources.manifests.reader import DirectoryReading, Reader, Timing
from controller.sources.manifests.reporting import SourceReporter
from controller.sources.manifests.sealing import sealed
from controller.sources.manifests.writing import Batch, Pruned, Writer, WriteResult, waiting
from controller.store.base import Applied, Deposed, Held, Store, StoreUnavailable
from resources.errors import UserError
from resources.meta import Key

log = structlog.get_logger("manifests")


@dataclass(frozen=True, slots=True)
class SyncReport:
    """held: a batch of deletions that waits for a person."""

    applied: tuple[Applied, ...] = ()
    deleted: tuple[Key, ...] = ()
    held: Held | None = None
    problems: tuple[Problem, ...] = ()


class ManifestSource:
    """name: of the source, ``manifest:NAME`` on rows. epoch: ours while we lead, else None."""

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        store: Store,
        settings: Settings,
        epoch: Callable[[], int | None],
        vault: Vault,
        timing: Timing | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.source = f"manifest:{name}"
        self._timing = timing or Timing.of(settings)
        self._store = store
        self._vault = vault
        self._reader = Reader(directory, self._timing)
        self._writer = Writer(
            store,
            self.source,
            epoch,
            max_percent=settings.mass_change_percent,
            minimum=settings.mass_change_minimum,
        )
        self._reporter = SourceReporter(self.source, directory, store)
        self._woken = asyncio.Event()
        self.begun = asyncio.Event()
        """The first pass of a run has ended, however."""
        self._memory: Mapping[str, frozenset[Key]] = {}
        self._memory_of: int | None = None
        self._declared: DeclaredSet | None = None
        self._done: bytes | None = None
        self._due = 0.0
        self._forced = False
        self._absence: tuple[str, float] = ("", 0.0)
        self._retries = 0

    @property
    def connected(self) -> bool:
        """Could the directory be listed when it was last looked at?"""
        return self._reporter.connected

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong now: directories, files, documents, refusals, held deletions."""
        return self._reporter.problems

    @property
    def held(self) -> Held | None:
        return self._reporter.held

    def declares(self, key: Key) -> bool:
        """Did the files declare it when they were last read?"""
        return self._declared is not None and self._declared.declares(key)

    def wake(self) -> None:
        """Compare with the store now, whether or not the files changed: somebody decided about
        held deletions, or adopted or deleted a row."""
        self._forced = True
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Follows the directory while we lead."""
        self._done, self._due = None, 0.0
        self.begun.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(
                follow(self.directory, self._woken.set, self._timing.poll),
                name=f"hints-{self.name}",
            )
            while True:
                seconds = await self._attempt()
                self.begun.set()
                await self._pause(seconds)

    async def sync_once(self) -> SyncReport:
        """One pass, at once and whole. Raises StoreUnavailable, Deposed."""
        reading = await self._reader.read()
        if not reading.tree.reached:
            return SyncReport(problems=await self._lost(reading))
        report, _ = await self._sync(reading, patient=False)
        return report

    # -- when
    async def _attempt(self) -> float:
        """One pass. Returns after how many seconds the next is due whatever happens."""
        self._woken.clear()
        try:
            return await self._pass()
        except StoreUnavailable as error:
            log.warning("the store is unavailable", source=self.source, reason=str(error))
        except UserError as error:  # of a pass's own writes: one document's are its problem
            log.warning("a pass was refused", source=self.source, reason=error.message)
        except Deposed:
            log.debug("not leading", source=self.source)
        self._done = None
        return self._retry()

    async def _pass(self) -> float:
        self._writer.leading()
        forced, self._forced = self._forced, False
        reading = await self._reader.read()
        if not reading.tree.reached:
            await self._lost(reading)
            return self._timing.poll
        now = asyncio.get_running_loop().time()
        unchanged = reading.tree.mark == self._done and now < self._due
        if forced or not unchanged or await self._decided():
            _, wait = await self._sync(reading, patient=True)
            self._done, self._due = reading.tree.mark, now + wait
        return self._due - now if self.held is None else min(self._due - now, self._timing.poll)

    async def _decided(self) -> bool:
        """Has a person decided about what is held?"""
        if self.held is None:
            return False
        waiting = {held.id for held in await self._store.held() if held.state == "held"}
        return self.held.id not in waiting

    async def _pause(self, seconds: float) -> None:
        """Until woken, until the directory looks different, or so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, self._timing.poll)):
                    await self._woken.wait()
                return
            except TimeoutError:
                if await self._reader.changed():
                    return

    def _retry(self) -> float:
        first, longest = self._timing.retry
        self._retries += 1
        return min(first * 2.0 ** min(self._retries - 1, 16), longest)

    # -- what
    async def _lost(self, reading: DirectoryReading) -> tuple[Problem, ...]:
        """The directory is out of reach: nothing is known, so nothing is done."""
        self._done = None
        self._absence = ("", 0.0)
        problems = tuple(Problem(error) for error in reading.tree.problems)
        await self._reporter.lost(problems, self._writer.leading())
        return problems

    async def _sync(self, reading: DirectoryReading, *, patient: bool) -> tuple[SyncReport, float]:
        """patient: absence has to last before it counts. Also returns when to look again."""
        declaration = self._declare(reading)
        entries = await self._store.entries()
        declaration = await sealed(
            declaration, {entry.key: entry.resource for entry in entries}, self._vault.sealed
        )
        comparison = compare(declaration, (entry.resource for entry in entries), self.source)
        written = await self._writer.apply(comparison.apply)
        pruned, wait = await self._prune(comparison, declaration, patient)
        problems = (
            *declaration.problems,
            *comparison.problems,
            *written.problems,
            *pruned.problems,
        )
        report = SyncReport(written.applied, pruned.deleted, pruned.held, problems)
        await self._reporter.report(report, entries, self._writer.leading())
        return report, min(wait, self._retry_after(comparison, written))

    def _declare(self, reading: DirectoryReading) -> DeclaredSet:
        epoch = self._writer.leading()
        if epoch != self._memory_of:
            self._memory, self._memory_of = {}, epoch
        declaration = declare(reading.files, self._memory, reading.tree.problems)
        self._memory = declaration.remembered()
        self._declared = declaration
        return declaration

    async def _prune(
        self, comparison: Comparison, declaration: DeclaredSet, patient: bool
    ) -> tuple[Pruned, float]:
        """Also returns after how many seconds to look again."""
        batch = Batch(
            comparison.absent,
            comparison.total,
            emptied=not declaration.files,
            whole=declaration.whole and comparison.shielded == 0,
        )
        left = self._absence_left(batch) if patient else 0.0
        if left <= 0 and declaration.whole:
            return await self._writer.prune(batch), self._timing.resync
        problems = (waiting(self.held),) if self.held is not None else ()
        return Pruned((), self.held, problems), max(left, 0.0) or self._timing.resync

    def _absence_left(self, batch: Batch) -> float:
        """Seconds until what is absent has been so, unchanged, for long enough."""
        now = asyncio.get_running_loop().time()
        if not batch.keys:
            self._absence = ("", now)
            return 0.0
        if self._absence[0] != batch.fingerprint:
            self._absence = (batch.fingerprint, now)
        return self._absence[1] + self._timing.absence - now

    def _retry_after(self, comparison: Comparison, written: WriteResult) -> float:
        refused = (*comparison.problems, *written.problems)
        if any(problem.error.retryable for problem in refused):
            return self._retry()
        self._retries = 0
        return self._timing.resync
