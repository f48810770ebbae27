"""A clock whose seconds pass when a test says so."""

from __future__ import annotations

from controller.clock import SystemClock


class HandClock(SystemClock):
    """at: what ``monotonic`` says. Wall time is the system's."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at
