"""What keeps containers from being made. Running ones are never touched because of it.

``hindrance`` is asked when a container is needed, ``lost_volume`` always: data that vanished is an
alarm, and never a reason to start on an empty volume.
"""

from __future__ import annotations

from resources.conditions import READY, is_true
from resources.context import Context
from resources.errors import UserError
from resources.labels import L_PHANTOM, L_UID
from resources.observed import Network
from resources.plan import Wait
from resources.service import cycle, host_ports, problems
from resources.service.capabilities import may_be_root
from resources.service.permission import denied
from resources.service.references import unresolved
from resources.service.secrets import closed
from resources.service.spec import ServiceSpec
from resources.service.wanted import Wanted


def hindrance(
    context: Context, want: Wanted, network: Network | None, *, back: bool
) -> UserError | Wait | None:
    """What keeps a container from being made: a problem, or something that will pass. back: it
    is made because a rollout failed: that does not wait for others, which may have failed, too."""
    organization = context.ref("Organization", context.key.organization)
    if organization is None:
        return problems.missing(
            context, "Organization", context.key.organization, "metadata.organization"
        )
    if organization.resource.deleting:
        return Wait("the deletion of the organization")
    return (
        denied(want.spec, want.tenancy)
        or host_ports.taken(context, want.spec)
        or unresolved(context, want.spec)
        or closed(context, want.spec)
        or _volume_pending(context, want)
        or (None if network is not None else Wait("the organization's network"))
        or (None if back else _dependency(context, want.spec))
    )


def _circle(context: Context, spec: ServiceSpec) -> UserError | None:
    """Declared at the same moment, two can be accepted that wait for each other."""
    if not context.circle or context.rejection is not None or spec != context.spec:
        return None
    return cycle.refused(context.circle, spec)


def _volume_pending(context: Context, want: Wanted) -> Wait | None:
    for name in want.volumes:
        entry = context.ref("Volume", name)
        if entry is not None and not entry.record.volume_created:
            return Wait(f"volume {name} to be made")
    return None


def _dependency(context: Context, spec: ServiceSpec) -> UserError | Wait | None:
    if (problem := _circle(context, spec)) is not None:
        return problem
    for name in spec.depends_on:
        entry = context.ref("Service", name)
        if entry is None:
            return Wait(f"service {name}, which does not exist")
        if not is_true(entry.status, READY):
            return Wait(f"service {name} to be ready")
    return None


def lost_volume(context: Context, want: Wanted) -> UserError | None:
    """Data that was there and is not: an alarm, never a reason to start on an empty volume."""
    for name, identity in want.volumes.items():
        entry = context.ref("Volume", name)
        if entry is None or not entry.record.volume_created:
            continue
        found = context.world.volume(identity.engine_name)
        if found is None or found.labels.get(L_UID) != identity.uid or L_PHANTOM in found.labels:
            return problems.volume_lost(
                entry.key.organization, name, identity.engine_name, gone=found is None
            )
    return None


def root_image(context: Context, want: Wanted) -> UserError | None:
    """Under ``restricted`` an image's own user must be proven not to be root."""
    image = context.image(want.spec.image)
    if want.tenancy.profile != "restricted" or want.spec.user is not None or image is None:
        return None
    if not may_be_root(image.user):
        return None
    return problems.root(f"the image {want.spec.image} runs as {image.user or 'root'}", image.user)
