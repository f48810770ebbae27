"""What a field is, in words: ``skyctl explain``. Read from the same schemas that editors use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resources.errors import UserError
from resources.finding import nearest
from resources.meta import API_VERSION
from resources.metadata import ANNOTATIONS_TOLD
from resources.registry import Kind
from resources.schema import spec_schema
from resources.validate import kind_named


def explain(kind: str, path: str = "") -> str:
    """What a field is, for people. path: ``update.order``, with or without ``spec.``.

    Raises UserError CONFIGURATION_UNKNOWN_KIND or CONFIGURATION_UNKNOWN_FIELD.
    """
    found = kind_named(kind)
    parts = [part.removesuffix("[]") for part in path.strip(".").split(".") if part]
    if parts[:1] == ["spec"]:
        parts = parts[1:]
    root = spec_schema(found.model)
    here: Mapping[str, Any] = root
    for depth, part in enumerate(parts):
        fields = _fields(here, root)
        if part not in fields:
            raise _unknown(found, parts[: depth + 1], list(fields))
        here = fields[part]
    lines = [f"KIND:     {found.name} ({API_VERSION})"]
    if parts:
        lines.append(f"FIELD:    {'.'.join(['spec', *parts])}")
        lines.append(f"TYPE:     {type_text(here, root, limit=100)}")
        if "default" in here:
            lines.append(f"DEFAULT:  {_literal(here['default'])}")
        if (examples := _examples(here)) and "enum" not in here:
            lines.append(f"EXAMPLES: {', '.join(_literal(e) for e in examples)}")
    text = _described(here, root) if parts else found.summary
    lines += ["", text or "", *_table(here, root)]
    if not parts:
        lines += [
            "",
            "ANNOTATIONS (metadata.annotations; null takes one away):",
            *_annotations(found),
        ]
    return "\n".join(lines).rstrip() + "\n"


def type_text(schema: Mapping[str, Any], root: Mapping[str, Any], limit: int = 8) -> str:
    """``text``, ``whole number 0..100``, ``list of map``, ``one of a, b``, ``size``."""
    schema = _resolved(schema, root)
    if "title" in schema:
        return str(schema["title"])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        words = [str(value) for value in schema["enum"]]
        more = [] if len(words) <= limit else ["..."]
        return f"one of {', '.join([*words[:limit], *more])}"
    if "anyOf" in schema:
        members = [s for s in schema["anyOf"] if s.get("type") != "null"]
        return " or ".join(dict.fromkeys(type_text(s, root, limit) for s in members))
    match schema.get("type"):
        case "array":
            return f"list of {type_text(schema.get('items', {}), root, limit)}"
        case "object":
            inner = schema.get("additionalProperties")
            return f"map of {type_text(inner, root, limit)}" if inner else "map"
        case "integer":
            return "whole number" + _range(schema)
        case "number":
            return "number" + _range(schema)
        case "boolean":
            return "boolean"
        case "string":
            return "text"
        case list() as several:
            return " or ".join(type_text({"type": one}, root) for one in several)
    return "anything"


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return f" {low}..{high}" if low is not None and high is not None else ""


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = root["$defs"][reference.rpartition("/")[2]]
    return found


def _fields(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Of a map, of a list's items, of whichever member of a union has any."""
    schema = _resolved(schema, root)
    if "properties" in schema:
        return dict(schema["properties"])
    if "items" in schema:
        return _fields(schema["items"], root)
    if isinstance(schema.get("additionalProperties"), dict):
        return _fields(schema["additionalProperties"], root)
    found: dict[str, Mapping[str, Any]] = {}
    for member in schema.get("anyOf", ()):
        found.update(_fields(member, root))
    return found


def _table(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    fields = _fields(schema, root)
    if not fields:
        return []
    resolved = _resolved(schema, root)
    required = set(resolved.get("required", ()))
    rows = []
    for name, field in fields.items():
        kind = type_text(field, root)
        if name in required:
            kind += ", required"
        elif "default" in field and field["default"] not in ([], {}):
            kind += f", default {_literal(field['default'])}"
        rows.append((name, f"<{kind}>", _described(field, root)))
    width = max(len(name) for name, _, _ in rows)
    lines = ["", "FIELDS:"]
    for name, kind, text in rows:
        lines.append(f"  {name:<{width}}  {kind}")
        lines.append(f"  {'':<{width}}    {text}")
    return lines


def _annotations(kind: Kind) -> list[str]:
    told = ANNOTATIONS_TOLD.items()
    heeded = [(n, t) for n, t in told if kind.name == "Service" or not t.startswith("Of a Service")]
    return [line for name, text in heeded for line in (f"  {name}", f"    {text}")]


def _described(field: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Its own description, else that of the map it is."""
    return str(field.get("description") or _resolved(field, root).get("description", ""))


def _examples(schema: Mapping[str, Any]) -> list[Any]:
    found = list(schema.get("examples", ()))
    for member in schema.get("anyOf", ()):
        found += member.get("examples", ())
    return found


def _literal(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _unknown(kind: Kind, parts: list[str], known: list[str]) -> UserError:
    meant = nearest(parts[-1], known)
    hint = f": did you mean '{meant}'?" if meant else ""
    where = ".".join(["spec", *parts[:-1]])
    return UserError(
        "CONFIGURATION_UNKNOWN_FIELD",
        f"{kind.name} has no field '{parts[-1]}' in {where}{hint}",
        details={"known": known},
        suggestions=[f"{where}.{meant}"] if meant else known[:5],
    )
