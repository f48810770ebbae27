"""An Organization's status: does it have its network, is it suspended, what of it is used."""

from __future__ import annotations

from typing import Any

from resources import verdict
from resources.context import Context
from resources.errors import UserError
from resources.host_firewall import HOST_CLOSED
from resources.observed import Network
from resources.organization import external_id
from resources.organization.network import organization_network
from resources.organization.plan import POOL_EXHAUSTED
from resources.plan import Plan
from resources.quota import usage
from resources.share import terms_of, used

REFUSALS = frozenset({POOL_EXHAUSTED, external_id.IN_USE})
_STATES = {"Ready": "running", "Failed": "error"}


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    judged = verdict.judge(context, plan, failure, refusals=REFUSALS)
    network = organization_network(context.entry, context.world, context.platform.instance)
    phase = _phase(context, judged, network)
    message = _message(context, plan, phase, network)
    conditions = verdict.begin(context, judged)
    ready = phase in ("Ready", "Suspended") and judged.converged
    verdict.finish(conditions, judged, ready, phase, message, plan.standing)
    if (firewall := context.platform.firewall) is not None and not context.deleting:
        conditions.set(HOST_CLOSED, firewall.closed, firewall.reason, firewall.message)
    return verdict.document(
        context,
        judged,
        conditions,
        phase=phase,
        state=_STATES.get(phase, "stopped"),
        message=message,
        network=_shown(network),
        usage=usage(used(context), terms_of(context.entry).limits),
        **({"drift": plan.standing} if plan.standing else {}),
    )


def _phase(context: Context, judged: verdict.Verdict, network: Network | None) -> str:
    if context.deleting:
        return "Deleting"
    if judged.stalled:
        return "Failed"
    if context.spec is not None and context.spec.suspended:
        return "Suspended"
    return "Ready" if network is not None else "Pending"


def _message(context: Context, plan: Plan, phase: str, network: Network | None) -> str:
    if phase == "Deleting":
        return f"waiting for {plan.wait.reason}" if plan.wait else "being deleted"
    if phase == "Suspended":
        return "suspended: everything in it is stopped, nothing is deleted"
    if network is not None:
        return f"network {', '.join(network.subnets)} is in place"
    return "its network is being made"


def _shown(network: Network | None) -> dict[str, Any] | None:
    if network is None:
        return None
    return {"id": network.id, "name": network.name, "subnet": ", ".join(network.subnets)}
