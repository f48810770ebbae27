"""Planning a Secret: seal what came in the clear, prove that all of it opens, accept.

Nothing of it is on the engine. What uses it looks at the accepted generation, so accepting is the
moment in which new values come into force, and a value that nobody can open never does.
"""

from __future__ import annotations

from resources.acceptance import acceptance
from resources.context import Context
from resources.errors import UserError
from resources.organization.absence import no_organization
from resources.plan import Plan, Wait
from resources.sealed import is_ticket
from resources.store_steps import Finalize, SealInbox


def plan(context: Context) -> Plan:
    if context.deleting:
        return Plan((Finalize(cause="deletion requested"),))
    if context.spec is None or context.rejection is not None:
        return Plan(problem=context.rejection)
    organization = context.ref("Organization", context.key.organization)
    if context.key.organization and organization is None:
        return Plan(problem=no_organization(context.key))
    if organization is not None and organization.resource.deleting:
        return Plan(wait=Wait(f"organization {context.key.organization} to be deleted"))
    tickets = [key for key, text in context.spec.sealed_data.items() if is_ticket(text)]
    if tickets:
        return Plan((SealInbox(keys=tuple(sorted(tickets)), cause="came by SQL in the clear"),))
    problem = _unreadable(context)
    return Plan(() if problem else acceptance(context), problem=problem)


def _unreadable(context: Context) -> UserError | None:
    return next((context.unreadable[key] for key in sorted(context.unreadable)), None)
