"""Plain text: aligned columns, ages, sizes, colours only where a person looks.

Through a pipe a table is what ``grep`` and ``awk`` like: no tabs, no boxes, nothing cut off. What
others wrote (messages, names) is cleaned of control characters before it reaches a terminal.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

GAP = "  "
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def clean(text: str) -> str:
    """One line without control characters."""
    return _CONTROL.sub(" ", text).strip()


def colours(file: TextIO) -> bool:
    """https://no-color.org: any value of NO_COLOR, or no terminal, means none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and file.isatty()


def paint(text: str, colour: str, file: TextIO) -> str:
    if not colour or not text or not colours(file):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


_PHASES = {
    "green": ("running", "active", "ready", "bound", "true", "ok", "normal", "created", "leader"),
    "yellow": (
        "pending",
        "pulling",
        "starting",
        "updating",
        "stopping",
        "deleting",
        "unknown",
        "degraded",
        "warning",
        "configured",
        "held",
        "suspended",
    ),
    "red": ("failed", "error", "refused", "lost", "false"),
}
_COLOUR_OF = {word: colour for colour, words in _PHASES.items() for word in words}


def colour_of(word: str) -> str:
    return _COLOUR_OF.get(word.lower(), "")


def render_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    file: TextIO | None = None,
    header: bool = True,
    widths: Sequence[int] | None = None,
) -> str:
    """Lines without a final newline. On a terminal the last column is cut to fit."""
    file = sys.stdout if file is None else file
    cells = [[clean(cell) or "-" for cell in row] for row in rows]
    widths = column_widths(headers, cells) if widths is None else widths
    limit = shutil.get_terminal_size().columns if file.isatty() else 0
    lines = [paint(_line(headers, widths, limit), "bold", file)] if header else []
    for row in cells:
        coloured = [
            colour_of(cell) if _painted(h) else "" for h, cell in zip(headers, row, strict=True)
        ]
        lines.append(_paint_line(row, widths, limit, coloured, file))
    return "\n".join(lines)


def _painted(header: str) -> bool:
    return header in ("PHASE", "STATE", "ACTION", "TYPE", "STATUS", "RESULT")


def column_widths(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max([len(h), *(len(row[i]) for row in rows)]) for i, h in enumerate(headers)]


def _line(cells: Sequence[str], widths: Sequence[int], limit: int) -> str:
    parts = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return _cut(GAP.join(parts).rstrip(), limit)


def _cut(text: str, limit: int) -> str:
    return text if not limit or len(text) <= limit else text[: max(limit - 1, 1)] + "…"


def _paint_line(
    cells: Sequence[str], widths: Sequence[int], limit: int, colour: Sequence[str], file: TextIO
) -> str:
    plain = _line(cells, widths, limit)
    if not any(colour) or not colours(file):
        return plain
    position, painted = 0, ""
    for cell, width, hue in zip(cells, widths, colour, strict=True):
        visible = plain[position : position + width]
        painted += visible.replace(cell, paint(cell, hue, file), 1) if hue else visible
        painted += plain[position + width : position + width + len(GAP)]
        position += width + len(GAP)
    return painted


def parse_time(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def clock(moment: str | None) -> str:
    """Of an ISO time, the time of day where we are; the date too when that is another."""
    if (at := parse_time(moment)) is None:
        return "-"
    here = at.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"{here:%H:%M:%S}" if here.date() == today else f"{here:%Y-%m-%d %H:%M:%S}"


def age(value: str | None, now: datetime | None = None) -> str:
    """Since then, in the two largest units at most: ``45s``, ``5m12s``, ``3h``, ``12d``."""
    moment = parse_time(value)
    if moment is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return span(max(int(seconds), 0))


def span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        rest = seconds % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def size(value: float | None) -> str:
    """Bytes in binary units: ``512``, ``1.5Gi``."""
    if value is None:
        return "-"
    amount, unit = float(value), ""
    for unit in ("", "Ki", "Mi", "Gi", "Ti", "Pi"):
        if amount < 1024 or unit == "Pi":
            break
        amount /= 1024
    text = f"{amount:.1f}".removesuffix(".0") if amount < 100 else f"{amount:.0f}"
    return text + unit
