"""The log lines of all containers of a service, followed across containers that come and go.

A container's stream that ends while following is taken up again where it ended, once the container
runs again; new containers join within a second. Lines are told apart by the engine's timestamps,
which are of fixed width, so comparing text compares time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from controller.api import access
from controller.api.containers import ordinal_of, replicas_of
from controller.api.lookup import CoreOf, find
from controller.api.previous import attached, notice, previous_runs, say
from controller.api.stream import NDJSON, Emit, JsonLines
from controller.core import Core
from controller.store.base import StoreUnavailable
from resources.errors import UserError
from resources.meta import Entry
from resources.observed import Container

router = APIRouter(tags=["logs"])

LOOK = 1.0
"""Seconds between looks for new containers while following."""


@dataclass(frozen=True, slots=True)
class _Request:
    follow: bool
    tail: int | None
    since: float | None


@router.get("/resources/{kind}/{name}/logs", **NDJSON)
async def logs(
    core: CoreOf,
    kind: str,
    name: str,
    organization: str | None = None,
    follow: bool = False,
    tail: Annotated[int | None, Query(ge=0, le=1_000_000)] = None,
    since: Annotated[float | None, Query(ge=0, description="Unix time, seconds")] = None,
    previous: bool = False,
    ordinal: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """NDJSON: ``{"type": "container", container, ordinal}`` for each that is attached,
    ``{"type": "line", container, ordinal, stream, time, text}``, and now and then
    ``{"type": "notice", text}``. ``tail`` counts per container. ``previous``: what the run before
    the present one said: of the same container, else of the one that was removed before it. Of a
    Domain: its requests, with all that is logged of each in ``request``."""
    entry = await find(core, kind, name, organization)
    if entry.key.kind == "Domain":
        if previous or ordinal is not None:
            raise UserError(
                "CONFIGURATION_INVALID_REQUEST",
                f"{entry.key.short} has requests, but neither replicas nor earlier runs",
                suggestions=["those are a service's: service/NAME"],
            )
        wish = access.Wish(follow, tail, since)
        access.require(core.settings, entry, wish)
        return JsonLines(lambda emit: access.requests(core, entry, wish, emit))
    containers = await _chosen(core, entry, ordinal)
    if previous:
        return JsonLines(lambda emit: previous_runs(core, entry, containers, ordinal, tail, emit))
    if ordinal is not None and not containers and not follow:
        raise await _no_such(core, entry, ordinal)
    request = _Request(follow, tail, since)
    if follow:
        return JsonLines(lambda emit: _follow(core, entry, ordinal, request, emit))
    return JsonLines(lambda emit: _emit_all(core, containers, request, emit))


async def _chosen(core: Core, entry: Entry, ordinal: int | None) -> list[Container]:
    if entry.key.kind != "Service":
        raise UserError(
            "CONFIGURATION_INVALID_REQUEST",
            f"{entry.key.short} runs nothing, so it has no logs",
            suggestions=["name a service or a domain: service/NAME, domain/NAME"],
        )
    replicas = await replicas_of(core, entry)
    return [c for c in replicas if ordinal is None or ordinal_of(c) == ordinal]


async def _no_such(core: Core, entry: Entry, ordinal: int) -> UserError:
    there = {c.name: ordinal_of(c) for c in await replicas_of(core, entry)}
    return UserError(
        "DEPLOYMENT_NO_SUCH_REPLICA",
        f"{entry.key.short} has no container with ordinal {ordinal}",
        details={"containers": there},
        suggestions=[f"{name} has ordinal {number}" for name, number in there.items()]
        or [f"see why: skyctl describe service/{entry.key.name} --org {entry.key.organization}"],
    )


async def _emit_all(core: Core, containers: list[Container], request: _Request, emit: Emit) -> None:
    if not containers:
        await notice(emit, "there is no container yet")
    for container in containers:
        await attached(emit, container.name, ordinal_of(container))
    for container in containers:
        lines = core.engine.logs(container.id, tail=request.tail, since=request.since)
        async for line in lines:
            await say(emit, container.name, ordinal_of(container), line)


async def _follow(
    core: Core, entry: Entry, ordinal: int | None, request: _Request, emit: Emit
) -> None:
    """Until cancelled, or the service is gone."""
    followed: set[str] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                containers = await _chosen(core, entry, ordinal)
            except UserError as error:
                await notice(emit, f"the engine does not answer: {error.message}")
                containers = []
            new = [c for c in containers if c.id not in followed]
            for container in new:
                await attached(emit, container.name, ordinal_of(container))
            for container in new:
                tail = request.tail if not followed else None
                group.create_task(_follow_container(core, container, tail, request.since, emit))
            followed |= {c.id for c in containers}
            await asyncio.sleep(LOOK)
            if not containers and await _deleted(core, entry):
                await notice(emit, f"{entry.key.short} is deleted")
                return


async def _deleted(core: Core, entry: Entry) -> bool:
    """A store that cannot be asked deletes nothing."""
    try:
        return await core.store.entry(entry.key) is None
    except StoreUnavailable:
        return False


async def _follow_container(
    core: Core, container: Container, tail: int | None, since: float | None, emit: Emit
) -> None:
    last = ""
    while True:
        try:
            lines = core.engine.logs(container.id, follow=True, tail=tail, since=since)
            async for line in lines:
                if line.time > last:
                    last = line.time
                    await say(emit, container.name, ordinal_of(container), line)
        except UserError:
            pass  # whether it is gone or the engine is away, looking again tells
        tail, since = None, _seconds(last) if last else since
        if not await _runs_again(core, container.id):
            return


async def _runs_again(core: Core, container_id: str) -> bool:
    """Waits while it is stopped; False when it is gone."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            now = await core.engine.inspect_container(container_id)
        except UserError:
            continue
        if now is None:
            return False
        if now.running:
            return True


def _seconds(time: str) -> float:
    """Unix time just before an engine timestamp; ``since`` is inclusive, callers compare text."""
    whole = datetime.fromisoformat(time[:19]).replace(tzinfo=UTC)
    return whole.timestamp()
