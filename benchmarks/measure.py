"""What was measured: values of interleaved pairs, their medians and quartiles, as a table and JSON.

A ratio is taken pair by pair, ours over theirs in the same minute, and then the median of the
ratios; the noise of the machine moves both sides of a pair alike.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)

    def text(self, digits: int) -> str:
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Measure:
    """One line. ours[i] and theirs[i] are one pair. goal: of the issue. note: in words, what a
    reader must know to judge the number. absent: why there is none."""

    row: str
    what: str
    unit: str
    ours: Sequence[float] = ()
    against: str = ""
    theirs: Sequence[float] = ()
    goal: str = ""
    note: str = ""
    absent: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.theirs, strict=False) if b]

    def cells(self) -> tuple[str, str, str, str, str]:
        """What, ours, theirs, ratio, goal."""
        if self.absent:
            return self.what, f"not available here: {self.absent}", "", "", self.goal
        ours = f"{_spread(self.ours)} {self.unit}" if self.ours else ""
        theirs = f"{self.against} {_spread(self.theirs)}" if self.theirs else ""
        ratio = Spread.of(self.ratios).text(2) if self.ratios else ""
        return self.what, ours, theirs, ratio, self.goal

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "row": self.row,
            "what": self.what,
            "unit": self.unit,
            "ours": list(self.ours),
            "against": self.against,
            "theirs": list(self.theirs),
            "goal": self.goal,
            "note": self.note,
            **self.more,
        }
        if self.absent:
            found["absent"] = self.absent
        if self.ratios:
            spread = Spread.of(self.ratios)
            found["ratio"] = {
                "median": spread.median,
                "quartiles": [spread.low, spread.high],
                "pairs": len(self.ratios),
            }
        return found


def _spread(values: Sequence[float]) -> str:
    spread = Spread.of(values)
    size = abs(spread.median)
    return spread.text(0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3)


HEADER = ("row", "what", "ours", "against", "ratio", "goal")


def table(measures: Sequence[Measure]) -> str:
    """Medians with the quartiles in brackets."""
    rows = [HEADER, *((m.row, *m.cells()) for m in measures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"({m.row}) {m.what}: {m.note}" for m in measures if m.note]
    return "\n".join([*(line.rstrip() for line in lines), "", *notes])


def save(path: Path, measures: Sequence[Measure], settings: dict[str, Any]) -> None:
    document = {
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "settings": settings,
        "measures": [m.document() for m in measures],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
