"""What a pass over a key may end in. Errors are raised: ``UserError`` (retryable: backed off;
else terminal: left until something changes), anything else is a bug of ours."""

from __future__ import annotations

from dataclasses import dataclass

from resources.errors import UserError


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until woken."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Waiting for the world; look again in so many seconds. Not an error: no backoff. problem: a
    terminal one that is told and counted as such, and does not end the waiting."""

    seconds: float
    problem: UserError | None = None


Outcome = Done | RequeueAfter
