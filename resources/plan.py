"""Plans: the steps that bring what is there to what is declared, and what remains.

``Plan.render()`` is the one rendering: ``skyctl plan``, ``skyctl diff``, logs, events and golden
tests print it.
"""

from __future__ import annotations

from dataclasses import dataclass

from resources.errors import UserError
from resources.steps import Step


@dataclass(frozen=True, slots=True)
class Wait:
    """What the world must do next. seconds: look again then at the latest, None: only when
    woken (an event or a relation will)."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """What somebody else changed and no step puts right: it is only to be reported, or beyond us,
    or over already. field: as ``drift_total{field}`` counts it. passing: it is seen once; otherwise
    it stands in the status as long as it lasts. subject: the container that it is about, by name.
    """

    field: str
    cause: str
    passing: bool = False
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.cause}"


@dataclass(frozen=True, slots=True)
class Plan:
    """steps: in order. wait: nothing more can be done now, but it is not finished.
    problem: it cannot go on as declared (steps may still heal what was accepted earlier).
    drift: what is left as it is. turn: whether it needs a turn among the rollouts: '', held,
    wanted."""

    steps: tuple[Step, ...] = ()
    wait: Wait | None = None
    problem: UserError | None = None
    drift: tuple[Drift, ...] = ()
    turn: str = ""

    def render(self) -> str:
        lines = [step.render() for step in self.steps]
        lines.extend(f"drift: {drift}" for drift in self.drift)
        if self.wait is not None:
            lines.append(f"wait: {self.wait.reason}")
        if self.problem is not None:
            lines.append(f"problem: {self.problem.code}: {self.problem.message}")
        return "\n".join(lines)

    @property
    def standing(self) -> list[dict[str, str]]:
        """The drift that lasts, as it stands in the status (``drift``, while there is any)."""
        return [{"field": d.field, "cause": d.cause} for d in self.drift if not d.passing]

    @property
    def converged(self) -> bool:
        return not self.steps and self.wait is None and self.problem is None
