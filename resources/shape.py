"""What no document may hold, whatever its kind: checked by one bounded walk, before a model.

Invariant: what passes is finite JSON that every part of the system can carry: no NUL (PostgreSQL
refuses it), no lone surrogates, no number that JSON writers disagree about, no endless nesting,
at most 256 KiB. The walk itself ends on anything, cycles and alias bombs included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from resources.finding import Finding, Path
from resources.spec import MAX_SPEC_BYTES

MAX_DEPTH = 32
MAX_INTEGER = (1 << 63) - 1


def inspect(document: Any, root: Path) -> Finding | None:
    """The first thing that cannot be, or None. root: where the document stands."""
    budget = MAX_SPEC_BYTES
    stack: list[tuple[Any, Path]] = [(document, root)]
    limit = len(root) + MAX_DEPTH
    while stack:
        value, path = stack.pop()
        budget -= 2
        if isinstance(value, str):
            budget -= len(value) if value.isascii() else 2 * len(value)
            if (message := _text(value)) is not None:
                return Finding(path, message)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                if not isinstance(key, str):
                    return Finding(path, f"field names must be text, not {type(key).__name__}")
                if (message := _text(key)) is not None:
                    return Finding((*path, key), f"the name of this field {message}")
                budget -= len(key) + 3
                stack.append((item, (*path, key)))
        elif isinstance(value, list | tuple):
            stack.extend((item, (*path, index)) for index, item in enumerate(value))
        elif (message := _scalar(value)) is not None:
            return Finding(path, message)
        if len(path) > limit:
            return Finding(path[:limit], f"is nested deeper than {MAX_DEPTH} levels")
        if budget < 0 or len(stack) > MAX_SPEC_BYTES // 2:
            return Finding(root, f"is larger than {MAX_SPEC_BYTES // 1024} KiB")
    return None


def _text(text: str) -> str | None:
    if "\0" in text:
        return "must not contain a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "is not valid Unicode"
    return None


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "is too large a number" if abs(value) > MAX_INTEGER else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "must be a finite number"
    return f"must be JSON (text, number, boolean, list, map), not {type(value).__name__}"
