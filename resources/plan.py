"""Plans: the steps that bring what is there to what is declared, and what remains.

``Plan.render()`` is the one rendering: ``skyctl plan``, ``skyctl diff``, logs, events and golden
tests print it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.errors import UserError
from resources.steps import Step


@dataclass(frozen=True, slots=True)
class Wait:
    """What the world must do next. seconds: look again then at the latest, None: only when
    woken (an event or a relation will)."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """steps: in order. wait: nothing more can be done now, but it is not finished.
    problem: it cannot go on as declared (steps may still heal what was accepted earlier).
    notes: facts for the status that only planning finds out."""

    steps: tuple[Step, ...] = ()
    wait: Wait | None = None
    problem: UserError | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def render(self) -> str:
        lines = [step.render() for step in self.steps]
        if self.wait is not None:
            lines.append(f"wait: {self.wait.reason}")
        if self.problem is not None:
            lines.append(f"problem: {self.problem.code}: {self.problem.message}")
        return "\n".join(lines)

    @property
    def converged(self) -> bool:
        return not self.steps and self.wait is None and self.problem is None
