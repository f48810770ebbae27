"""What the run before the present one said, replica by replica.

A process that was restarted in its container has left it in the same log, before the present start.
Otherwise it was another container, whose last lines were kept when it was removed. A preDeploy that
failed is no replica; its container stays for its log, and is shown when it is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.api.containers import one_offs_of, ordinal_of
from controller.api.stream import Emit
from controller.core import Core
from controller.engine.base import LogLine
from controller.reconcile.lastwords import Kept
from resources.labels import L_ROLE
from resources.meta import Entry
from resources.observed import Container

LINES = 5_000
"""At most this many lines of a previous run are kept in memory, per container."""


async def say(emit: Emit, container: str, ordinal: int, line: LogLine) -> None:
    await emit(
        {
            "type": "line",
            "container": container,
            "ordinal": ordinal,
            "stream": line.stream,
            "time": line.time,
            "text": line.text,
        }
    )


async def attached(emit: Emit, container: str, ordinal: int) -> None:
    """Tells the client how many there are before the first line, so that it can tell them apart."""
    await emit({"type": "container", "container": container, "ordinal": ordinal})


async def notice(emit: Emit, text: str) -> None:
    await emit({"type": "notice", "text": text})


@dataclass(frozen=True, slots=True)
class Run:
    """What there is to tell of one. about: said before its lines, '' nothing."""

    container: str
    ordinal: int
    lines: Sequence[LogLine]
    about: str = ""


async def previous_runs(
    core: Core,
    entry: Entry,
    containers: list[Container],
    ordinal: int | None,
    tail: int | None,
    emit: Emit,
) -> None:
    """containers: the present ones. ordinal: only of this replica."""
    kept = _newest(await core.last_words.kept(entry.resource.uid), ordinal)
    present = {ordinal_of(container): container for container in containers}
    runs: list[Run] = []
    for number in sorted({*present, *(kept if not present else ())}):
        before = await _last_run(core, entry, present[number], tail) if number in present else []
        if before:
            runs.append(Run(present[number].name, number, before))
        elif number in kept:
            runs.append(_remembered(kept[number], tail))
    if ordinal is None:
        runs += [await _one_off(core, entry, c, tail) for c in await one_offs_of(core, entry)]
    if not runs:
        await notice(emit, "there is no previous run")
    for run in runs:
        await attached(emit, run.container, run.ordinal)
    for run in runs:
        if run.about:
            await notice(emit, run.about)
        for line in run.lines:
            await say(emit, run.container, run.ordinal, line)


def _newest(kept: Iterable[Kept], ordinal: int | None) -> dict[int, Kept]:
    """The last of each replica."""
    return {k.ordinal: k for k in kept if ordinal is None or k.ordinal == ordinal}


def _remembered(kept: Kept, tail: int | None) -> Run:
    lines = kept.lines if tail is None else kept.lines[max(0, len(kept.lines) - tail) :]
    ended = "" if kept.exit_code is None else f", exit code {kept.exit_code}"
    ended = f"{ended}, out of memory" if kept.oom_killed else ended
    about = f"{kept.container} (generation {kept.generation}{ended}) was removed at "
    return Run(kept.container, kept.ordinal, lines, f"{about}{kept.removed_at}; its last lines:")


async def _one_off(core: Core, entry: Entry, container: Container, tail: int | None) -> Run:
    about = f"{container.name} is the {container.labels[L_ROLE]} container:"
    lines = await _last_run(core, entry, container, tail)
    return Run(container.name, -1, lines, about)


async def _last_run(
    core: Core, entry: Entry, container: Container, tail: int | None
) -> list[LogLine]:
    """Of the last process that ended: what was said since the one before it ended, until it did.
    Ends tell runs apart better than starts: a fast one speaks before the engine notes its start.
    Where no earlier end is known it is all that was said before."""
    ended = container.finished_at
    if container.started_at is None or (container.running and ended is None):
        return []
    kept: deque[LogLine] = deque(maxlen=LINES if tail is None else tail)
    begin, last = _stamp(_ended_before(core, entry, container)), _stamp(ended)
    async for line in core.engine.logs(container.id):
        if container.running and line.time > last:
            break
        if line.time > begin:
            kept.append(line)
    return list(kept)


def _ended_before(core: Core, entry: Entry, container: Container) -> datetime | None:
    """As the events told, or as the status remembers."""
    ended = container.finished_at
    if ended is None:
        return None
    moments = [
        at
        for restart in (entry.status or {}).get("restarts") or ()
        if restart["container"] == container.name
        and (at := datetime.fromisoformat(restart["at"])) < ended.replace(microsecond=0)
    ]
    heard = core.ended_before(container.id, ended)
    return max((*moments, *(() if heard is None else (heard,))), default=None)


def _stamp(moment: datetime | None) -> str:
    """To be compared with the engine's."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "999"
