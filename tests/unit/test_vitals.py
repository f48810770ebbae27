"""What a process tells of itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from controller.metrics import REGISTRY
from controller.vitals import LAG_SECONDS, measure_lag

LATE = 0.7


class Late:
    """A clock that sees every sleep end late."""

    def __init__(self) -> None:
        self._asked = 0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        self._asked += 1
        return self._asked // 2 * (LAG_SECONDS + LATE)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"skyctl_{name}", labels) or 0.0


async def test_lag_is_shown_as_last_seen_and_counted() -> None:
    before = sample("event_loop_delay_seconds_count")
    slow = sample("event_loop_delay_seconds_bucket", le="0.5")
    within = sample("event_loop_delay_seconds_bucket", le="1.0")
    measuring = asyncio.create_task(measure_lag(Late()))
    async with asyncio.timeout(10):
        while sample("event_loop_delay_seconds_count") == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    measuring.cancel()
    assert abs(sample("event_loop_lag_seconds") - LATE) < 1e-6
    assert sample("event_loop_delay_seconds_bucket", le="0.5") == slow
    assert sample("event_loop_delay_seconds_bucket", le="1.0") > within
