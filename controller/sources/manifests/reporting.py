"""What a source says of itself: logs when something changes, events, metrics, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from controller.metrics import METRICS
from controller.sources.manifests.declaration import DECLARED_TWICE, Problem
from controller.sources.manifests.writing import HELD
from controller.store.base import Event, Held, Store, source_key
from resources.meta import Entry, Key

if TYPE_CHECKING:
    from controller.sources.manifests.source import SyncReport

log = structlog.get_logger("manifests")

_REASONS = {
    DECLARED_TWICE: "DeclaredTwice",
    "RESOURCE_OWNED_ELSEWHERE": "OwnedElsewhere",
    HELD: "DeletionsHeld",
}
_TOLD_BY_STATUS = frozenset({"CONFIGURATION_INVALID_SPEC", "CONFIGURATION_UNKNOWN_KIND"})
"""Of specs that are applied all the same: the row itself says so."""
_MAX_LOGGED = 20
"""New problems logged one by one per pass; the rest is counted."""


class SourceReporter:
    def __init__(self, source: str, directory: Path, store: Store) -> None:
        self._source = source
        self._directory = str(directory)
        self._store = store
        self.connected = False
        self.problems: tuple[Problem, ...] = ()
        self.held: Held | None = None
        self._untold: list[Problem] = []
        METRICS.sources.connected.labels(source).set(0)

    async def lost(self, problems: tuple[Problem, ...], epoch: int) -> None:
        """The directory cannot be listed. Nothing is known, so nothing is done."""
        if self.connected:
            log.warning("the directory is out of reach: nothing is deleted", source=self._source)
        self._connected(False)
        new = self._changed(problems)
        self._untold = [p for p in (*self._untold, *new) if p in self.problems]
        if self._untold:
            await self._store.emit([self._event(p, {}) for p in self._untold], epoch=epoch)
            self._untold = []

    async def report(self, report: SyncReport, entries: Sequence[Entry], epoch: int) -> None:
        self._connected(True)
        for applied in report.applied:
            if applied.action != "unchanged":
                log.info(
                    f"{applied.action} from a manifest",
                    source=self._source,
                    **applied.key._asdict(),
                    generation=applied.generation,
                )
        for key in report.deleted:
            log.info("deletion requested: in no file", source=self._source, **key._asdict())
        self.held = report.held
        METRICS.sources.held.labels(self._source).set(len(report.held.items) if report.held else 0)
        new = self._changed(report.problems)
        self._untold = [p for p in (*self._untold, *new) if p in self.problems]
        await self._emit(self._untold, entries, epoch)
        self._untold = []

    def _connected(self, connected: bool) -> None:
        self.connected = connected
        METRICS.sources.connected.labels(self._source).set(connected)

    def _changed(self, problems: tuple[Problem, ...]) -> list[Problem]:
        """Logs what is new and what is over. Returns what is new."""
        known, now = set(self.problems), set(problems)
        new = [problem for problem in problems if problem not in known]
        for problem in new[:_MAX_LOGGED]:
            log.warning(problem.error.message, source=self._source, **_facts(problem))
        if len(new) > _MAX_LOGGED:
            log.warning(f"and {len(new) - _MAX_LOGGED} more problems", source=self._source)
        if self.problems and not now:
            log.info("all problems are solved", source=self._source)
        self.problems = problems
        return new

    async def _emit(
        self, problems: Sequence[Problem], entries: Sequence[Entry], epoch: int
    ) -> None:
        """As events of the rows that they are about, else of the source. Those that pass by
        themselves are none."""
        uids = {entry.key: entry.resource.uid for entry in entries}
        events = [
            self._event(problem, uids)
            for problem in problems
            if not problem.error.retryable
            and not (problem.key in uids and problem.error.code in _TOLD_BY_STATUS)
        ]
        for item in (self.held.items if self.held is not None else ())[:_MAX_LOGGED]:
            key = Key.parse(item)
            if key in uids and any(p.error.code == HELD for p in problems):
                events.append(Event(uids[key], key, "Warning", _REASONS[HELD], self._waits()))
        if events:
            await self._store.emit(events, epoch=epoch)

    def _event(self, problem: Problem, uids: Mapping[Key, str]) -> Event:
        key = problem.key if problem.key in uids else None
        about = source_key(self._source) if key is None else key
        reason = _REASONS.get(problem.error.code, problem.error.reason)
        shown = problem.place and problem.place not in problem.error.message
        place = f"{problem.place}: " if shown else ""
        tried = f"; {problem.error.suggestions[0]}" if problem.error.code == HELD else ""
        message = f"{place}{problem.error.message}{tried}"
        return Event(uids[key] if key else "", about, "Warning", reason, message)

    def _waits(self) -> str:
        assert self.held is not None
        return (
            f"declared by no file of {self._source} any more; its deletion is held: "
            f"skyctl guard approve {self.held.id}, or discard"
        )


def _facts(problem: Problem) -> dict[str, str]:
    facts = {"code": problem.error.code}
    if problem.place:
        facts["at"] = problem.place
    if problem.error.suggestions:
        facts["hint"] = "; ".join(problem.error.suggestions)
    return facts | (problem.key._asdict() if problem.key is not None else {})
