"""Quantities as people write them: ``"500m"``, ``"256Mi"``, ``"7d"``; held as plain numbers.

cpu is held in billionths of a core, sizes in bytes, durations in seconds. What is ambiguous is
refused rather than guessed: a bare number under 1 MiB where a size is meant, a bare number
where a duration is meant. ``format_*`` are inverses: ``parse(format(x)) == x``.

The annotated types at the end (``Cpu``, ``Size``, ``Duration`` and their bounded forms) are what
models use: input is text or number, the model's value is the number, JSON output is text again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

KI, MI, GI, TI, PI = 1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 50

NANO = 1_000_000_000
MAX_CPU = 4096 * NANO
MAX_SIZE = PI
MAX_DURATION = 3650 * 86400.0
MAX_TEXT = 32

_BINARY = {"Ki": KI, "Mi": MI, "Gi": GI, "Ti": TI, "Pi": PI}
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_SIZES = {**_BINARY, **_DECIMAL, "K": 10**3, "B": 1, "": 1}
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_CPU = re.compile(rf"({_NUMBER})(m?)")
_SIZE = re.compile(rf"({_NUMBER})\s?([A-Za-z]*)")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhd]))+")


class QuantityError(ValueError):
    """Says what is wrong in words; ``suggestion`` is a value that was perhaps meant."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        text = f"{message}: did you mean {suggestion}?" if suggestion else message
        super().__init__(text)
        self.suggestion = suggestion


def parse_cpu(value: object) -> int:
    """``0.5``, ``"0.5"`` or ``"500m"`` -> billionths of a core. Raises ValueError."""
    if isinstance(value, str):
        found = _CPU.fullmatch(_short(value, "amount of cpu"))
        if found is None:
            raise QuantityError(
                f"{value!r} is not an amount of cpu (cores like 0.5, or thousandths like '500m')",
                _cpu_meant(value),
            )
        cores = Decimal(found[1]) / (1000 if found[2] else 1)
    else:
        cores = _number(value, "amount of cpu", "cores like 0.5, or thousandths like '500m'")
    if cores * NANO > MAX_CPU:
        raise QuantityError(
            f"{value} is more cpu than the {MAX_CPU // NANO} cores allowed",
            f"{value}m" if isinstance(value, int) and value <= MAX_CPU // 10**6 else None,
        )
    return round(cores * NANO)


def parse_size(value: object) -> int:
    """``"256Mi"``, ``"1G"``, ``"1.5Gi"`` or bytes -> bytes. Raises ValueError.

    A bare number above 0 and under 1 MiB is refused: mebibytes were meant, most likely.
    """
    if isinstance(value, str):
        found = _SIZE.fullmatch(_short(value, "size"))
        if found is None or found[2] not in _SIZES:
            raise QuantityError(
                f"{value!r} is not a size (like '256Mi', '10Gi', '1G', or bytes)",
                _size_meant(found[1], found[2]) if found else None,
            )
        amount, bare = Decimal(found[1]) * _SIZES[found[2]], not found[2]
    else:
        amount, bare = _number(value, "size", "like '256Mi', '10Gi', '1G', or bytes"), True
    if bare and 0 < amount < MI:
        raise QuantityError(f"{value} bytes is under 1 MiB", _with_unit(amount, "Mi"))
    if amount > MAX_SIZE:
        raise QuantityError(f"{value} is more than the {format_size(MAX_SIZE)} allowed")
    return int(amount)


def parse_duration(value: object) -> float:
    """``"30s"``, ``"5m"``, ``"1h30m"``, ``"250ms"`` or 0 -> seconds. Raises ValueError."""
    if isinstance(value, str):
        text = _short(value, "duration")
        if text == "0":
            return 0.0
        if _DURATION.fullmatch(text) is None:
            raise QuantityError(
                f"{value!r} is not a duration (like '30s', '5m', '1h30m', '7d')",
                _duration_meant(text),
            )
        parts = _DURATION_PART.findall(text)
        seconds = sum((Decimal(n) * _SECONDS[unit] for n, unit in parts), Decimal(0))
    else:
        seconds = _number(value, "duration", "like '30s', '5m', '1h30m', '7d'")
        if seconds:
            raise QuantityError(f"{value} has no unit of time", _with_unit(seconds, "s"))
    if seconds > MAX_DURATION:
        raise QuantityError(f"{value} is longer than the {format_duration(MAX_DURATION)} allowed")
    return float(seconds)


def format_cpu(nano_cpus: int) -> str:
    """``"2"``, ``"500m"``, or decimals where thousandths do not do."""
    if nano_cpus % NANO == 0:
        return str(nano_cpus // NANO)
    if nano_cpus % 1_000_000 == 0:
        return f"{nano_cpus // 1_000_000}m"
    return f"{Decimal(nano_cpus) / NANO:f}"


def format_size(size: int) -> str:
    """The largest unit that is exact: ``"256Mi"``, ``"1G"``, ``"1000001B"``."""
    if size == 0:
        return "0"
    for units in (_BINARY, _DECIMAL):
        for unit, factor in reversed(units.items()):
            if size % factor == 0:
                return f"{size // factor}{unit}"
    return f"{size}B"


def format_duration(seconds: float) -> str:
    """The largest unit that is exact: ``"7d"``, ``"5m"``, ``"90s"``, ``"250ms"``."""
    if seconds == 0:
        return "0s"
    exact = Decimal(repr(float(seconds)))
    for unit in ("d", "h", "m", "s", "ms"):
        if exact % _SECONDS[unit] == 0:
            return f"{exact / _SECONDS[unit]:.0f}{unit}"
    return f"{exact:f}s"


# ---------------------------------------------------------------- reading


def _short(text: str, what: str) -> str:
    if len(text) > MAX_TEXT:
        raise QuantityError(f"{_article(what)} of {len(text)} characters is too long")
    return text.strip(" ")


def _number(value: object, what: str, examples: str) -> Decimal:
    """A finite, non-negative JSON number, exactly as it would be written."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise QuantityError(f"expected {_article(what)} ({examples}), got {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise QuantityError(f"expected {_article(what)} ({examples}), got {value}")
    if value < 0:
        raise QuantityError(f"{_article(what)} is never negative")
    if value > 1e30:
        raise QuantityError(f"this {what} is too large")
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _article(what: str) -> str:
    return f"an {what}" if what.startswith("a") else f"a {what}"


def _kind(value: object) -> str:
    if value is None:
        return "nothing (null)"
    names = {bool: "a boolean", dict: "a map", list: "a list"}
    return names.get(type(value), f"a {type(value).__name__}")


def _with_unit(number: Decimal, unit: str) -> str | None:
    text = f"{number:f}"
    return f"{text}{unit}" if len(text) <= 12 else None


def _cpu_meant(text: str) -> str | None:
    """``"500 m"``, ``"2 cores"``, ``"0,5"``: what was perhaps meant."""
    found = re.fullmatch(r"\s*([0-9]+)(?:[.,]([0-9]+))?\s*(m|milli[a-z]*)?(?:v?c[a-z]+)?\s*", text)
    if found is None:
        return None
    number = f"{found[1]}.{found[2]}" if found[2] else found[1]
    return f"{number}m" if found[3] else number


def _size_meant(number: str, unit: str) -> str | None:
    letter = unit[:1].upper()
    if letter not in "KMGTP":
        return None
    return f"{number}{letter}i"


def _duration_meant(text: str) -> str | None:
    found = re.match(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)", text)
    if found is None:
        return None
    word = found[2].lower()
    if word in ("w", "week", "weeks"):
        return f"{int(Decimal(found[1]) * 7)}d"
    unit = "ms" if word.startswith(("ms", "milli")) else word[:1]
    return f"{found[1]}{unit or 's'}" if unit in ("", *_SECONDS) else None


# ---------------------------------------------------------------- types for models


def _between(
    parse: Callable[[object], Any], show: Callable[[Any], str], low: Any, high: Any = None
) -> PlainValidator:
    """Parse, then hold to bounds; both errors in the units that people write."""

    def validate(value: object) -> Any:
        amount = parse(value)
        if amount < low:
            raise QuantityError(f"{value} is less than the minimum of {show(low)}")
        if high is not None and amount > high:
            raise QuantityError(f"{value} is more than the maximum of {show(high)}")
        return amount

    return PlainValidator(validate)


_cpu_text = PlainSerializer(format_cpu, return_type=str, when_used="json")
_size_text = PlainSerializer(format_size, return_type=str, when_used="json")
_duration_text = PlainSerializer(format_duration, return_type=str, when_used="json")

_cpu_schema = WithJsonSchema(
    {
        "title": "cpu",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MAX_CPU // NANO},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?m?$", "maxLength": MAX_TEXT},
        ],
        "examples": [0.5, "500m"],
    }
)
_size_schema = WithJsonSchema(
    {
        "title": "size",
        "anyOf": [
            {
                "type": "string",
                "pattern": r"^[0-9]+(\.[0-9]+)?(B|[kKMGTP]|[KMGTP]i)?$",
                "maxLength": MAX_TEXT,
            },
            {"type": "integer", "minimum": MI, "maximum": MAX_SIZE},
            {"const": 0},
        ],
        "examples": ["256Mi", "10Gi"],
    }
)
_duration_schema = WithJsonSchema(
    {
        "title": "duration",
        "anyOf": [
            {
                "type": "string",
                "pattern": r"^(([0-9]+(\.[0-9]+)?(ms|[smhd]))+|0)$",
                "maxLength": MAX_TEXT,
            },
            {"const": 0},
        ],
        "examples": ["30s", "5m", "7d"],
    }
)

MIN_CPU_LIMIT = NANO // 100
MIN_MEMORY_LIMIT = 6 * MI

Cpu = Annotated[int, _between(parse_cpu, format_cpu, 0), _cpu_text, _cpu_schema]
"""Billionths of a core, 0 allowed (quotas)."""
CpuLimit = Annotated[int, _between(parse_cpu, format_cpu, MIN_CPU_LIMIT), _cpu_text, _cpu_schema]
"""A container's limit: at least a hundredth of a core, the engine's own minimum."""
Size = Annotated[int, _between(parse_size, format_size, 0), _size_text, _size_schema]
"""Bytes, 0 allowed (quotas)."""
StorageSize = Annotated[int, _between(parse_size, format_size, KI), _size_text, _size_schema]
"""Bytes of something that holds data: at least 1 KiB."""
MemoryLimit = Annotated[
    int, _between(parse_size, format_size, MIN_MEMORY_LIMIT), _size_text, _size_schema
]
"""A container's limit in bytes: at least 6 MiB, the engine's own minimum."""
Duration = Annotated[
    float, _between(parse_duration, format_duration, 0.0), _duration_text, _duration_schema
]
"""Seconds, 0 allowed."""
Period = Annotated[
    float, _between(parse_duration, format_duration, 0.001), _duration_text, _duration_schema
]
"""Seconds, more than 0 (deadlines)."""
CheckInterval = Annotated[
    float, _between(parse_duration, format_duration, 1.0, 3600.0), _duration_text, _duration_schema
]
"""Seconds between two health checks: more often is load without news."""
CheckTimeout = Annotated[
    float, _between(parse_duration, format_duration, 0.001, 60.0), _duration_text, _duration_schema
]
"""Seconds for one health check: what hangs must not hold a probe for long."""
