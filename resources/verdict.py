"""How a pass stands, in the words that every kind's status shares.

Invariant: at most one of Reconciling and Stalled is True, and neither is when Ready is. A problem
that trying again may cure is Reconciling; one that needs somebody is Stalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resources.conditions import ACCEPTED, READY, RECONCILING, STALLED, Conditions
from resources.context import Context
from resources.errors import UserError
from resources.plan import Plan

_REASONS = {"CONFIGURATION_INVALID_SPEC": "InvalidSpec"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """problem: the newest that stands in the way (executing comes before planning, planning
    before reading). doing: what is still to happen, in words."""

    problem: UserError | None
    rejection: UserError | None
    doing: str

    @property
    def stalled(self) -> bool:
        return self.problem is not None and not self.problem.retryable

    @property
    def converged(self) -> bool:
        return self.problem is None and not self.doing


def judge(
    context: Context, plan: Plan, failure: UserError | None, refusals: frozenset[str] = frozenset()
) -> Verdict:
    """refusals: codes of plan problems that mean that the generation is not accepted."""
    rejection = context.rejection
    if rejection is None and plan.problem is not None and plan.problem.code in refusals:
        rejection = plan.problem
    doing = ""
    if plan.steps:
        doing = plan.steps[0].render()
    elif plan.wait is not None:
        doing = plan.wait.reason
    return Verdict(failure or plan.problem or context.rejection, rejection, doing)


def reason(error: UserError) -> str:
    """A condition's reason: ``RESOURCE_CONFLICT`` -> ``ResourceConflict``."""
    known = _REASONS.get(error.code)
    return known or "".join(part.capitalize() for part in error.code.split("_"))


def begin(context: Context, verdict: Verdict) -> Conditions:
    """The conditions of a resource, with Accepted set."""
    before = (context.entry.status or {}).get("conditions", ())
    conditions = Conditions(before, context.generation, context.now)
    if verdict.rejection is not None:
        conditions.set(ACCEPTED, False, reason(verdict.rejection), verdict.rejection.message)
    else:
        conditions.set(ACCEPTED, True, "Accepted")
    return conditions


def finish(
    conditions: Conditions, verdict: Verdict, ready: bool, ready_reason: str, message: str
) -> None:
    """Sets Ready, Reconciling, Stalled. ready: converged, and as wanted. ready_reason and message
    tell why, when no problem does."""
    problem = verdict.problem
    if problem is not None:
        conditions.set(READY, False, reason(problem), problem.message)
    else:
        conditions.set(READY, ready, ready_reason, message)
    busy = not verdict.stalled and (bool(verdict.doing) or problem is not None)
    conditions.set(RECONCILING, busy, "Progressing" if busy else "Idle", verdict.doing)
    if problem is not None and verdict.stalled:
        conditions.set(STALLED, True, reason(problem), problem.message)
    else:
        conditions.set(STALLED, False, "NotStalled")


def document(
    context: Context,
    verdict: Verdict,
    conditions: Conditions,
    *,
    phase: str,
    state: str,
    message: str,
    **facts: Any,
) -> dict[str, Any]:
    """A status in the contract's shape."""
    problem = verdict.problem
    return {
        "observedGeneration": context.generation,
        "phase": phase,
        "state": state,
        "message": problem.message if problem is not None else message,
        "conditions": conditions.to_list(),
        "error": problem.to_dict() if problem is not None else None,
        **facts,
    }
