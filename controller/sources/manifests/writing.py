"""What a comparison found, written to the store: documents applied, absent rows deleted.

Deletions are one batch, judged before the first is requested (``resources.guard``), and every
single write asks first whether we still lead, and carries the epoch: a process that froze in
between writes nothing over what its successor wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.loop.leadership import leading
from controller.sources.manifests.declaration import Declared, Problem
from controller.store.base import Applied, Held, Store
from controller.together import together
from resources.errors import UserError
from resources.guard import GuardVerdict, exceeds, fingerprint, judge
from resources.meta import Key

HELD = "RESOURCE_DELETIONS_HELD"
CONCURRENT_WRITES = 4


@dataclass(frozen=True, slots=True)
class WriteResult:
    applied: tuple[Applied, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that no file declares. total: rows the source has. emptied: the directory holds no
    manifest at all, which an unmounted one does not either, so it proves little. whole: of no
    other row it is uncertain whether a file declares it."""

    keys: tuple[Key, ...]
    total: int
    emptied: bool = False
    whole: bool = True

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(sorted(str(key) for key in self.keys))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.items)


@dataclass(frozen=True, slots=True)
class Pruned:
    deleted: tuple[Key, ...] = ()
    held: Held | None = None
    problems: tuple[Problem, ...] = ()


class Writer:
    """max_percent, minimum: the mass-change limits. epoch: ours while we lead, else None."""

    def __init__(
        self,
        store: Store,
        source: str,
        epoch: Callable[[], int | None],
        *,
        max_percent: float,
        minimum: int,
    ) -> None:
        self._store = store
        self._source = source
        self._epoch = epoch
        self._max_percent = max_percent
        self._minimum = minimum

    def leading(self) -> int:
        """Raises Deposed."""
        return leading(self._epoch)

    # -- applying
    async def apply(self, documents: Iterable[Declared]) -> WriteResult:
        """Kinds in order, documents of a kind a few at once. A refused one stops no other.
        Raises StoreUnavailable, Deposed."""
        applied: list[Applied] = []
        problems: list[Problem] = []
        for group in _by_kind(documents):
            queue = iter(group)
            workers = [self._apply_all(queue, applied, problems) for _ in range(CONCURRENT_WRITES)]
            await together(*workers)
        return WriteResult(tuple(applied), tuple(problems))

    async def _apply_all(
        self, queue: Iterator[Declared], applied: list[Applied], problems: list[Problem]
    ) -> None:
        for declared in queue:
            epoch = self.leading()
            try:
                applied.append(
                    await self._store.apply(declared.manifest, source=self._source, epoch=epoch)
                )
            except UserError as error:
                problems.append(declared.located(error))

    # -- pruning
    async def prune(self, batch: Batch) -> Pruned:
        """Raises StoreUnavailable, Deposed."""
        earlier = [held for held in await self._store.held() if held.source == self._source]
        if not batch.keys:
            if batch.whole:
                await self._drop(earlier, keep=None)
            return Pruned()
        suspect = batch.emptied or exceeds(
            len(batch.keys), batch.total, self._max_percent, self._minimum
        )
        match judge(batch.items, earlier, suspect=suspect):
            case GuardVerdict.HOLD:
                return await self._hold(batch, earlier)
            case GuardVerdict.LEAVE:
                await self._drop(earlier, keep=batch.fingerprint)
                return Pruned()
            case GuardVerdict.DELETE:
                return await self._delete(batch, earlier)

    async def _hold(self, batch: Batch, earlier: Sequence[Held]) -> Pruned:
        held = await self._store.hold(
            self._source, batch.items, batch.total, batch.fingerprint, epoch=self.leading()
        )
        await self._drop(earlier, keep=batch.fingerprint)
        return Pruned(held=held, problems=(waiting(held),))

    async def _delete(self, batch: Batch, earlier: Sequence[Held]) -> Pruned:
        deleted: list[Key] = []
        problems: list[Problem] = []
        for key in batch.keys:
            epoch = self.leading()
            try:
                if await self._store.delete(key, source=self._source, epoch=epoch):
                    deleted.append(key)
            except UserError as error:
                problems.append(Problem(error, key))
        if not problems:
            await self._drop(earlier, keep=None)
        return Pruned(tuple(deleted), None, tuple(problems))

    async def _drop(self, earlier: Sequence[Held], keep: str | None) -> None:
        """Batches that no longer are what is absent are moot."""
        if any(held.fingerprint != keep for held in earlier):
            await self._store.drop_held(self._source, keep=keep, epoch=self.leading())


def _by_kind(documents: Iterable[Declared]) -> Iterator[list[Declared]]:
    group: list[Declared] = []
    for declared in documents:
        if group and group[-1].key.kind != declared.key.kind:
            yield group
            group = []
        group.append(declared)
    if group:
        yield group


def waiting(held: Held) -> Problem:
    """A held batch, as a problem that says what to do."""
    shown = ", ".join(held.items[:5]) + (", ..." if len(held.items) > 5 else "")
    error = UserError(
        HELD,
        f"{len(held.items)} of {held.total} resources are declared by no file any more ({shown}): "
        "their deletion waits for a decision",
        details={"id": held.id, "items": list(held.items), "total": held.total},
        suggestions=[
            f"delete them: skyctl guard approve {held.id}",
            f"keep them: skyctl guard discard {held.id}",
            "or bring the files back",
        ],
    )
    return Problem(error)
