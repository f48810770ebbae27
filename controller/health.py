"""Is this process ready, and as what? Each reason says what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.core import Readiness


@dataclass(slots=True)
class Health:
    """Callables answer at the moment of asking; nothing is cached here."""

    leading: Callable[[], bool]
    store_reason: Callable[[], str]
    engine_reason: Callable[[], str]
    engine_refused: Callable[[], str]

    def readiness(self) -> Readiness:
        """503 reasons: store or engine not connected, first listing not done, or an engine that
        is not the one this store belongs to."""
        reasons = tuple(
            reason
            for reason in (self.store_reason(), self.engine_reason(), self.engine_refused())
            if reason
        )
        role = "leader" if self.leading() else "standby"
        return Readiness(role if not reasons or self.leading() else "starting", reasons)
