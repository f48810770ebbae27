"""Which containers are probed from outside, and how."""

from __future__ import annotations

from collections.abc import Iterable

from resources.context import Context
from resources.probing import Target
from resources.service.declaration import Declaration
from resources.service.spec import HealthCheck
from resources.service.survey import survey
from resources.world import Container


def targets(context: Context) -> tuple[Target, ...]:
    """Running replicas of the wanted revision, when its check is made from outside. Empty for
    any other kind of resource."""
    if context.key.kind != "Service" or context.deleting:
        return ()
    found = survey(context)
    if isinstance(found, Declaration) or found.network is None:
        return ()
    check = found.spec.health_check
    if check is None or not check.from_outside:
        return ()
    return tuple(_targets(check, found.network.id, found.fleet.current.values()))


def _targets(check: HealthCheck, network: str, containers: Iterable[Container]) -> Iterable[Target]:
    for container in containers:
        address = next((p.address for p in container.networks if p.network_id == network), "")
        if not container.running or not address:
            continue
        port = check.http.port if check.http is not None else check.tcp.port if check.tcp else 0
        yield Target(
            container=container.id,
            address=address,
            port=port,
            interval=check.interval,
            timeout=check.timeout,
            retries=check.retries,
            start_period=check.start_period,
            path=check.http.path if check.http is not None else None,
            headers=check.http.headers if check.http is not None else {},
            started_at=container.started_at,
        )
