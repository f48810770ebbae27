"""What differs between two declarations, one line per leaf: ``replicas: 2 -> 3``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_SHOWN = 60


def spec_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Paths are dotted, list items by index. Long values are cut."""
    return list(_compare("", old, new))


def _compare(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(n for n in new if n not in old)]:
            yield from _compare(f"{path}.{name}" if path else name, *_pair(old, new, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _compare(f"{path}[{index}]", before, after)
    elif old != new:
        yield f"{path}: {_show(old)} -> {_show(new)}"


_ABSENT = object()


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return old.get(name, _ABSENT), new.get(name, _ABSENT)


def _show(value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
