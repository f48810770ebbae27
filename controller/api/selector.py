"""Label selectors as in kubectl: ``app=web,tier!=db,env in (dev,test),canary,!legacy``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from resources.errors import UserError

Matcher = Callable[[Mapping[str, str]], bool]

_KEY = r"[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9_.-]*"
_EQUALS = re.compile(rf"(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})")
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EXISTS = re.compile(rf"(?P<op>!?)\s*(?P<key>{_KEY})")
_COMMA = re.compile(r",(?![^(]*\))")


def parse_selector(text: str | None) -> Matcher:
    """All terms must hold; no text matches everything. Raises UserError."""
    terms = [_term(part.strip()) for part in _COMMA.split(text)] if text else []
    return lambda labels: all(term(labels) for term in terms)


def _term(text: str) -> Matcher:
    if found := _EQUALS.fullmatch(text):
        key, value, equal = found["key"], found["value"], found["op"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if found := _SET.fullmatch(text):
        key, inside = found["key"], found["op"] == "in"
        values = {value.strip() for value in found["values"].split(",")}
        return lambda labels: (labels.get(key) in values) is inside
    if found := _EXISTS.fullmatch(text):
        key, present = found["key"], not found["op"]
        return lambda labels: (key in labels) is present
    raise UserError(
        "CONFIGURATION_INVALID_SELECTOR",
        f"cannot read the selector {text!r}",
        suggestions=["write it like app=web, tier!=db, env in (dev,test), canary or !canary"],
    )
