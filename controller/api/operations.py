"""Operations on a running thing: all of them are changes of its declaration.

Restart, pause and resume are annotations, which anybody may set whatever the source. Scale, start,
stop and undo change the spec, which only its source may: a service of a manifest or of the panel
is refused with a word on where to change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.requests import Request

from controller.api.documents import resource_body
from controller.api.lookup import ActorOf, CoreOf, find
from controller.api.models import (
    AdoptRequest,
    PauseRequest,
    ScaleRequest,
    UndoRequest,
    Written,
)
from controller.api.ownership import explained, refused
from controller.core import Core
from controller.store.base import Revision
from resources.conditions import timestamp
from resources.errors import UserError
from resources.meta import (
    ANNOTATION_PAUSED,
    ANNOTATION_RESTARTED_AT,
    Entry,
    Manifest,
    Resource,
)
from resources.metadata import heeded_names

router = APIRouter(tags=["operations"])

Organization = Annotated[str | None, Query()]
SOURCE = "api"
_RUNNABLE = frozenset({"Service"})


async def _runnable(core: Core, kind: str, name: str, organization: str | None) -> Entry:
    entry = await find(core, kind, name, organization)
    if entry.key.kind not in _RUNNABLE:
        raise UserError(
            "CONFIGURATION_INVALID_REQUEST",
            f"{entry.key.short} runs nothing, so this does not apply to it",
            suggestions=["name a service: service/NAME"],
        )
    return entry


async def _written(core: Core, entry: Entry, action: str) -> Written:
    fresh = await core.store.entry(entry.key)
    return Written(resource=resource_body(fresh or entry), action=action)


async def _annotate(
    core: Core, entry: Entry, changes: Mapping[str, str | None], actor: str | None
) -> Written:
    now = entry.resource.annotations
    same = all(now.get(name) == value for name, value in changes.items())
    if not same:
        await core.store.annotate(entry.key, changes, actor=actor)
    return await _written(core, entry, "unchanged" if same else "configured")


@router.post("/resources/{kind}/{name}/restart")
async def restart(
    core: CoreOf, actor: ActorOf, kind: str, name: str, organization: Organization = None
) -> Written:
    """Rolls the service: its containers are replaced as its update order says."""
    entry = await _runnable(core, kind, name, organization)
    return await _annotate(
        core, entry, {ANNOTATION_RESTARTED_AT: timestamp(datetime.now(UTC))}, actor
    )


@router.post("/resources/{kind}/{name}/pause")
async def pause(
    core: CoreOf,
    actor: ActorOf,
    kind: str,
    name: str,
    body: Annotated[PauseRequest, Body()] = PauseRequest(),  # noqa: B008
    organization: Organization = None,
) -> Written:
    """From now on nothing of it is changed or healed; its status goes on."""
    entry = await _runnable(core, kind, name, organization)
    return await _annotate(core, entry, {ANNOTATION_PAUSED: body.reason}, actor)


@router.post("/resources/{kind}/{name}/resume")
async def resume(
    core: CoreOf, actor: ActorOf, kind: str, name: str, organization: Organization = None
) -> Written:
    entry = await _runnable(core, kind, name, organization)
    return await _annotate(core, entry, {ANNOTATION_PAUSED: None}, actor)


async def _change_spec(
    request: Request,
    core: Core,
    entry: Entry,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    actor: str | None,
) -> Written:
    """Read, change, write, one at a time: only this process writes as ``api``."""
    async with request.app.state.spec_lock:
        fresh = await core.store.entry(entry.key) or entry
        row = fresh.resource
        spec = change(dict(row.spec))
        if spec == row.spec:
            return await _written(core, fresh, "unchanged")
        if row.source != SOURCE:
            raise refused(row)
        manifest = _as_applied(row, spec)
        with explained(row):
            applied = await core.store.apply(manifest, source=SOURCE, actor=actor)
        return await _written(core, fresh, applied.action)


def _as_applied(row: Resource, spec: Mapping[str, Any]) -> Manifest:
    """As the last manifest was, with another spec: annotations that others set stay others'."""
    others = {*heeded_names(row.annotations)}.difference(row.applied_annotations)
    annotations = {k: v for k, v in row.annotations.items() if k not in others}
    return Manifest(row.key, spec, row.labels, annotations, row.api_version)


@router.post("/resources/{kind}/{name}/scale")
async def scale(
    core: CoreOf,
    actor: ActorOf,
    request: Request,
    kind: str,
    name: str,
    body: ScaleRequest,
    organization: Organization = None,
) -> Written:
    entry = await _runnable(core, kind, name, organization)
    return await _change_spec(
        request, core, entry, lambda spec: {**spec, "replicas": body.replicas}, actor
    )


@router.post("/resources/{kind}/{name}/start")
async def start(
    core: CoreOf,
    actor: ActorOf,
    request: Request,
    kind: str,
    name: str,
    organization: Organization = None,
) -> Written:
    entry = await _runnable(core, kind, name, organization)
    return await _change_spec(request, core, entry, _started, actor)


def _started(spec: dict[str, Any]) -> dict[str, Any]:
    """Running is the default: starting what never was stopped changes nothing."""
    if spec.get("state", "running") == "running":
        return spec
    return {**spec, "state": "running"}


@router.post("/resources/{kind}/{name}/stop")
async def stop(
    core: CoreOf,
    actor: ActorOf,
    request: Request,
    kind: str,
    name: str,
    organization: Organization = None,
) -> Written:
    """Its containers are stopped and kept."""
    entry = await _runnable(core, kind, name, organization)
    return await _change_spec(
        request, core, entry, lambda spec: {**spec, "state": "stopped"}, actor
    )


@router.post("/resources/{kind}/{name}/undo")
async def undo(
    core: CoreOf,
    actor: ActorOf,
    request: Request,
    kind: str,
    name: str,
    body: Annotated[UndoRequest, Body()] = UndoRequest(),  # noqa: B008
    organization: Organization = None,
) -> Written:
    """Applies an earlier accepted revision's spec again, as a new generation. Which one is not
    said: the newest that was Ready, else the newest."""
    entry = await _runnable(core, kind, name, organization)
    revision = _earlier(entry, await core.store.revisions(entry.resource.uid), body.generation)
    return await _change_spec(request, core, entry, lambda _: dict(revision.spec), actor)


def _earlier(entry: Entry, revisions: Any, generation: int | None) -> Revision:
    row = entry.resource
    known: list[Revision] = sorted(revisions, key=lambda r: -r.generation)
    if generation is None:
        others = [r for r in known if r.accepted and r.spec != row.spec]
        candidates = [r for r in others if r.was_ready] or others
    else:
        candidates = [r for r in known if r.generation == generation]
    if candidates:
        return candidates[0]
    kept = ", ".join(str(r.generation) for r in reversed(known)) or "none"
    raise UserError(
        "DEPLOYMENT_NOTHING_TO_UNDO",
        f"{row.key.short} has no earlier accepted revision that differs"
        if generation is None
        else f"{row.key.short} has no revision of generation {generation}",
        details={"generations": [r.generation for r in reversed(known)]},
        suggestions=[f"generations kept: {kept}"],
    )


@router.post("/resources/{kind}/{name}/adopt")
async def adopt(
    core: CoreOf,
    actor: ActorOf,
    kind: str,
    name: str,
    body: AdoptRequest,
    organization: Organization = None,
) -> Written:
    """From now on its spec belongs to that source."""
    entry = await find(core, kind, name, organization)
    if entry.resource.source == body.source:
        return await _written(core, entry, "unchanged")
    await core.store.adopt(entry.key, source=body.source, actor=actor)
    core.decided()
    return await _written(core, entry, "configured")
