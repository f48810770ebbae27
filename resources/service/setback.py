"""A rollout that failed, when the generation that was Ready before takes its place again.

Nothing is kept in memory: that it failed stands in the rollout's record, with ``update.onFailure``
in the spec that failed; what to go back to is the newest generation that was Ready. While that
is so, everything is planned, healed and reported from the earlier declaration; the failed one is
tried again when the spec changes or a restart is asked for, since either makes another rollout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resources.context import Context
from resources.domain.container_labels import container_labels
from resources.effective import fallback
from resources.errors import UserError
from resources.meta import Rollout
from resources.service import problems
from resources.service.spec import ServiceSpec
from resources.service.wanted import Wanted, fallback_wanted


@dataclass(frozen=True, slots=True)
class Setback:
    """failed: what could not be rolled out. spec, wanted, generation: what takes its place."""

    failed: Wanted
    rollout: Rollout
    spec: ServiceSpec
    wanted: Wanted
    generation: int

    @property
    def doing(self) -> str:
        """While it is under way."""
        return f"going back to generation {self.generation}: {self.rollout.reason}"

    @property
    def told(self) -> str:
        """Of the failed generation, in a sentence."""
        return (
            f"generation {self.rollout.generation} was rolled back to generation "
            f"{self.generation}: {self.rollout.reason}"
        )

    @property
    def problem(self) -> UserError:
        """Told as long as it lasts: somebody has to change something."""
        error = failure(self.rollout)
        return UserError(
            error.code,
            self.told,
            details={
                **error.details,
                "generation": self.rollout.generation,
                "rolledBackTo": self.generation,
            },
            suggestions=error.suggestions,
        )


def setback(context: Context, want: Wanted) -> Setback | None:
    """want: whose rollout failed. None when it waits for somebody instead (``onFailure: pause``),
    or when nothing else was Ready before."""
    record = context.entry.record
    before: Any = fallback(context.entry)
    if before is None or record.rollout is None or record.ready_generation is None:
        return None
    if record.rollout.failure is None:
        return None  # by a release that did not go back: an upgrade touches no container
    if want.spec.update.on_failure != "rollback":
        return None
    back = fallback_wanted(context.entry, before, context.refs, container_labels(context, before))
    same = record.ready_generation == record.rollout.generation
    if same and back.revision.label in want.revision.known:
        return None
    return Setback(want, record.rollout, before, back, record.ready_generation)


def failure(rollout: Rollout | None) -> UserError:
    """Why a rollout failed, as it was recorded; an older release recorded the reason alone."""
    if rollout is None or rollout.failure is None:
        return problems.deadline(rollout.reason if rollout else "")
    return UserError.from_dict(rollout.failure)
