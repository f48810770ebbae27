"""What a plain (unquoted) YAML scalar means: the core schema of YAML 1.2, made lossless.

Only ``true`` and ``false`` are booleans, so ``on``, ``off``, ``yes`` and ``no`` are text, and so
are dates, times (``12:30``), ``1_000`` and numbers with leading zeros (``0644``, ``01234``):
three YAML versions read those in three ways, and as text nothing of them is lost.
"""

from __future__ import annotations

import math
import re

from resources.document.node import Scalar

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_FIRST = frozenset("~nNtTfF0123456789+-.")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INT64 = range(-(1 << 63), 1 << 63)
_LONGEST = 64
"""No number of use has more characters, and Python's conversion is quadratic."""


class NotANumber(ValueError):
    """It looks like a number that nothing downstream can hold."""


def resolve(text: str) -> Scalar:
    """Raises NotANumber for numbers beyond 64 bits."""
    if text and text[0] not in _FIRST:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        return integer(text, 10 if text[1:2] not in ("o", "x") else 0)
    if _FLOAT.fullmatch(text):
        return real(text)
    return text


def integer(text: str, base: int = 10) -> int:
    if len(text) > _LONGEST or (value := int(text, base)) not in _INT64:
        raise NotANumber("this number does not fit in 64 bits")
    return value


def real(text: str) -> float:
    if len(text) > _LONGEST or not math.isfinite(value := float(text)):
        raise NotANumber("this number does not fit in 64 bits")
    return value
