"""A plan while it is being made."""

from __future__ import annotations

from collections.abc import Iterable

from resources.errors import UserError
from resources.plan import Drift, Plan, Wait
from resources.steps import Step


class Draft:
    """report: steps that only undo somebody's doing are noted, not planned."""

    def __init__(self, *, report: bool = False) -> None:
        self._report = report
        self._steps: list[Step] = []
        self._drift: list[Drift] = []
        self._waits: list[Wait] = []
        self._problem: UserError | None = None
        self.turn = ""
        """Whether it needs a turn among the rollouts: held, wanted."""

    def add(self, *steps: Step, enforce: bool = False) -> None:
        """enforce: planned in any case."""
        for step in steps:
            if enforce or not self.reports(step.drift, step.cause):
                self._steps.append(step)

    def begin_with(self, *steps: Step) -> None:
        """Before everything else."""
        self._steps[:0] = steps

    def reports(self, drift: str, cause: str) -> bool:
        """Is this only to be reported? Then it has been."""
        if self._report and drift:
            self.note(drift, cause)
            return True
        return False

    def note(self, field: str, cause: str, *, passing: bool = False, subject: str = "") -> None:
        """Somebody's doing that stays as it is."""
        found = Drift(field, cause, passing, subject)
        if found not in self._drift:
            self._drift.append(found)

    @property
    def reported(self) -> bool:
        """Has anything been left as it is because it is only to be reported?"""
        return self._report and any(not drift.passing for drift in self._drift)

    @property
    def impossible(self) -> bool:
        """Is there a problem that does not pass by itself?"""
        return self._problem is not None and not self._problem.retryable

    def wait(self, reason: str, seconds: float | None = None) -> None:
        self._waits.append(Wait(reason, seconds))

    def complain(self, problem: UserError | None) -> None:
        """The first one counts."""
        self._problem = self._problem or problem

    def hinder(self, hindrance: UserError | Wait) -> None:
        if isinstance(hindrance, Wait):
            self._waits.append(hindrance)
        else:
            self.complain(hindrance)

    def finish(self) -> Plan:
        drift = tuple(self._drift)
        return Plan(tuple(self._steps), self._wait(), self._problem, drift, self.turn)

    def _wait(self) -> Wait | None:
        """The first reason; looked at again when the first of all is due."""
        if not self._waits:
            return None
        due = [wait.seconds for wait in self._waits if wait.seconds is not None]
        return Wait(self._waits[0].reason, min(due, default=None))


def joined(causes: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(causes))
