"""Which replicas requests go to: those that have proven themselves join, those that are in stay
until they are known not to serve."""

from __future__ import annotations

from collections.abc import Collection

from resources.domain.backends import first_port
from resources.effective import fallback
from resources.labels import L_REVISION
from resources.observed import Container
from resources.service.backends import Backends, Declared, backends
from resources.service.health import UNHEALTHY
from resources.service.spec import ServiceSpec
from resources.service.survey import Survey
from resources.service.wanted import fallback_wanted


def routes(found: Survey) -> Backends:
    return backends(found.context, found.spec, found.spec.update.drain, _declared(found))


def _declared(found: Survey) -> Declared:
    """By the wanted declaration, and by the one that was Ready before: a rollout may move the
    first port, and requests go to both."""
    context, mine = found.context, first_port(found.spec)
    before: ServiceSpec | None = fallback(context.entry)
    if before is None or (its := first_port(before)) == mine:
        return lambda container: mine if found.is_current(container) else None
    known = fallback_wanted(context.entry, before, context.refs).revision.known

    def declared(container: Container) -> int | None:
        if found.is_current(container):
            return mine
        return its if container.labels.get(L_REVISION) in known else None

    return declared


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
    return found.health(container).word != UNHEALTHY and to.joined(container)


def _joins(found: Survey, container: Container) -> bool:
    """Old ones only while their generation is not one that failed."""
    if found.is_current(container):
        return found.proven(container)
    return found.setback is None and found.serves(container)
