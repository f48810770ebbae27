"""Quantities: what is read, what is refused and with which words."""

from __future__ import annotations

import pytest

from resources.quantity import (
    GI,
    MI,
    NANO,
    QuantityError,
    format_cpu,
    format_duration,
    format_size,
    parse_cpu,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("written", "nano"),
    [
        (0.5, NANO // 2),
        ("0.5", NANO // 2),
        ("500m", NANO // 2),
        (2, 2 * NANO),
        ("2", 2 * NANO),
        (0, 0),
        (0.1, 100_000_000),
        ("1.5m", 1_500_000),
        (" 250m ", 250_000_000),
    ],
)
def test_cpu_is_read(written: object, nano: int) -> None:
    assert parse_cpu(written) == nano


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("256Mi", 256 * MI),
        ("1G", 10**9),
        ("1.5Gi", 3 * GI // 2),
        ("100k", 100_000),
        ("100K", 100_000),
        ("1Ki", 1024),
        (MI, MI),
        (str(MI), MI),
        ("1000001B", 1_000_001),
        (0, 0),
        ("0", 0),
    ],
)
def test_sizes_are_read(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("7d", 604800.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        (0, 0.0),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_durations_are_read(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    ("parse", "written", "message"),
    [
        (parse_size, 512, "512 bytes is under 1 MiB: did you mean 512Mi?"),
        (parse_size, "512", "512 bytes is under 1 MiB: did you mean 512Mi?"),
        (parse_size, "512MB", "did you mean 512Mi?"),
        (parse_size, "512 mb", "did you mean 512Mi?"),
        (parse_size, "10gib", "did you mean 10Gi?"),
        (parse_size, "-1Gi", "'-1Gi' is not a size"),
        (parse_size, "1e9", "is not a size"),
        (parse_size, True, "got a boolean"),
        (parse_size, None, "got nothing (null)"),
        (parse_size, [1], "got a list"),
        (parse_size, -5, "a size is never negative"),
        (parse_size, 1e300, "this size is too large"),
        (parse_size, "2000Pi", "more than the 1Pi allowed"),
        (parse_size, "9" * 500, "a size of 500 characters is too long"),
        (parse_size, "٣Gi", "is not a size"),
        (parse_size, "1Gi\n", "is not a size"),
        (parse_cpu, "500 m", "did you mean 500m?"),
        (parse_cpu, "2 cores", "did you mean 2?"),
        (parse_cpu, "0,5", "did you mean 0.5?"),
        (parse_cpu, 5000, "did you mean 5000m?"),
        (parse_cpu, float("nan"), "got nan"),
        (parse_cpu, float("inf"), "got inf"),
        (parse_cpu, "", "is not an amount of cpu"),
        (parse_cpu, {}, "expected an amount of cpu"),
        (parse_duration, 30, "30 has no unit of time: did you mean 30s?"),
        (parse_duration, "30", "did you mean 30s?"),
        (parse_duration, "5 minutes", "did you mean 5m?"),
        (parse_duration, "2w", "did you mean 14d?"),
        (parse_duration, "1 day", "did you mean 1d?"),
        (parse_duration, "10 years", "'10 years' is not a duration (like"),
        (parse_duration, "4000d", "longer than the 3650d allowed"),
        (parse_duration, "-5s", "is not a duration"),
    ],
)
def test_refusals_say_what_was_meant(parse: object, written: object, message: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse(written)  # type: ignore[operator]
    assert message in str(caught.value)


def test_a_suggestion_can_itself_be_read() -> None:
    for parse, written in [(parse_size, 512), (parse_cpu, "2 cores"), (parse_duration, "5 min")]:
        with pytest.raises(QuantityError) as caught:
            parse(written)
        assert caught.value.suggestion is not None
        parse(caught.value.suggestion)


@pytest.mark.parametrize(
    ("format_", "value", "text"),
    [
        (format_cpu, NANO // 2, "500m"),
        (format_cpu, 2 * NANO, "2"),
        (format_cpu, 123, "0.000000123"),
        (format_cpu, 0, "0"),
        (format_size, 256 * MI, "256Mi"),
        (format_size, 10**9, "1G"),
        (format_size, 1_000_001, "1000001B"),
        (format_size, 0, "0"),
        (format_duration, 604800.0, "7d"),
        (format_duration, 90.0, "90s"),
        (format_duration, 300.0, "5m"),
        (format_duration, 0.25, "250ms"),
        (format_duration, 0.0, "0s"),
    ],
)
def test_formatting_takes_the_largest_exact_unit(format_: object, value: float, text: str) -> None:
    assert format_(value) == text  # type: ignore[operator]
