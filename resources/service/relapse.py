"""A generation that was Ready, and kept crashing right afterwards: it never was.

Two seconds of running prove little: what ends after three looks ready for a moment. So for a
while after a rollout its own new containers are still on trial. When one of them crash-loops by
then, the rollout failed after all: the store takes the readiness back if another generation was
Ready before, and the way back begins. Nothing is taken back from a generation that was Ready
before (a restart, a stop and a start), nor blamed on it that containers of earlier ones crash.
"""

from __future__ import annotations

from datetime import timedelta

from resources.observed import Container
from resources.quantity import format_duration
from resources.service import problems
from resources.service.endings import crash_looping, ending
from resources.service.progress import Late, trouble
from resources.service.survey import READY, Survey

TRIAL = 60.0
"""Seconds after having become Ready."""
AGAIN = "ready again"
"""The recorded reason of a rollout whose generation had been Ready before."""


def readiness(survey: Survey) -> str:
    """The reason to record with a rollout that is over."""
    return AGAIN if survey.context.entry.record.ready_generation == survey.generation else ""


def relapse(survey: Survey) -> Late | None:
    """As a deadline that has passed; None while there is nothing to take back."""
    rollout = survey.context.entry.record.rollout
    if survey.rollout != READY or rollout is None or rollout.ready_at is None:
        return None
    if survey.generation == 1 or rollout.reason == AGAIN:
        return None
    if survey.spec.update.on_failure != "rollback":
        return None
    if survey.context.now - rollout.ready_at > timedelta(seconds=TRIAL):
        return None
    for ordinal, container in survey.fleet.current.items():
        new = container.created_at is not None and container.created_at >= rollout.started_at
        if new and crash_looping(survey.context, container):
            return _late(survey, ordinal, container)
    return None


def _late(survey: Survey, ordinal: int, container: Container) -> Late:
    found = ending(survey.context, container)
    within = format_duration(TRIAL)
    reason = f"replica {ordinal} {trouble(survey, container)} within {within} of being ready"
    return Late(0.0, reason, problems.crashed(container, reason, found), found.tail)
