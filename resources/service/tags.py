"""Which tag of a service its registry is asked about, and what follows when it has moved."""

from __future__ import annotations

from resources.context import Context
from resources.service import secrets
from resources.service.declaration import ServiceDeclaration
from resources.service.survey import Survey, paused, survey
from resources.steps import PullImage


def watched(context: Context) -> PullImage | None:
    """The pull that would bring the newest; None while it would not be pulled, or always means the
    same."""
    if paused(context) is not None or context.deleting:
        return None
    found = survey(context)
    if isinstance(found, ServiceDeclaration) or found.stop_reason or not found.over:
        return None
    spec = found.spec
    if spec.image_pull_policy != "Always" or "@" in spec.image or not spec.replicas:
        return None
    return pull(found, "imagePullPolicy is Always")


def pull(found: Survey, cause: str, drift: str = "") -> PullImage:
    """With the service's own credentials, or with none."""
    told = secrets.credentials(found.wanted.key, found.spec, found.context.refs)
    if told is not None:
        cause = f"{cause}; signed in with Secret {told.secret}"
    return PullImage(reference=found.spec.image, credentials=told, cause=cause, drift=drift)
