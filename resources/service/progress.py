"""Is a rollout getting on? Its deadline, and what its replicas are up to, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from resources.errors import UserError
from resources.meta import Rollout
from resources.observed import Container
from resources.quantity import format_duration
from resources.service import problems
from resources.service.endings import crash_looping, ending
from resources.service.health import UNHEALTHY, UNKNOWN
from resources.service.survey import Survey


@dataclass(frozen=True, slots=True)
class Late:
    """seconds: until the deadline. reason: why nothing got on until now. error: the same, as
    users see it. told: what the replica in question said last."""

    seconds: float
    reason: str
    error: UserError
    told: str = ""

    @property
    def passed(self) -> bool:
        return self.seconds <= 0


def overdue(survey: Survey) -> Late | None:
    """The deadline begins with the rollout and again with each new container: pulling an image or
    waiting for a dependency does not use it up. None while nothing has to prove itself, or while
    nothing is known of it (our own restart is not its fault)."""
    known = {
        ordinal: container
        for ordinal, container in survey.fleet.current.items()
        if not survey.proven(container)
        and not (container.running and survey.health(container).word == UNKNOWN)
    }
    rollout = survey.context.entry.record.rollout
    if rollout is None:
        return None
    if not known:
        return _unmade(survey, rollout)
    created = [c.created_at for c in survey.fleet.current.values() if c.created_at is not None]
    begin = max([rollout.started_at, *created])
    allowed = survey.spec.update.progress_deadline
    left = (begin + timedelta(seconds=allowed) - survey.context.now).total_seconds()
    ordinal, container = next(iter(known.items()))
    reason = f"replica {ordinal} {trouble(survey, container)} after {format_duration(allowed)}"
    told = ending(survey.context, container).tail
    return Late(left, reason, _error(survey, container, reason), told)


_CURED_ELSEWHERE = frozenset({"IMAGE_CREDENTIALS_REFUSED", "IMAGE_PULL_UNAUTHORIZED"})
"""What a corrected Secret puts right, or the registry: the generation is not at fault, and would
not be tried again once it has failed."""


def _unmade(survey: Survey, rollout: Rollout) -> Late | None:
    """Nothing could be made so far, for a reason that does not pass by itself (an image that does
    not exist), or limits that are not taken: that uses the deadline up."""
    entry = survey.context.entry
    raw = (entry.status or {}).get("error")
    if survey.setback is not None or not raw or entry.observed_generation != survey.generation:
        return None
    error = UserError.from_dict(raw)
    if len(survey.fleet.current) < survey.spec.replicas:
        if error.retryable or not error.code.startswith(("IMAGE_", "DEPLOYMENT_")):
            return None
        if error.code in _CURED_ELSEWHERE:
            return None
    elif error.code != "DEPLOYMENT_UPDATE_FAILED":
        return None
    begin = rollout.started_at
    allowed = timedelta(seconds=survey.spec.update.progress_deadline)
    return Late((begin + allowed - survey.context.now).total_seconds(), error.message, error)


def _error(survey: Survey, container: Container, reason: str) -> UserError:
    """By what the replica suffers from."""
    if container.restarts or container.state in ("restarting", "exited"):
        return problems.crashed(container, reason, ending(survey.context, container))
    if survey.health(container).word == UNHEALTHY:
        return problems.never_healthy(container.name, reason)
    return problems.deadline(reason)


def trouble(survey: Survey, container: Container) -> str:
    """Why a replica does not count as ready, as a predicate: ``is starting``."""
    condition = survey.health(container)
    code = ending(survey.context, container).exit_code
    ended = "" if code is None else f" (exit code {code})"
    if crash_looping(survey.context, container):
        return f"keeps restarting{ended}"
    if container.state == "restarting":
        return f"is being restarted{ended}"
    if container.state == "exited":
        return f"ended{ended}"
    if not container.running:
        return f"is {container.state}"
    if container.restarts and not condition.good:
        times = f"{container.restarts} time{'s' if container.restarts > 1 else ''}"
        return f"was restarted {times}{ended}"
    if not survey.attached(container):
        return "is not on the organization's network"
    if condition.word == UNHEALTHY:
        return "is unhealthy" + (f": {condition.message}" if condition.message else "")
    return "has to run for a while" if condition.good else "is starting"
