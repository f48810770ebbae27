"""From the model library's complaints to findings that people can act on.

pydantic reports one complaint per member of a union and puts the member's name into the path.
Here the path is walked along the input, so that it becomes a JSON pointer, and the complaints of
one union become one finding: of the member that was evidently meant, else "expected this or that".
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from resources import compose
from resources.finding import Finding, Path, nearest, presentable, shown
from resources.quantity import QuantityError

REQUIRED = "is required"
UNKNOWN_FIELD = "unknown field"

_SYNONYMS = {
    "env": "environment",
    "envs": "environment",
    "scale": "replicas",
    "instances": "replicas",
    "entrypoint": "command",
    "cmd": "args",
    "mounts": "volumes",
    "livenessprobe": "healthCheck",
    "readinessprobe": "healthCheck",
    "probe": "healthCheck",
    "restartpolicy": "restart",
    "limits": "resources",
    "mem": "memory",
    "cpus": "cpu",
    "port": "containerPort",
    "target": "mountPath",
    "path": "mountPath",
    "source": "volume",
    "capacity": "size",
    "storage": "size",
    "strategy": "update",
    "networks": "network",
}

_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_DIGITS = {word: str(number) for number, word in enumerate(_WORDS)}
_NOUNS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a map",
    "dict_type": "a map",
    "mapping_type": "a map",
    "tuple_type": "a list",
    "list_type": "a list",
    "none_required": "nothing",
}


@dataclass(frozen=True, slots=True)
class _Complaint:
    """tags: where a union's member was named: (position in path, member)."""

    path: Path
    tags: tuple[tuple[int, str], ...]
    kind: str
    error: Mapping[str, Any]


def findings(error: ValidationError, model: type[BaseModel], document: Any) -> list[Finding]:
    """At least one. Paths begin with ``spec``; in the order of the document's model."""
    complaints = [_complaint(item, model, document) for item in error.errors(include_url=False)]
    return _without_typos(_settle(complaints, model, 0))


def _without_typos(found: list[Finding]) -> list[Finding]:
    """A required field that is only misspelt is one mistake, not two."""
    meant = {(*f.path[:-1], f.suggestion) for f in found if f.message.startswith(UNKNOWN_FIELD)}
    return [f for f in found if f.message != REQUIRED or f.path not in meant]


def _complaint(error: Mapping[str, Any], model: type[BaseModel], document: Any) -> _Complaint:
    """Separates the path from the names of union members. A part that is neither in the input
    nor a field of the model there is such a name."""
    path: list[str | int] = []
    tags: list[tuple[int, str]] = []
    here = document
    location: Sequence[str | int] = error["loc"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if _holds(here, part):
            here = here[part]
        elif last and error["type"] in ("missing", "extra_forbidden"):
            pass
        elif any(part in _fields(holder) for holder in _models_at(model, tuple(path))):
            here = None
        elif part == "[key]":
            break
        else:
            tags.append((len(path), str(part)))
            continue
        path.append(part)
    return _Complaint(tuple(path), tuple(tags), error["type"], error)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _settle(complaints: list[_Complaint], model: type[BaseModel], level: int) -> list[Finding]:
    """Complaints without a union at this level stand; those of one union become one finding."""
    complaints = [each for each in complaints if not _shortened(each)] or complaints
    groups: dict[Any, list[_Complaint]] = {}
    for index, complaint in enumerate(complaints):
        united = len(complaint.tags) > level
        key = complaint.path[: complaint.tags[level][0]] if united else index
        groups.setdefault(key, []).append(complaint)
    found: list[Finding] = []
    for key, group in groups.items():
        if isinstance(key, tuple):
            found.extend(_union(key, group, model, level))
        else:
            found.append(_finding(group[0], model))
    return found


def _union(
    where: Path, group: list[_Complaint], model: type[BaseModel], level: int
) -> list[Finding]:
    members: dict[str, list[_Complaint]] = {}
    for complaint in group:
        members.setdefault(complaint.tags[level][1], []).append(complaint)
    meant = [
        complaints
        for complaints in members.values()
        if not all(c.path == where and _misfit(c) for c in complaints)
    ]
    if meant:
        best = min(meant, key=len)
        return _settle(best, model, level + 1)
    literals = [c for c in group if c.kind == "literal_error"]
    value = group[0].error.get("input")
    if literals and isinstance(value, str):
        return [_finding(literals[0], model)]
    nouns = list(dict.fromkeys(_noun(complaint) for complaint in group))
    text = ", ".join(nouns[:-1]) + f" or {nouns[-1]}" if len(nouns) > 1 else nouns[0]
    return [Finding(("spec", *where), f"expected {text}, got {_got(value)}", value)]


def _shortened(complaint: _Complaint) -> bool:
    """Too short only without its members that are wrong, which have complaints of their own."""
    error, least = complaint.error, (complaint.error.get("ctx") or {}).get("min_length", 0)
    value = error.get("input")
    return complaint.kind == "too_short" and isinstance(value, list) and len(value) >= least


def _misfit(complaint: _Complaint) -> bool:
    """The input is not even of the member's type."""
    return complaint.kind in _NOUNS or complaint.kind == "literal_error"


def _noun(complaint: _Complaint) -> str:
    if complaint.kind == "literal_error":
        return f"one of {complaint.error['ctx']['expected']}"
    return _NOUNS[complaint.kind]


def _finding(complaint: _Complaint, model: type[BaseModel]) -> Finding:
    error, path = complaint.error, ("spec", *complaint.path)
    value = error.get("input")
    match complaint.kind:
        case "missing":
            return Finding(path, REQUIRED)
        case "extra_forbidden":
            return _unknown_field(complaint, model)
        case "literal_error":
            return _not_one_of(path, value, error["ctx"]["expected"])
        case "value_error":
            cause = error.get("ctx", {}).get("error", error["msg"])
            suggestion = cause.suggestion if isinstance(cause, QuantityError) else None
            return Finding(path, str(cause), value, suggestion)
        case kind if kind in _NOUNS:
            return _wrong_type(path, value, _NOUNS[kind])
    limit = _bound(complaint.kind, error)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Finding(path, f"{limit}, not {value}" if number else limit, value)


def _bound(kind: str, error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "less_than":
            return f"must be less than {context['lt']}"
        case "too_long":
            return f"has more than the {context['max_length']} items allowed"
        case "too_short":
            return f"needs at least {_counted(context['min_length'], 'item')}"
        case "string_too_long":
            return f"is longer than the {context['max_length']} characters allowed"
        case "string_too_short":
            return f"needs at least {_counted(context['min_length'], 'character')}"
        case "string_pattern_mismatch":
            return f"does not have the form {context['pattern']}"
        case "string_unicode":
            return "is not valid Unicode"
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _wrong_type(path: Path, value: Any, noun: str) -> Finding:
    message = f"expected {noun}, got {_got(value)}"
    meant: str | None = None
    if noun == "a map" and (form := compose.meant(path, value)) is not None:
        return Finding(path, f"{message}: write {form}", value, form)
    if noun == "a map" and (form := compose.listed_environment(path, value)) is not None:
        return Finding(path, f"{message}: {form}", value)
    if isinstance(value, str) and len(value) < 20:
        if noun.endswith("number") and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            meant = value
        elif noun.endswith("number") and value.lower() in _DIGITS:
            meant = _DIGITS[value.lower()]
            return Finding(path, f"{message}: did you mean {meant}?", value, meant)
        elif noun == "true or false" and value.lower() in ("true", "yes", "on", "1"):
            meant = "true"
        elif noun == "true or false" and value.lower() in ("false", "no", "off", "0"):
            meant = "false"
        if meant is not None:
            message += f": did you mean {meant} without quotes?"
    elif noun == "text" and isinstance(value, bool | int | float) and presentable(path, value):
        meant = f'"{str(value).lower()}"'
        message += f": did you mean {meant}?"
    elif noun == "a list" and isinstance(value, str | int):
        message += ": write each item on a line of its own, after '- '"
    return Finding(path, message, value, meant)


def _got(value: Any) -> str:
    names: dict[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "text"}
    if value is None:
        return "nothing (null)"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float) and not value.is_integer():
        return f"{value}"
    return names.get(type(value), f"a {type(value).__name__}")


def _not_one_of(path: Path, value: Any, expected: str) -> Finding:
    allowed = re.findall(r"'([^']*)'", expected) or [expected]
    listing = ", ".join(allowed)
    if not isinstance(value, str):
        return Finding(path, f"must be one of {listing}, got {_got(value)}", value)
    meant = nearest(value, allowed)
    hint = f": did you mean '{meant}'?" if meant else ""
    return Finding(path, f"must be one of {listing}, not '{shown(value)}'{hint}", value, meant)


# ---------------------------------------------------------------- unknown fields


def _unknown_field(complaint: _Complaint, model: type[BaseModel]) -> Finding:
    path = ("spec", *complaint.path)
    name = str(complaint.path[-1])
    holders = list(_models_at(model, complaint.path[:-1]))
    meant = _field_meant(name, holders)
    odd = "" if name.isascii() else " (it has characters that only look like Latin ones)"
    hint = f": did you mean '{meant}'?" if meant else ""
    if not hint and holders:
        fields = sorted(_fields(holders[0]))
        hint = f"; known are {', '.join(fields)}" if len(fields) <= 8 else ""
    return Finding(path, f"{UNKNOWN_FIELD}{odd}{hint}", None, meant)


def _field_meant(name: str, holders: Sequence[type[BaseModel]]) -> str | None:
    known = [field for holder in holders for field in _fields(holder)]
    synonym = _SYNONYMS.get(name.lower().replace("_", ""))
    if synonym in known:
        return synonym
    for holder in holders:
        for field, info in _fields(holder).items():
            for inner in models_in(info.annotation):
                if name in _fields(inner):
                    return f"{field}.{name}"
    return nearest(name, known)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _models_at(model: type[BaseModel], path: Path) -> Iterable[type[BaseModel]]:
    """The models that may stand at that path: several where a union does."""
    here: list[Any] = [model]
    for part in path:
        below: list[Any] = []
        for annotation in here:
            for inner in _alternatives(annotation):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    info = _fields(inner).get(str(part))
                    below.extend([info.annotation] if info else [])
                elif get_origin(inner) in (tuple, list, dict):
                    below.append([a for a in get_args(inner) if a is not Ellipsis][-1])
        here = below
    for annotation in here:
        yield from models_in(annotation)


def models_in(annotation: Any, *, inside: bool = False) -> Iterable[type[BaseModel]]:
    """The models that a field may hold; inside: also those in its lists and maps."""
    for inner in _alternatives(annotation):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield inner
        elif inside and get_origin(inner) in (tuple, list, dict):
            for item in get_args(inner):
                yield from models_in(item, inside=True)


def _alternatives(annotation: Any) -> Iterable[Any]:
    """Through ``Annotated`` and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation
