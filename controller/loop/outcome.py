"""What a pass over a key may end in. Errors are raised: ``UserError`` (retryable: backed off;
else terminal: left until something changes), anything else is a bug of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until woken."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Waiting for the world; look again in so many seconds. Not an error: no backoff."""

    seconds: float


Outcome = Done | RequeueAfter
