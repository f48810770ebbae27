"""Which replicas requests go to: those that have proven themselves join, those that are in stay
until they are known not to serve."""

from __future__ import annotations

from collections.abc import Collection

from resources.observed import Container
from resources.service.backends import Backends, backends
from resources.service.health import UNHEALTHY
from resources.service.survey import Survey


def routes(found: Survey) -> Backends:
    return backends(found.context, found.spec, found.spec.update.drain)


def members(found: Survey, to: Backends, leaving: Collection[str] = ()) -> list[Container]:
    """Those that requests shall go to. Who is in stays in until it is known not to serve."""
    if not to.concerned:
        return []
    return [
        container
        for container in (*found.fleet.current.values(), *found.fleet.old)
        if container.id not in leaving
        and container.running
        and found.attached(container)
        and (_joins(found, container) or _stays(found, to, container))
    ]


def _stays(found: Survey, to: Backends, container: Container) -> bool:
    return found.health(container).word != UNHEALTHY and to.member(container)


def _joins(found: Survey, container: Container) -> bool:
    """Old ones only while their generation is not one that failed."""
    if found.is_current(container):
        return found.proven(container)
    return found.setback is None and found.serves(container)
