"""The containers of a service as the engine has them now: for logs, exec and top."""

from __future__ import annotations

from collections.abc import Sequence

from controller.core import Core
from resources.errors import UserError
from resources.labels import L_ORDINAL, L_ROLE, is_ours
from resources.meta import Entry
from resources.observed import Container
from resources.world import Scope


def ordinal_of(container: Container) -> int:
    text = container.labels.get(L_ORDINAL, "")
    return int(text) if text.isdigit() else -1


def is_replica(container: Container, instance: str) -> bool:
    return is_ours(container.labels, instance) and L_ROLE not in container.labels


async def replicas_of(core: Core, entry: Entry) -> Sequence[Container]:
    """Ours, running or not, by ordinal and age."""
    uid = entry.resource.uid
    world = await core.engine.read(Scope(uids=frozenset({uid})))
    found = [c for c in world.containers_of(uid) if is_replica(c, core.instance)]
    return sorted(found, key=lambda c: (ordinal_of(c), c.created_at is None, c.created_at, c.id))


async def one_offs_of(core: Core, entry: Entry) -> Sequence[Container]:
    """Ours that are no replicas and have ended: a preDeploy that failed."""
    uid = entry.resource.uid
    world = await core.engine.read(Scope(uids=frozenset({uid})))
    return sorted(
        (
            container
            for container in world.containers_of(uid)
            if is_ours(container.labels, core.instance)
            and L_ROLE in container.labels
            and container.state == "exited"
        ),
        key=lambda container: container.name,
    )


async def pick_running(
    core: Core, entry: Entry, ordinal: int | None, container: str | None
) -> Container:
    """The one to act in: by name or id, by ordinal, else the lowest ordinal that runs."""
    replicas = await replicas_of(core, entry)
    running = [c for c in replicas if c.running]
    if container:
        running = [c for c in running if container in (c.name, c.id)]
    if ordinal is not None:
        running = [c for c in running if ordinal_of(c) == ordinal]
    if running:
        return running[-1] if ordinal is not None else running[0]
    states = {c.name: c.state for c in replicas}
    raise UserError(
        "DEPLOYMENT_NOT_RUNNING",
        f"{entry.key.short} has no running container"
        + (f" {container}" if container else "")
        + (f" with ordinal {ordinal}" if ordinal is not None else ""),
        details={"containers": states},
        suggestions=[
            *_started(entry),
            f"see why: skyctl describe service/{entry.key.name} --org {entry.key.organization}",
            *(f"{name} is {state}" for name, state in states.items()),
        ],
    )


def _started(entry: Entry) -> list[str]:
    """How it is made to run, where that is declared."""
    spec, address = entry.resource.spec, f"service/{entry.key.name} --org {entry.key.organization}"
    if spec.get("state") == "stopped":
        return [f"it is declared as stopped: skyctl start {address}"]
    if spec.get("replicas") == 0:
        return [f"it is declared with no replica: skyctl scale {address} --replicas 1"]
    return []
