"""Health checks from outside the container: what to probe, and what a result means. Pure.

A container is ``starting`` until its first success; failures count only after the start period.
``retries`` failures in a row make it unhealthy; then one success may be luck, and two in a row make
it healthy again. So neither a check that fails now and then nor one that succeeds now and then
makes a service go to and fro.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resources.observed import Probe


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """path None: a tcp connect is enough; else HTTP GET answered by 2xx or 3xx. Durations in
    seconds. started_at: of the container's present run."""

    container: str
    address: str
    port: int
    interval: float
    timeout: float
    retries: int
    start_period: float
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None


RECOVERED = 2
"""Successes in a row after which an unhealthy one counts as healthy again."""


def streak(
    before: Probe | None, target: ProbeTarget, so_far: int, message: str, now: datetime
) -> int:
    """Successes in a row, or (negative) failures, with this result. so_far: until it. message: ''
    when it succeeded. While it starts, failures within the start period do not count."""
    if not message:
        return max(so_far, 0) + 1
    if _starting(before, target, now):
        return 0
    return min(so_far, 0) - 1


def judge(
    before: Probe | None, target: ProbeTarget, run: int, message: str, now: datetime
) -> Probe:
    """run: the streak, including this result."""
    health = before.health if before is not None else "starting"
    if -run >= target.retries:
        health = "unhealthy"
    elif run >= (RECOVERED if health == "unhealthy" else 1):
        health = "healthy"
    if before is not None and before.health == health:
        return before
    return Probe(health, now, message)


def _starting(before: Probe | None, target: ProbeTarget, now: datetime) -> bool:
    if target.started_at is None or (before is not None and before.health != "starting"):
        return False
    return now < target.started_at + timedelta(seconds=target.start_period)
