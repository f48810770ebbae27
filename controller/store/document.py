"""What may stand in a JSON document of the store.

Users' documents are refused when they cannot be kept as they are. Ours (status, events) quote
containers' output, so what PostgreSQL cannot hold (NUL, lone surrogates) is taken out instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from resources.errors import UserError


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """A user's document as plain JSON, shared with nobody. Raises UserError
    CONFIGURATION_INVALID_SPEC when JSON, or jsonb, has no place for something in it."""
    try:
        text = orjson.dumps(value, default=_plain)
    except TypeError as error:
        raise UserError(
            "CONFIGURATION_INVALID_SPEC",
            f"it cannot be written as JSON: {error}",
            suggestions=["use text, numbers of at most 64 bits, booleans, lists and maps"],
        ) from error
    if b"\\u0000" in text and _has_nul(value):
        raise UserError(
            "CONFIGURATION_INVALID_SPEC",
            "it contains the character NUL, which cannot be stored",
            suggestions=["remove it, or encode the value"],
        )
    found: dict[str, Any] = orjson.loads(text)
    return found


def printable(text: str) -> str:
    """Without what PostgreSQL cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def storable(value: Any) -> Any:
    """The same for every text in a document of ours."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(_has_nul, value))
