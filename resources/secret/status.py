"""A Secret's status: which keys it has and for which key of ours they are sealed, never a value."""

from __future__ import annotations

from typing import Any

from resources import verdict
from resources.context import Context
from resources.errors import UserError
from resources.organization.absence import NO_ORGANIZATION
from resources.plan import Plan
from resources.sealed import is_sealed, key_id
from resources.secret import problems

_STATES = {"Ready": "active", "Failed": "error"}
_REFUSALS = frozenset({NO_ORGANIZATION})
_UNOPENED = frozenset({problems.KEY_MISSING, problems.UNREADABLE})


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    accepted = context.entry.record.accepted_generation == context.generation
    refusals = _REFUSALS if accepted else _REFUSALS | _UNOPENED
    judged = verdict.judge(context, plan, failure, refusals=refusals)
    phase = _phase(context, judged)
    keys = _keys(context)
    message = _message(plan, phase, len(keys))
    conditions = verdict.begin(context, judged)
    verdict.finish(conditions, judged, phase == "Ready" and judged.converged, phase, message)
    return verdict.document(
        context,
        judged,
        conditions,
        phase=phase,
        state=_STATES.get(phase, "pending"),
        message=message,
        keys=keys,
    )


def _phase(context: Context, judged: verdict.Verdict) -> str:
    if context.deleting:
        return "Deleting"
    if judged.stalled:
        return "Failed"
    accepted = context.entry.record.accepted_generation == context.generation
    return "Ready" if accepted and judged.converged else "Pending"


def _message(plan: Plan, phase: str, keys: int) -> str:
    if phase == "Ready":
        return f"{keys} value{'' if keys == 1 else 's'}, sealed"
    if phase == "Deleting":
        return "being deleted"
    return f"waiting for {plan.wait.reason}" if plan.wait else "being sealed"


def _keys(context: Context) -> list[dict[str, Any]]:
    """Of the declaration in force. keyId: null while its value waits to be sealed."""
    if context.spec is None:
        return []
    return [
        {"key": key, "keyId": key_id(text) if is_sealed(text) else None}
        for key, text in sorted(context.spec.sealed_data.items())
    ]
