"""Reading resources, and asking for their deletion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from controller.api import documents
from controller.api.events import of_resource
from controller.api.lookup import ActorOf, CoreOf, find, kind_of
from controller.api.models import (
    Deleted,
    Description,
    PlanList,
    ResourceBody,
    ResourceList,
    RevisionList,
)
from controller.api.ownership import explained
from controller.api.selector import parse_selector
from controller.core import Core
from resources.meta import Entry, Key
from resources.registry import kinds

router = APIRouter(tags=["resources"])

Organization = Annotated[str | None, Query(description="absent: of all organizations")]
Selector = Annotated[str | None, Query(alias="labelSelector", max_length=2000)]


async def select(
    core: Core, kind_word: str | None, organization: str | None, selector: str | None
) -> list[Entry]:
    """Ordered by kind as kinds depend on each other, then organization and name."""
    kind = kind_of(kind_word).name if kind_word else None
    matches = parse_selector(selector)
    order = {name: index for index, name in enumerate(kinds())}
    found = [
        entry
        for entry in await core.store.entries()
        if (kind is None or entry.key.kind == kind)
        and in_organization(entry.key, organization)
        and matches(entry.resource.labels)
    ]
    return sorted(found, key=lambda e: (order.get(e.key.kind, 99), e.key))


def in_organization(key: Key, organization: str | None) -> bool:
    """An Organization counts as in itself; other kinds without one are in none."""
    if organization is None or key.organization == organization:
        return True
    return not key.organization and (key.kind != "Organization" or key.name == organization)


@router.get("/resources")
async def list_all(
    core: CoreOf, organization: Organization = None, selector: Selector = None
) -> ResourceList:
    """Every resource of every kind."""
    return _list(await select(core, None, organization, selector))


@router.get("/resources/{kind}")
async def list_kind(
    core: CoreOf, kind: str, organization: Organization = None, selector: Selector = None
) -> ResourceList:
    return _list(await select(core, kind, organization, selector))


def _list(entries: Sequence[Entry]) -> ResourceList:
    return ResourceList(items=[documents.resource_body(entry) for entry in entries])


@router.get("/resources/{kind}/{name}")
async def get_one(
    core: CoreOf, kind: str, name: str, organization: Organization = None
) -> ResourceBody:
    return documents.resource_body(await find(core, kind, name, organization))


@router.delete("/resources/{kind}/{name}", status_code=202)
async def delete(
    core: CoreOf, actor: ActorOf, kind: str, name: str, organization: Organization = None
) -> Deleted:
    """Requests deletion: the row goes when nothing of it is left on the engine."""
    entry = await find(core, kind, name, organization)
    row = entry.resource
    if not row.deleting:
        with explained(row):
            await core.store.delete(row.key, source="api", actor=actor)
    return Deleted(
        kind=row.key.kind, organization=row.key.organization, name=row.key.name, uid=row.uid
    )


@router.get("/resources/{kind}/{name}/describe")
async def describe(
    core: CoreOf, kind: str, name: str, organization: Organization = None
) -> Description:
    """The resource with its events and revisions, and what visitors ask of a Domain now."""
    entry = await find(core, kind, name, organization)
    return Description(
        resource=documents.resource_body(entry),
        events=await of_resource(core, entry.resource.uid, limit=30),
        revisions=documents.revision_bodies(entry, await core.store.revisions(entry.resource.uid)),
        traffic=documents.traffic_body(core.lately(entry.resource.uid)),
    )


@router.get("/resources/{kind}/{name}/revisions")
async def revisions(
    core: CoreOf, kind: str, name: str, organization: Organization = None
) -> RevisionList:
    entry = await find(core, kind, name, organization)
    found = await core.store.revisions(entry.resource.uid)
    return RevisionList(items=documents.revision_bodies(entry, found))


@router.get("/plan")
async def plan(
    core: CoreOf,
    kind: str | None = None,
    name: str | None = None,
    organization: Organization = None,
    selector: Selector = None,
) -> PlanList:
    """What the next pass would do and why, read authoritatively; nothing is changed."""
    if kind and name:
        keys = [(await find(core, kind, name, organization)).key]
    else:
        keys = [e.key for e in await select(core, kind, organization, selector)]
    found = await core.preview.plan(keys)
    return PlanList(plans=[documents.plan_body(planned) for planned in found])
