"""Watching resources: what is there, ``synced``, then every change, from repeated readings.

All watchers share one reading of the store that is at most ``INTERVAL`` old; nobody watching
costs nothing. The pause grows with the cost of reading, so that a large store is not read all the
time. Level-triggered: a watcher sees every state that lasts, not every step between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from controller.api.documents import resource_body
from controller.api.errors import to_user_error
from controller.api.lookup import CoreOf, kind_of
from controller.api.resources import in_organization
from controller.api.selector import parse_selector
from controller.api.stream import NDJSON, Emit, JsonLines, error_line, plain
from controller.core import Core
from controller.store.base import StoreUnavailable
from resources.meta import Entry, Key

router = APIRouter(tags=["watch"])

INTERVAL = 0.25
"""Seconds; a change is seen at the latest after this and one reading."""

Matches = Callable[[Entry], bool]


class Readings:
    """One shared reading of all rows, renewed on demand by whoever finds it too old."""

    def __init__(self, core: Core, interval: float = INTERVAL) -> None:
        self._core = core
        self._interval = interval
        self._lock = asyncio.Lock()
        self._entries: dict[Key, Entry] = {}
        self._begun = float("-inf")
        self.pause = interval

    async def latest(self, *, fresh: bool = False) -> dict[Key, Entry]:
        """At most ``interval`` old; fresh: begun after this call, so that whoever wrote before
        it asks finds what it wrote."""
        oldest = time.monotonic() - (0.0 if fresh else self._interval)
        async with self._lock:
            if self._begun < oldest:
                begun = time.monotonic()
                self._entries = {e.key: e for e in await self._core.store.entries()}
                self._begun = begun
                self.pause = max(self._interval, 4 * (time.monotonic() - begun))
            return self._entries


def readings_of(request: Request) -> Readings:
    readings: Readings = request.app.state.readings
    return readings


@router.get("/watch", **NDJSON)
async def watch(
    core: CoreOf,
    request: Request,
    kind: Annotated[list[str] | None, Query()] = None,
    name: Annotated[list[str] | None, Query()] = None,
    organization: str | None = None,
    selector: Annotated[str | None, Query(alias="labelSelector", max_length=2000)] = None,
    pulls: bool = False,
) -> Response:
    """NDJSON: ``{"type": "added"|"modified"|"deleted", "resource": {...}}``, once
    ``{"type": "synced"}``, with ``pulls`` also ``{"type": "pull", ...}`` of image pulls.

    Several ``kind`` or ``name`` are alternatives."""
    wanted_kinds = {kind_of(word).name for word in kind or ()}
    names, in_labels = set(name or ()), parse_selector(selector)

    def matches(entry: Entry) -> bool:
        return (
            (not wanted_kinds or entry.key.kind in wanted_kinds)
            and (not names or entry.key.name in names)
            and in_organization(entry.key, organization)
            and in_labels(entry.resource.labels)
        )

    readings = readings_of(request)

    async def produce(emit: Emit) -> None:
        async with asyncio.TaskGroup() as group:
            if pulls:
                group.create_task(_emit_pulls(core, emit, organization))
            await _emit_changes(readings, matches, emit)

    return JsonLines(produce)


async def _emit_changes(readings: Readings, matches: Matches, emit: Emit) -> None:
    known: dict[Key, Entry] = {}
    synced = failing = False
    while True:
        try:
            read = await readings.latest(fresh=not synced)
            now = {k: e for k, e in read.items() if matches(e)}
        except StoreUnavailable as error:
            if not failing:
                await emit(error_line(to_user_error(error)))
            failing = True
        else:
            failing = False
            await _emit_difference(known, now, emit)
            known = now
            if not synced:
                await emit({"type": "synced"})
                synced = True
        await asyncio.sleep(readings.pause)


async def _emit_difference(known: dict[Key, Entry], now: dict[Key, Entry], emit: Emit) -> None:
    """A resource that went and came back under its name is another one: deleted, then added."""
    for key, entry in known.items():
        if key not in now or now[key].resource.uid != entry.resource.uid:
            await emit({"type": "deleted", "resource": plain(resource_body(entry))})
    for key, entry in now.items():
        before = known.get(key)
        if before is None or before.resource.uid != entry.resource.uid:
            await emit({"type": "added", "resource": plain(resource_body(entry))})
        elif before is not entry and before != entry:
            await emit({"type": "modified", "resource": plain(resource_body(entry))})


async def _emit_pulls(core: Core, emit: Emit, organization: str | None = None) -> None:
    """organization: what others pull with their credentials is left out."""
    async for progress in core.pulls():
        if organization and progress.organization not in (None, organization):
            continue
        await emit(
            {
                "type": "pull",
                "reference": progress.reference,
                "status": progress.status,
                "current": progress.current,
                "total": progress.total,
                "layers": progress.layers,
                "layersDone": progress.layers_done,
                "organization": progress.organization,
            }
        )


@router.get("/pulls", **NDJSON)
async def pulls(core: CoreOf) -> Response:
    """NDJSON of image pulls' progress from now on, in bytes."""
    return JsonLines(lambda emit: _emit_pulls(core, emit))
