"""When trying again is no longer a reason to wait: somebody has to change something.

An engine restarts what crashes, and we pull again from a registry that does not answer, for ever;
either may help in the end, so these errors are retryable. But who waits for the outcome has to
learn that there is none: a crash loop (once no rollback can come of it any more), a replica that
was made anew because it was unhealthy and is so again, an image that cannot be had for a while.
"""

from __future__ import annotations

from datetime import timedelta

from resources.errors import UserError
from resources.service import sickness
from resources.service.survey import NEW, OPEN, RETURNING, Survey

PATIENCE = 60.0
"""Seconds for a registry to come back."""
_MOVING = frozenset({NEW, OPEN, RETURNING})


def stuck(survey: Survey, problem: UserError | None) -> bool:
    """problem: what is shown of the service, retryable or not."""
    if problem is None or survey.stop_reason:
        return False
    if problem.code.startswith("IMAGE_"):
        return _overdue(survey)
    if survey.rollout in _MOVING and survey.context.entry.record.ready_generation is not None:
        return False  # its deadline decides, and an earlier generation takes its place
    if problem.code == "DEPLOYMENT_CRASH_LOOP":
        return _crashed_since(survey)
    return problem.code == "DEPLOYMENT_UNHEALTHY" and any(
        sickness.replaced(survey, c) for c in survey.fleet.current.values() if not survey.serves(c)
    )


def _crashed_since(survey: Survey) -> bool:
    """Crashes before the rollout began are what it may be about to put right, in place."""
    rollout = survey.context.entry.record.rollout
    began = rollout.started_at if rollout is not None and survey.rollout in _MOVING else None
    return any(
        began is None or (c.finished_at is not None and c.finished_at >= began)
        for c in survey.fleet.current.values()
        if c.id in survey.looping
    )


def _overdue(survey: Survey) -> bool:
    """Since the rollout began; what was Ready long ago and lacks its image now is at once."""
    rollout = survey.context.entry.record.rollout
    if rollout is None:
        return False
    return survey.context.now - rollout.started_at >= timedelta(seconds=PATIENCE)
