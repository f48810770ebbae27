"""Events: what happened, with counts. Following polls the store and shows what moved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from controller.api.documents import event_body
from controller.api.lookup import CoreOf, find, kind_of
from controller.api.models import EventBody, EventList
from controller.api.stream import NDJSON, Emit, JsonLines, error_line, plain
from controller.core import Core
from controller.store.base import Event, StoreUnavailable
from resources.errors import UserError

router = APIRouter(tags=["events"])

FOLLOW_INTERVAL = 0.5
"""Seconds between looks at the store while somebody follows."""
_OLDEST = datetime.min.replace(tzinfo=UTC)


async def of_resource(core: Core, uid: str, *, limit: int) -> list[EventBody]:
    return [event_body(e) for e in _ordered(await core.store.events(uid=uid, limit=limit))]


@router.get("/events")
async def events(
    core: CoreOf,
    organization: str | None = None,
    kind: str | None = None,
    name: str | None = None,
    since: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
) -> EventList:
    """Oldest first, the newest ``limit`` of them."""
    matching = await _query(core, organization, kind, name)
    return EventList(items=[event_body(e) for e in await matching.read(since, limit)])


@router.get("/events/follow", **NDJSON)
async def follow(
    core: CoreOf,
    organization: str | None = None,
    kind: str | None = None,
    name: str | None = None,
    tail: Annotated[int, Query(ge=0, le=10_000)] = 50,
) -> Response:
    """NDJSON of events: the newest ``tail``, then each as it happens or is counted up."""
    matching = await _query(core, organization, kind, name)
    return JsonLines(lambda emit: _follow(matching, emit, tail))


class _Query:
    def __init__(
        self,
        core: Core,
        uid: str | None,
        organization: str | None,
        kind: str | None,
        name: str | None,
    ) -> None:
        self._core, self._uid, self._organization = core, uid, organization
        self._kind, self._name = kind, name

    async def read(self, since: datetime | None, limit: int) -> list[Event]:
        found = await self._core.store.events(
            uid=self._uid, organization=self._organization, since=since, limit=limit
        )
        return [e for e in _ordered(found) if self._matches(e)]

    def _matches(self, event: Event) -> bool:
        return (self._kind is None or event.key.kind == self._kind) and (
            self._name is None or event.key.name == self._name
        )


async def _query(
    core: Core, organization: str | None, kind: str | None, name: str | None
) -> _Query:
    """By uid when the resource is there; by name when it is gone and only its events remain."""
    word = kind_of(kind).name if kind else None
    uid = None
    if kind and name:
        try:
            uid = (await find(core, kind, name, organization)).resource.uid
        except UserError as error:
            if error.code != "RESOURCE_NOT_FOUND":
                raise
    return _Query(core, uid, organization or None, word, name)


def _ordered(events: Any) -> list[Event]:
    return sorted(events, key=lambda e: (e.at or _OLDEST, e.key))


async def _follow(matching: _Query, emit: Emit, tail: int) -> None:
    """An event that is counted up comes again with its new count and time."""
    found = await matching.read(None, max(tail, 1))
    for event in found[len(found) - tail :] if tail else ():
        await emit({"type": "event", "event": plain(event_body(event))})
    since = found[-1].at if found else None
    seen = {_identity(e) for e in found}
    while True:
        await asyncio.sleep(FOLLOW_INTERVAL)
        try:
            fresh = await matching.read(since, 1000)
        except StoreUnavailable as error:
            await emit(error_line(UserError("CONFIGURATION_STORE_UNAVAILABLE", str(error))))
            continue
        for event in fresh:
            if _identity(event) not in seen:
                await emit({"type": "event", "event": plain(event_body(event))})
        if fresh:
            since = fresh[-1].at
            seen = {_identity(e) for e in fresh}


def _identity(event: Event) -> tuple[Any, ...]:
    return event.uid, event.reason, event.message, event.count, event.at
