"""The end of a Service: out of every route, then stopped with its grace, then gone."""

from __future__ import annotations

import math

from resources.context import Context
from resources.labels import is_ours
from resources.plan import Plan, Wait
from resources.service import moves
from resources.service.backends import backends
from resources.service.cutover import Cutover
from resources.service.draft import Draft
from resources.service.spec import GRACE
from resources.store_steps import Finalize


def teardown(context: Context) -> Plan:
    """The row goes only in a plan that saw nothing left."""
    cause = "deletion requested"
    mine = sorted(
        (
            container
            for container in context.world.containers_of(context.uid)
            if is_ours(container.labels, context.platform.instance)
        ),
        key=lambda container: (container.name, container.id),
    )
    routes = backends(context, context.spec, _drain(context))
    ingress = context.platform.ingress
    if not mine and ingress.routing and ingress.unread:
        return Plan(wait=Wait("what is published to the proxies to be read", 1.0))
    if not mine:
        return Plan(routes.end() or (Finalize(cause=cause),))
    draft = Draft()
    cutover = Cutover(routes, draft, patient=False)
    for container in mine:
        if container.state != "removing" and cutover.lets_go(container):
            draft.add(*moves.retire(container, _grace(context), cause))
    draft.begin_with(*routes.tell(c for c in mine if c.id not in cutover.leaving and c.running))
    draft.wait(f"{len(mine)} container{'s' if len(mine) > 1 else ''} to be gone", 5.0)
    return draft.finish()


def _drain(context: Context) -> float:
    return 0.0 if context.spec is None else float(context.spec.update.drain)


def _grace(context: Context) -> int:
    return math.ceil(GRACE["app"] if context.spec is None else context.spec.grace)
