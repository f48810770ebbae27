"""Whatever is written, a number or a ``ValueError`` comes out; and formatting is the inverse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import quantity as q

ANYTHING = st.one_of(
    st.text(max_size=60),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,6})? ?[a-zA-Z]{0,3}", fullmatch=True),
)


@given(ANYTHING)
def test_reading_ends_in_a_bounded_number_or_a_value_error(value: object) -> None:
    for parse, bound in (
        (q.parse_cpu, q.MAX_CPU),
        (q.parse_size, q.MAX_SIZE),
        (q.parse_duration, q.MAX_DURATION),
    ):
        found, message = _read(parse, value)
        assert 0 < len(message) < 400 if found is None else 0 <= found <= bound


@given(st.integers(0, q.MAX_CPU))
def test_cpu_comes_back(nano: int) -> None:
    assert q.parse_cpu(q.format_cpu(nano)) == nano


@given(st.integers(0, q.MAX_SIZE))
def test_size_comes_back(size: int) -> None:
    assert q.parse_size(q.format_size(size)) == size


@given(st.integers(0, int(q.MAX_DURATION * 1000)))
def test_duration_comes_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert q.parse_duration(q.format_duration(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(ANYTHING)
def test_a_suggestion_can_be_read(value: object) -> None:
    for parse in (q.parse_cpu, q.parse_size, q.parse_duration):
        found, message = _read(parse, value)
        if found is None and "did you mean " in message:
            meant = message.rpartition("did you mean ")[2].removesuffix("?")
            found, message = _read(parse, meant)
            assert found is not None or "allowed" in message


def _read(parse: Callable[[object], float], value: object) -> tuple[float | None, str]:
    try:
        return parse(value), ""
    except ValueError as error:
        return None, str(error)
