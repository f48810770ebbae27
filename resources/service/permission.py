"""What an organization permits its services: asked of every new generation, and again whenever a
container is made. What was accepted before the organization was told to be stricter keeps running,
and no more of it is made."""

from __future__ import annotations

from resources.errors import UserError
from resources.service import problems
from resources.service.capabilities import may_be_root
from resources.service.spec import ServiceSpec
from resources.service.tenancy import Tenancy


def refused(spec: ServiceSpec, tenancy: Tenancy) -> UserError | None:
    """Why its declaration is not accepted, or None."""
    missing = sorted(set(spec.capabilities) - tenancy.capabilities)
    if missing and tenancy.allows_image(spec.image):
        return UserError(
            "ACCESS_CAPABILITY_DENIED",
            f"the organization's profile {tenancy.profile} does not allow {', '.join(missing)}",
            details={"capabilities": missing, "profile": tenancy.profile},
            suggestions=["have them added to the organization's security.allowedCapabilities"],
        )
    return denied(spec, tenancy)


def denied(spec: ServiceSpec, tenancy: Tenancy) -> UserError | None:
    """Why no container of it may be made, or None. (Capabilities that are not allowed any more are
    left out of what is made.)"""
    if not tenancy.allows_image(spec.image):
        return UserError(
            "IMAGE_NOT_ALLOWED",
            f"the organization does not allow the image {spec.image}",
            details={"image": spec.image, "allowedImages": list(tenancy.images)},
            suggestions=[f"use an image that matches {' or '.join(tenancy.images[:3])}"],
        )
    if tenancy.profile == "restricted" and spec.user is not None and may_be_root(spec.user):
        return problems.root(f"spec.user is {spec.user}", spec.user)
    return None
