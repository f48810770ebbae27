"""Schedules."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from resources.cron import parse_cron


@pytest.mark.parametrize(
    ("text", "moment", "matches"),
    [
        ("30 3 * * *", datetime(2026, 1, 1, 3, 30), True),
        ("30 3 * * *", datetime(2026, 1, 1, 3, 31), False),
        ("*/15 * * * *", datetime(2026, 1, 1, 3, 45), True),
        ("0 0 * * 7", datetime(2026, 1, 4), True),
        ("0 0 * * sun", datetime(2026, 1, 4), True),
        ("0 0 1 * mon", datetime(2026, 1, 5), True),
        ("0 0 1 * mon", datetime(2026, 1, 1), True),
        ("0 0 1 * mon", datetime(2026, 1, 6), False),
        ("0 9-17/2 * jan-mar mon-fri", datetime(2026, 2, 3, 11), True),
        ("0 9-17/2 * jan-mar mon-fri", datetime(2026, 2, 3, 12), False),
        ("@daily", datetime(2026, 1, 6), True),
        ("@weekly", datetime(2026, 1, 6), False),
    ],
)
def test_when(text: str, moment: datetime, matches: bool) -> None:
    assert parse_cron(text).matches(moment) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("60 * * * *", "'60' is not a minute (0 to 59)"),
        ("* 24 * * *", "'24' is not a hour"),
        ("* * 0 * *", "is not a day of month"),
        ("* * * foo *", "is not a month"),
        ("5-1 * * * *", "is not a range of a minute"),
        ("*/0 * * * *", "is not a range of a minute"),
        ("1,,2 * * * *", "is not a minute"),
        ("@reboot", "five fields"),
    ],
)
def test_refused_with_the_field(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_cron(text)
