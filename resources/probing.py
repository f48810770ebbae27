"""Health checks from outside the container: what to probe, and what a result means. Pure.

A container is ``starting`` until the first success; failures count only after the start period.
``retries`` failures in a row make it unhealthy, one success makes it healthy again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resources.world import Probe


@dataclass(frozen=True, slots=True)
class Target:
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


def judge(
    before: Probe | None, target: Target, failures: int, message: str, now: datetime
) -> Probe:
    """failures: in a row, including this result; 0 when it succeeded."""
    if failures == 0:
        health = "healthy"
    elif failures < target.retries or _starting(target, now):
        health = before.health if before is not None else "starting"
    else:
        health = "unhealthy"
    if before is not None and before.health == health:
        return before
    return Probe(health, now, message if failures else "")


def _starting(target: Target, now: datetime) -> bool:
    if target.started_at is None:
        return False
    return now < target.started_at + timedelta(seconds=target.start_period)
