"""A CaasConfiguration's status: whether the controller runs by it, what beats it, its engine."""

from __future__ import annotations

from typing import Any

from resources import verdict
from resources.configuration.judging import NOT_THE_ONE, UNTRUSTED
from resources.configuration.plan import KEY_NOT_FOUND, SECRET_NOT_FOUND, taken
from resources.context import Context
from resources.errors import UserError
from resources.plan import Plan

_REFUSALS = frozenset({NOT_THE_ONE, UNTRUSTED, SECRET_NOT_FOUND, KEY_NOT_FOUND})
_STATES = {"Ready": "active", "Degraded": "error", "Failed": "error"}


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    judged = verdict.judge(context, plan, failure, refusals=_REFUSALS)
    phase = _phase(context, judged)
    message = _message(context, plan, phase)
    conditions = verdict.begin(context, judged)
    reason = "EngineDisconnected" if phase == "Degraded" else phase
    verdict.finish(conditions, judged, phase == "Ready", reason, message)
    overruled = context.platform.configuration.overruled if taken(context) else ()
    return verdict.document(
        context,
        judged,
        conditions,
        phase=phase,
        state=_STATES.get(phase, "pending"),
        message=message,
        engine=context.platform.engine_status.document(),
        overruled=[{"pointer": pointer, "by": variable} for pointer, variable in overruled],
    )


def _phase(context: Context, judged: verdict.Verdict) -> str:
    if context.deleting:
        return "Deleting"
    if judged.stalled:
        return "Failed"
    if not (judged.converged and taken(context)):
        return "Pending"
    return "Ready" if context.platform.engine_status.state == "connected" else "Degraded"


def _message(context: Context, plan: Plan, phase: str) -> str:
    if phase == "Deleting":
        return "being deleted"
    if phase not in ("Ready", "Degraded"):
        return f"waiting for {plan.wait.reason}" if plan.wait else "being accepted"
    engine, overruled = context.platform.engine_status, context.platform.configuration.overruled
    told = ["in force"]
    if overruled:
        names = ", ".join(dict.fromkeys(variable for _, variable in overruled))
        told.append(f"except where the environment says otherwise ({names})")
    if phase == "Degraded":
        told.append(f"the engine is not connected: {engine.reason}")
    return "; ".join(told)
