"""What the proxies were told of a resource, is not published now, and will be as soon as others
have come: after a directory was lost a Domain follows its Service, and a Service the proof of its
replicas. Until then nobody may be told that what is published is all that there is.
"""

from __future__ import annotations

from resources.context import Context
from resources.domain.standing import stand
from resources.service.membership import members, routes
from resources.service.survey import READY, Survey, paused, survey


def returning(context: Context) -> bool:
    """Is it about to be published again?"""
    if context.deleting or context.ref("Organization", context.key.organization) is None:
        return False
    if context.key.kind == "Domain":
        return context.spec is not None and _domain(context)
    return context.key.kind == "Service" and paused(context) is None and _service(context)


def _domain(context: Context) -> bool:
    standing = stand(context)
    if standing.declared.spec is None or standing.by_labels or standing.suspended:
        return False
    stands = standing.was_served and standing.verified and standing.obstacle is None
    return stands and (standing.ingress.unread or not standing.current)


def _service(context: Context) -> bool:
    """Its replicas have proven themselves before, and have to do so again for us."""
    found = survey(context)
    if not isinstance(found, Survey) or found.stop_reason or found.rollout != READY:
        return False
    to = routes(found)
    if not to.wanted:
        return False
    inside = members(found, to)
    if to.tell(inside):
        return True
    known = {container.id for container in inside}
    return any(found.drains(c) and c.id not in known for c in found.fleet.current.values())
