"""Which containers are probed from outside, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from resources.context import Context
from resources.observed import Container
from resources.probing import ProbeTarget
from resources.service.declaration import ServiceDeclaration
from resources.service.spec import HealthCheck
from resources.service.survey import survey

EMPTY: Mapping[str, ProbeTarget] = MappingProxyType({})


def targets(context: Context, before: Mapping[str, ProbeTarget] = EMPTY) -> tuple[ProbeTarget, ...]:
    """Running replicas of the wanted revision, when its check is made from outside; and those that
    serve until they are replaced or have drained, as they were probed before (by a container's id):
    the check that old ones were made with is in no declaration any more. Empty for any other kind
    of resource."""
    if context.key.kind != "Service" or context.deleting:
        return ()
    found = survey(context)
    if isinstance(found, ServiceDeclaration) or found.network is None:
        return ()
    leaving = (*found.fleet.old, *(extra.container for extra in found.fleet.surplus))
    old = tuple(_kept(found.network.id, leaving, before))
    check = found.spec.health_check
    if check is None or not check.from_outside:
        return old
    return (*_targets(check, found.network.id, found.fleet.current.values()), *old)


def _kept(
    network: str, containers: Iterable[Container], before: Mapping[str, ProbeTarget]
) -> Iterable[ProbeTarget]:
    for container in containers:
        target, address = before.get(container.id), _address(container, network)
        if target is not None and container.running and address:
            yield replace(target, address=address, started_at=container.started_at)


def _address(container: Container, network: str) -> str:
    return next((p.address for p in container.networks if p.network_id == network), "")


def _targets(
    check: HealthCheck, network: str, containers: Iterable[Container]
) -> Iterable[ProbeTarget]:
    for container in containers:
        address = _address(container, network)
        if not container.running or not address:
            continue
        port = check.http.port if check.http is not None else check.tcp.port if check.tcp else 0
        yield ProbeTarget(
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
