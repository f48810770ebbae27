"""Is a rollout getting on? Its deadline, and what its replicas are up to, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from resources.quantity import format_duration
from resources.service.health import UNHEALTHY, UNKNOWN, crash_looping
from resources.service.survey import Survey
from resources.world import Container


@dataclass(frozen=True, slots=True)
class Late:
    """seconds: until the deadline. reason: why nothing got on until now."""

    seconds: float
    reason: str

    @property
    def passed(self) -> bool:
        return self.seconds <= 0


def overdue(survey: Survey, pending: Mapping[int, Container]) -> Late | None:
    """The deadline begins with the rollout and again with each new container: pulling an image or
    waiting for a dependency does not use it up. None while nothing has to prove itself, or while
    nothing is known of it (our own restart is not its fault)."""
    known = {
        ordinal: container
        for ordinal, container in pending.items()
        if not (container.running and survey.health(container).word == UNKNOWN)
    }
    rollout = survey.context.entry.record.rollout
    if not known or rollout is None:
        return None
    created = [c.created_at for c in survey.fleet.current.values() if c.created_at is not None]
    begin = max([rollout.started_at, *created])
    allowed = survey.spec.update.progress_deadline
    left = (begin + timedelta(seconds=allowed) - survey.context.now).total_seconds()
    ordinal, container = next(iter(known.items()))
    reason = f"replica {ordinal} {trouble(survey, container)} after {format_duration(allowed)}"
    return Late(left, reason)


def trouble(survey: Survey, container: Container) -> str:
    """Why a replica does not count as ready, as a predicate: ``is starting``."""
    condition = survey.health(container)
    ended = "" if container.exit_code is None else f" (exit code {container.exit_code})"
    if crash_looping(container, survey.context.now):
        return f"keeps restarting{ended}"
    if container.state == "restarting":
        return f"is being restarted{ended}"
    if container.state == "exited":
        return f"ended{ended}"
    if not container.running:
        return f"is {container.state}"
    if condition.word == UNHEALTHY:
        return "is unhealthy" + (f": {condition.message}" if condition.message else "")
    return "has to run for a while" if condition.good else "is starting"
