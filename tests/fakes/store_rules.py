"""The rules of ``schema/003_resources.sql`` once more, for the fake. The contract tests run the
same refusals against both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from resources.errors import UserError
from resources.meta import ANNOTATION_PROTECT, Key
from tests.fakes.store_secrets import MAX_SPEC, check_secret, text_size

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCOPES = {
    "Organization": "none",
    "Template": "none",
    "CaasConfiguration": "none",
    "Secret": "either",
    **dict.fromkeys(
        (
            "Service",
            "Volume",
            "Domain",
            "TemplateInstance",
            "VolumeBackup",
            "VolumeRestore",
            "AlertPolicy",
        ),
        "required",
    ),
}
MAX_TEXTS, MAX_DEPTH = 65536, 64


def invalid(message: str, hint: str) -> UserError:
    return UserError("CONFIGURATION_INVALID_SPEC", message, suggestions=[hint])


def check_key(key: Key) -> None:
    kind, organization, name = key
    rule = "use 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
    scope = _SCOPES.get(kind)
    if scope is None:
        raise invalid(
            f"there is no kind '{kind[:80]}'",
            "this version carries out Organization, Volume, Secret, Service and Domain",
        )
    if not _LABEL.fullmatch(name):
        raise invalid(f"name '{name[:80]}' is not a DNS label", rule)
    if scope == "none" and organization:
        raise invalid(
            f"a {kind} belongs to no organization, yet organization is '{organization[:80]}'",
            "leave organization out, or write the empty string",
        )
    if scope == "required" and not organization:
        raise invalid(
            f"a {kind} needs an organization",
            "set organization to the name of an Organization resource",
        )
    if organization and not _LABEL.fullmatch(organization):
        raise invalid(f"organization '{organization[:80]}' is not a DNS label", rule)


def check_spec(kind: str, spec: Mapping[str, Any]) -> None:
    size = text_size(spec)
    if size > MAX_SPEC:
        raise invalid(
            f"spec has {size} bytes; at most {MAX_SPEC} (256 KiB) are allowed",
            "put large content into a volume or an image",
        )
    if _deeper(spec, MAX_DEPTH):
        raise invalid("spec is nested deeper than 64 levels", "no field of any kind needs that")
    if kind == "Secret":
        check_secret(spec)


def check_texts(field: str, value: Mapping[str, str]) -> None:
    hint = f'write for example \'{{"tier": "web"}}\' as {field}'
    if not all(isinstance(text, str) for text in value.values()):
        raise invalid(f"{field} must have strings as values", hint)
    size = text_size(value)
    if size > MAX_TEXTS:
        raise invalid(
            f"{field} has {size} bytes; at most {MAX_TEXTS} are allowed", f"keep {field} short"
        )


def _deeper(value: Any, levels: int) -> bool:
    """Is something nested more than so many levels inside?"""
    children = (
        value.values()
        if isinstance(value, Mapping)
        else value
        if isinstance(value, list | tuple)
        else ()
    )
    return any(levels == 0 or _deeper(child, levels - 1) for child in children)


def being_deleted(kind: str, name: str) -> UserError:
    return UserError(
        "RESOURCE_BEING_DELETED",
        f"{kind}/{name} is being deleted",
        suggestions=["wait until its row is gone, then insert it again"],
        retryable=True,
    )


def owned(key: Key, owner: str, writer: str, verb: str) -> UserError:
    place = f" --org {key.organization}" if key.organization else ""
    return UserError(
        "RESOURCE_OWNED_ELSEWHERE",
        f"{key.short} belongs to {owner}; {writer} may not {verb} it",
        suggestions=[
            "change it where it comes from, or take it over:"
            f" skyctl adopt {key.kind.lower()}/{key.name}{place} --source {writer}"
        ],
    )


def protected(annotations: Mapping[str, str]) -> bool:
    return annotations.get(ANNOTATION_PROTECT, "") not in ("", "false")


def same_json(a: Any, b: Any) -> bool:
    """As jsonb compares: numbers by value, but true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same_json, a, b))
    return bool(a == b)
