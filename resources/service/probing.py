"""What to probe from outside: every running replica of a service with an http or tcp check."""

from __future__ import annotations

from collections.abc import Iterator

from resources.context import Context
from resources.probing import Target
from resources.service.spec import HealthCheck, ServiceSpec
from resources.world import L_ROLE, Container


def targets(context: Context) -> tuple[Target, ...]:
    """In the order of the containers' ids, so that equal worlds give equal targets."""
    spec = context.spec
    if not isinstance(spec, ServiceSpec) or spec.health_check is None:
        return ()
    if not spec.health_check.from_outside or context.platform.reach != "host":
        return ()
    return tuple(_targets(context, spec.health_check))


def _targets(context: Context, check: HealthCheck) -> Iterator[Target]:
    organization = context.ref("Organization", context.key.organization)
    if organization is None:
        return
    networks = {n.id for n in context.world.networks_of(organization.resource.uid)}
    for container in sorted(context.world.containers_of(context.uid), key=lambda c: c.id):
        address = _address(container, networks)
        if container.running and address and L_ROLE not in container.labels:
            yield _target(container, address, check)


def _address(container: Container, networks: set[str]) -> str:
    found = (a.address for a in container.networks if a.network_id in networks)
    return next((address for address in found if address), "")


def _target(container: Container, address: str, check: HealthCheck) -> Target:
    http = check.http
    port = http.port if http is not None else check.tcp.port if check.tcp is not None else 0
    return Target(
        container=container.id,
        address=address,
        port=port,
        interval=check.interval,
        timeout=check.timeout,
        retries=check.retries,
        start_period=check.start_period,
        path=http.path if http is not None else None,
        headers=http.headers if http is not None else {},
        started_at=container.started_at,
    )
