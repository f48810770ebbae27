"""How a pass over an Organization or a Volume stands, and the status that says so.

A Service has more to tell (see ``service/conditions.py``). Ready is True only when nothing is left
to do, so neither Reconciling nor Stalled is then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resources.conditions import ACCEPTED, READY, Conditions, drifted
from resources.context import Context
from resources.errors import UserError
from resources.plan import Plan


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


def begin(context: Context, verdict: Verdict) -> Conditions:
    """The conditions of a resource, with Accepted set."""
    before = (context.entry.status or {}).get("conditions", ())
    conditions = Conditions(before, context.generation, context.now)
    if verdict.rejection is not None:
        conditions.set(ACCEPTED, False, verdict.rejection.reason, verdict.rejection.message)
    else:
        conditions.set(ACCEPTED, True, "Accepted")
    return conditions


def finish(
    conditions: Conditions,
    verdict: Verdict,
    ready: bool,
    ready_reason: str,
    message: str,
    drift: Sequence[Mapping[str, str]] = (),
) -> None:
    """Sets Ready, Reconciling, Stalled, and Drifted while something is. ready: converged, and as
    wanted. ready_reason and message tell why, when no problem does."""
    problem = verdict.problem
    if problem is not None:
        conditions.set(READY, False, problem.reason, problem.message)
    else:
        conditions.set(READY, ready, ready_reason, message)
    conditions.progress(problem, verdict.doing)
    if drift:
        drifted(conditions, drift)


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
