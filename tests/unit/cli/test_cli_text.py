from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from controller.cli.text import age, clean, clock, render_table, size, span

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (312, "5m12s"),
        (3600, "60m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (47 * 3600, "47h"),
        (12 * 86400, "12d"),
    ],
)
def test_span(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_age_is_never_negative_and_survives_nonsense() -> None:
    assert age((NOW + timedelta(seconds=5)).isoformat(), NOW) == "0s"
    assert age("2025-12-31T23:59:00Z", NOW) == "60s"
    assert age("2025-12-31T23:59:00", NOW) == "60s"
    assert age(None) == age("") == age("soon") == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (512, "512"),
        (1024, "1Ki"),
        (1536, "1.5Ki"),
        (200 * 2**20, "200Mi"),
        (2**30, "1Gi"),
    ],
)
def test_size(value: int, text: str) -> None:
    assert size(value) == text


def test_control_characters_never_reach_a_terminal() -> None:
    assert clean("a\x1b[31mred\r\n\tb\x9bx") == "a [31mred b x"


def test_a_piped_table_is_aligned_whole_and_plain() -> None:
    long = "m" * 500
    text = render_table(("NAME", "PHASE", "MESSAGE"), [["web", "Running", long], ["b", "", "ok"]])
    lines = text.splitlines()
    assert lines[0] == "NAME  PHASE    MESSAGE"
    assert lines[1] == f"web   Running  {long}"
    assert lines[2] == "b     -        ok"
    assert "\t" not in text
    assert "\x1b" not in text


def test_on_a_terminal_phases_have_colours_and_lines_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    text = render_table(
        ("NAME", "PHASE", "MESSAGE"), [["web", "Failed", "x" * 99]], file=Terminal()
    )
    head, row = text.splitlines()
    assert head.startswith("\x1b[1m")
    assert "\x1b[31mFailed\x1b[0m" in row
    assert row.endswith("…")
    assert len(row) == 30 + len("\x1b[31m\x1b[0m")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_when_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    text = render_table(("NAME", "PHASE"), [["web", "Failed"]], file=Terminal())
    assert "\x1b" not in text


def test_the_time_of_day_has_its_date_when_that_is_another() -> None:
    now = datetime.now(UTC)
    assert clock(now.isoformat()) == f"{now.astimezone():%H:%M:%S}"
    assert clock("2020-02-03T12:00:00Z").startswith("2020-02-0")
    assert clock(None) == clock("soon") == "-"
