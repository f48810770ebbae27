"""What the running containers consume, read from the engine now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter

from controller.api.containers import is_replica, ordinal_of, replicas_of
from controller.api.lookup import CoreOf, find
from controller.api.models import UsageBody, UsageList
from controller.core import Core
from resources.errors import UserError
from resources.labels import L_KIND, L_NAME, L_ORGANIZATION
from resources.observed import Container

router = APIRouter(tags=["top"])

CONCURRENCY = 16
"""Readings under way at once: the engine takes up to two seconds for each."""
TIMEOUT = 10.0
"""Seconds for one reading; a container that does not answer is left out."""


@router.get("/top")
async def top(core: CoreOf, name: str | None = None, organization: str | None = None) -> UsageList:
    """One line per running container, of one service or of all."""
    limit = asyncio.Semaphore(CONCURRENCY)
    containers = await _running(core, name, organization)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_usage(core, container, limit)) for container in containers]
    items = [body for task in tasks if (body := task.result()) is not None]
    return UsageList(items=sorted(items, key=lambda u: (u.organization, u.service, u.ordinal)))


async def _running(core: Core, name: str | None, organization: str | None) -> Sequence[Container]:
    if name is not None:
        replicas = await replicas_of(core, await find(core, "Service", name, organization))
    else:
        listed = (await core.engine.list()).containers.values()
        replicas = [
            c
            for c in listed
            if is_replica(c, core.instance)
            and c.labels.get(L_KIND) == "Service"
            and organization in (None, c.labels.get(L_ORGANIZATION))
        ]
    return [c for c in replicas if c.running]


async def _usage(core: Core, container: Container, limit: asyncio.Semaphore) -> UsageBody | None:
    async with limit:
        try:
            async with asyncio.timeout(TIMEOUT):
                usage = await core.engine.usage(container.id)
        except (UserError, TimeoutError):
            return None
    if usage is None:
        return None
    return UsageBody(
        organization=container.labels.get(L_ORGANIZATION, ""),
        service=container.labels.get(L_NAME, ""),
        ordinal=ordinal_of(container),
        container=container.name,
        cpu_ratio=usage.cpu_ratio,
        memory=usage.memory,
        memory_limit=usage.memory_limit,
        pids=usage.pids,
        network_rx=usage.network_rx,
        network_tx=usage.network_tx,
        disk_read=usage.disk_read,
        disk_write=usage.disk_write,
    )
