"""Schedules as crontab(5) writes them: five fields, or ``@daily`` and its like.

Only the reading is here: what a text means as sets of minutes, hours and days. Whoever keeps a
schedule asks ``matches``; time zones are theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: i for i, name in enumerate(_DAYS)}),
)
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PART = re.compile(r"(\*|[0-9a-z]{1,3})(?:-([0-9a-z]{1,3}))?(?:/([0-9]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cron:
    """any_day: whether day of month, or day of week, is ``*`` (else one match of the two does)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool

    def matches(self, moment: datetime) -> bool:
        """To the minute, in whatever zone the moment is given."""
        day = moment.day in self.days
        weekday = moment.isoweekday() % 7 in self.weekdays
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and ((day and weekday) if self.any_day else (day or weekday))
        )


def parse_cron(text: str) -> Cron:
    """Raises ValueError that names the field."""
    fields = _NAMED.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise ValueError(
            "a schedule has five fields (minute hour day-of-month month day-of-week, "
            "like '30 3 * * *'), or is @hourly, @daily, @weekly or @monthly"
        )
    sets = [_read(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
    weekdays = frozenset(day % 7 for day in sets[4])
    any_day = fields[2].startswith("*") or fields[4].startswith("*")
    return Cron(sets[0], sets[1], sets[2], sets[3], weekdays, any_day)


def _read(field: str, what: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not a {what}")
        first, last, step = match.groups()
        begin = low if first == "*" else _number(first, what, low, high, names)
        if last is not None:
            end = _number(last, what, low, high, names)
        else:
            end = high if first == "*" or step else begin
        if begin > end or (first == "*" and last) or step in ("0", "00"):
            raise ValueError(f"{part!r} is not a range of a {what}")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, what: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isdigit() else -1)
    if not low <= value <= high:
        raise ValueError(f"{text!r} is not a {what} ({low} to {high})")
    return value
