"""The conditions of a Service, from where it stands.

A stopped service is neither Ready nor Reconciling:
it is as declared, and serves nobody. What a problem means for the newest generation does not hide
that an earlier one still serves (``Available``).
"""

from __future__ import annotations

from typing import Any

from resources.conditions import (
    ACCEPTED,
    AVAILABLE,
    READY,
    RECONCILING,
    STALLED,
    Conditions,
    drifted,
)
from resources.context import Context
from resources.errors import UserError
from resources.service.host_ports import IN_USE
from resources.service.phase import ServiceStanding
from resources.service.problems import UNRESOLVED
from resources.service.survey import OPEN, paused

_REFUSED = UNRESOLVED | {IN_USE}
"""Codes of what is found wrong with an accepted generation that make it one that is not."""


def conditions(standing: ServiceStanding, word: str, message: str) -> list[dict[str, Any]]:
    context = standing.survey.context
    found = _begin(context)
    _accepted(found, standing)
    _available(found, standing)
    _ready(found, standing, word, message)
    if standing.problem is not None and standing.stalled and paused(context) is None:
        found.stalled(standing.problem)
    else:
        problem = standing.failure or standing.plan.problem
        _progress(found, context, problem, _doing(standing, problem))
    drift = standing.plan.standing
    if drift or standing.survey.spec.drift_policy == "report":
        drifted(found, drift)
    return found.to_list()


def bare_conditions(
    context: Context, problem: UserError | None, word: str, message: str
) -> list[dict[str, Any]]:
    """Of a service of which nothing was ever accepted."""
    found = _begin(context)
    why, text = (problem.reason, problem.message) if problem else (word, "")
    found.set(ACCEPTED, False if problem else None, why, text)
    found.set(AVAILABLE, False, why)
    found.set(READY, False, why, text)
    _progress(found, context, problem, message)
    return found.to_list()


def _begin(context: Context) -> Conditions:
    before = (context.entry.status or {}).get("conditions", ())
    return Conditions(before, context.generation, context.now)


def _accepted(found: Conditions, standing: ServiceStanding) -> None:
    """Of the newest generation."""
    problem = standing.survey.declaration.problem
    if problem is None and standing.plan.problem and standing.plan.problem.code in _REFUSED:
        problem = standing.plan.problem
    if problem is not None:
        found.set(ACCEPTED, False, problem.reason, problem.message)
    elif _recorded(standing):
        found.set(ACCEPTED, True, "Accepted")
    else:
        found.set(ACCEPTED, None, "Pending", "not recorded yet")


def _recorded(standing: ServiceStanding) -> bool:
    context = standing.survey.context
    return context.entry.record.accepted_generation == context.generation


def _available(found: Conditions, standing: ServiceStanding) -> None:
    if standing.serving:
        old = len(standing.serving) - len(standing.ready)
        text = f"{old} of an earlier revision" if old else ""
        found.set(AVAILABLE, True, "Serving", text)
    elif standing.unknown:
        found.set(AVAILABLE, None, "HealthUnknown", "no health check has been made yet")
    else:
        found.set(AVAILABLE, False, "NothingServes")


def _ready(found: Conditions, standing: ServiceStanding, word: str, message: str) -> None:
    problem = standing.problem
    if problem is not None:
        found.set(READY, False, problem.reason, problem.message)
    elif word == "Deleting" or (standing.stopped and not standing.completed):
        found.set(READY, False, word, message)
    elif not _recorded(standing):
        found.set(READY, False, "Pending", message)
    elif standing.fulfilled:
        found.set(READY, True, "Completed" if standing.completed else "Ready")
    elif standing.unknown:
        found.set(READY, None, "HealthUnknown", message)
    else:
        found.set(READY, False, word, message)


def _progress(found: Conditions, context: Context, problem: UserError | None, doing: str) -> None:
    if (why := paused(context)) is not None:
        found.set(RECONCILING, False, "Paused", why)
        found.set(STALLED, False, "Paused", why)
    else:
        found.progress(problem, doing)


def _doing(standing: ServiceStanding, problem: UserError | None) -> str:
    survey, plan = standing.survey, standing.plan
    if plan.steps:
        return plan.steps[0].render()
    if plan.wait is not None:
        return f"waiting for {plan.wait.reason}"
    if problem is None and survey.rollout == OPEN and not survey.stop_reason:
        return "the rollout is under way"
    return ""
