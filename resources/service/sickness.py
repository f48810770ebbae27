"""Unhealthy for too long: when a replica is made anew, and how much later the next time.

What does not get well is made anew again and again, each time after twice the patience, until one
has stayed well for a while. What that needs to know stands in the status of each container: since
when it is unhealthy (an engine's own check tells no time, and a stopped one has no check), and how
often in a row its place was made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from resources.conditions import timestamp
from resources.labels import L_REVISION
from resources.observed import Container
from resources.service.fleet import ordinal_of
from resources.service.health import UNHEALTHY
from resources.service.survey import READY, RETURNED, RETURNING, Survey

_LASTING = frozenset({READY, RETURNING, RETURNED})
"""Rollouts in which no deadline decides about what is unhealthy."""
LONGEST = 3600.0
"""Seconds that the patience grows to; a declared one that is longer stays as it is."""
LASTING = 600.0
"""Seconds of health after which the next sickness counts as the first."""


def patience_left(survey: Survey, container: Container) -> float | None:
    """Seconds, negative when it is over; None when it is not sick. Only once the rollout is over:
    before, its deadline decides."""
    if survey.spec.health_check is None or survey.rollout not in _LASTING:
        return None
    since = unhealthy_since(survey, container)
    if since is None:
        if not container.running or survey.health(container).word != UNHEALTHY:
            return None
        since = survey.context.now
    until = survey.context.now if container.running else container.finished_at
    if until is None:
        return None
    return (since + timedelta(seconds=patience(survey, container)) - until).total_seconds()


def patience(survey: Survey, container: Container) -> float:
    """Seconds, for this replica this time."""
    check = survey.spec.health_check
    assert check is not None
    times = replaced(survey, container)
    since = unhealthy_since(survey, container)
    if times == 0 or _lasted(container.started_at, since):
        return check.patience
    return max(check.patience, min(check.patience * 2.0**times, LONGEST))


def unhealthy_since(survey: Survey, container: Container) -> datetime | None:
    """As probed, or as the status first said so; None also of one that got well."""
    if container.running:
        condition = survey.health(container)
        if condition.word != UNHEALTHY:
            return None
        if condition.since is not None:
            return condition.since
    elif container.state != "exited":
        return None
    entry = _shown(survey, container)
    if entry is None or entry.get("id") != container.id:
        return None
    return _moment(entry.get("unhealthySince"))


def replaced(survey: Survey, container: Container) -> int:
    """How often in a row, until this one, its place was made anew because of its health."""
    entry = _shown(survey, container)
    if entry is None:
        return 0
    times = int(entry.get("replaced") or 0)
    if entry.get("id") == container.id:
        return times
    since = _moment(entry.get("unhealthySince"))
    if since is None:
        return 0
    return 1 if _lasted(_moment(entry.get("startedAt")), since) else times + 1


def _shown(survey: Survey, container: Container) -> Mapping[str, Any] | None:
    """What the status said of it, else of the one before it in the same place."""
    ordinal, revision = ordinal_of(container), container.labels.get(L_REVISION)
    before: Mapping[str, Any] | None = None
    for entry in (survey.context.entry.status or {}).get("containers", ()):
        if entry.get("id") == container.id:
            found: Mapping[str, Any] = entry
            return found
        if entry.get("ordinal") == ordinal and entry.get("revision") == revision:
            before = entry
    return before


def _lasted(started: datetime | None, sick: datetime | None) -> bool:
    if started is None or sick is None:
        return False
    return (sick - started).total_seconds() >= LASTING


def _moment(text: Any) -> datetime | None:
    """Inverse of ``timestamp``."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if timestamp(moment) == text else None
