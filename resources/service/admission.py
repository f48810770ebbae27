"""May this generation be accepted? Asked once, of a new generation.

Whoever is accepted stays accepted: what changes later around a service is a problem of making
containers (``obstacles``), and its running ones are left alone.
"""

from __future__ import annotations

from resources.context import Context
from resources.errors import UserError
from resources.service import cycle, host_ports, problems
from resources.service.permission import refused
from resources.service.references import unresolved
from resources.service.spec import ServiceSpec
from resources.service.tenancy import tenancy


def refusal(context: Context, spec: ServiceSpec) -> UserError | None:
    """Why a new generation is not accepted, or None."""
    organization = context.ref("Organization", context.key.organization)
    if organization is None:
        return problems.missing(
            context, "Organization", context.key.organization, "metadata.organization"
        )
    if organization.resource.deleting:
        return UserError(
            "RESOURCE_CONFLICT",
            f"organization {organization.key.name} is being deleted; nothing new is accepted",
            suggestions=["wait until it is gone, then create it again"],
        )
    return (
        unresolved(context, spec)
        or _leaving(context, spec)
        or _dependencies(context, spec)
        or refused(spec, tenancy(organization))
        or _unsupported(context, spec)
        or host_ports.taken(context, spec)
    )


def _leaving(context: Context, spec: ServiceSpec) -> UserError | None:
    for index, mount in enumerate(spec.volumes):
        entry = context.ref("Volume", mount.volume)
        if entry is not None and entry.resource.deleting:
            return problems.leaving(context, mount.volume, f"spec.volumes[{index}].volume")
    return None


def _dependencies(context: Context, spec: ServiceSpec) -> UserError | None:
    if context.circle:
        return cycle.refused(context.circle, spec)
    for index, name in enumerate(spec.depends_on):
        if context.ref("Service", name) is None:
            return problems.missing(context, "Service", name, f"spec.dependsOn[{index}]")
    return None


def _unsupported(context: Context, spec: ServiceSpec) -> UserError | None:
    """Fields that this platform or its engine cannot honour: an error, never ignored."""
    platform, check = context.platform, spec.health_check
    if check is not None and check.from_outside and platform.reach != "host":
        return UserError(
            "CONFIGURATION_UNSUPPORTED",
            "http and tcp health checks need the controller on the engine's host, in its network",
            details={"pointer": "/spec/healthCheck", "reach": platform.reach},
            suggestions=["use healthCheck.exec", "run the controller with the host's network"],
        )
    if check is not None and check.exec and platform.engine and "execCheck" not in platform.engine:
        return UserError(
            "CONFIGURATION_UNSUPPORTED",
            "this engine cannot run exec health checks",
            details={"pointer": "/spec/healthCheck/exec"},
            suggestions=["use healthCheck.http or healthCheck.tcp"],
        )
    for index, port in enumerate(spec.ports):
        if port.host_port is not None and not _within(port.host_port, platform.host_ports):
            return problems.host_port(index, port.host_port, platform.host_ports)
    return None


def _within(port: int, allowed: tuple[int, int] | None) -> bool:
    return allowed is not None and allowed[0] <= port <= allowed[1]
