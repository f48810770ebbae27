"""Decisions that only a person takes: held deletions, retained data, another engine."""

from __future__ import annotations

import inspect
from typing import Literal

from fastapi import APIRouter

from controller.api import documents
from controller.api.lookup import ActorOf, CoreOf
from controller.api.models import (
    ControllerBody,
    EngineAdopted,
    EngineBody,
    HeldBody,
    HeldList,
    RetainedBody,
    RetainedList,
)
from controller.core import Core
from controller.engine.base import EngineInfo
from resources.errors import UserError

router = APIRouter(tags=["decisions"])


@router.get("/controller")
async def controller(core: CoreOf) -> ControllerBody:
    """This process: version, role, readiness, the engine it talks to and the one it is bound to."""
    readiness, engine = core.readiness(), core.engine_info()
    return ControllerBody(
        version=core.version,
        instance=core.instance,
        role=readiness.role,
        ready=readiness.ready,
        reasons=list(readiness.reasons),
        engine=None if engine is None else _engine_body(engine),
        bound_engine=await core.store.engine_id(),
        secrets=documents.error_body(core.vault.problem),
    )


def _engine_body(info: EngineInfo) -> EngineBody:
    return EngineBody(
        id=info.id,
        version=info.version,
        api_version=info.api_version,
        reach=info.reach,
        local=info.local,
    )


@router.get("/guard")
async def guard(core: CoreOf) -> HeldList:
    """Batches of inferred deletions that were held, whatever was decided since."""
    return HeldList(items=[documents.held_body(held) for held in await core.store.held()])


@router.post("/guard/{held}/{decision}")
async def decide(
    core: CoreOf, actor: ActorOf, held: str, decision: Literal["approve", "discard"]
) -> HeldBody:
    """approve: they are deleted. discard: they stay, and the source is not asked again."""
    found = {item.id: item for item in await core.store.held()}
    if held not in found:
        waiting = [item.id for item in found.values() if item.state == "held"]
        raise UserError(
            "RESOURCE_NOT_FOUND",
            f"no batch {held[:80]!r} is held",
            suggestions=[f"held are: {', '.join(waiting)}"]
            if waiting
            else ["nothing is held: skyctl guard list --all shows what was"],
        )
    state = "approved" if decision == "approve" else "discarded"
    decided = await core.store.decide(held, state, actor=actor)
    core.decided()
    return documents.held_body(decided)


@router.get("/retained-volumes")
async def retained(core: CoreOf) -> RetainedList:
    """Volumes whose resource is gone and whose data is kept."""
    return RetainedList(items=documents.retained_bodies(await core.store.retained()))


@router.post("/retained-volumes/{volume}/purge")
async def purge(core: CoreOf, actor: ActorOf, volume: str) -> RetainedBody:
    """Ends its window now: the data is removed at the next pass and cannot be brought back.

    ``volume``: the former resource's uid or the engine volume's name."""
    for item in await core.store.retained():
        if volume in (item.uid, item.engine_name):
            await core.store.expire_retained(item.uid, actor=actor)
            core.decided()
            return documents.retained_bodies([item])[0]
    raise UserError(
        "RESOURCE_NOT_FOUND",
        f"no retained volume {volume[:80]!r}",
        suggestions=["see the retained volumes: skyctl purge"],
    )


@router.post("/adopt-engine")
async def adopt_engine(core: CoreOf) -> EngineAdopted:
    """Binds the store to the engine that answers now; acting resumes."""
    result = core.adopt_engine()
    if inspect.isawaitable(result):
        await result
    return EngineAdopted(engine=await _bound(core))


async def _bound(core: Core) -> str | None:
    return await core.store.engine_id()
