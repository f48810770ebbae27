"""What may stand in ``metadata``: names, labels for selection, annotations.

Labels under the prefixes of the engine, the router and ourselves are refused: they would reach
the engine as identity. Annotations under ``skypanel.io/`` are an interface: unknown ones are
mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from resources.finding import Finding, nearest, shown
from resources.meta import (
    ANNOTATION_PAUSED,
    ANNOTATION_PROTECT,
    ANNOTATION_RESTARTED_AT,
    Manifest,
)
from resources.spec import dns_label_problem, is_dns_label

MAX_LABELS = 64
MAX_ANNOTATIONS = 64
MAX_ANNOTATION_BYTES = 64 * 1024

RESERVED_LABELS = ("io.skypanel.", "com.docker.", "traefik.", "skypanel.io/")
OWN_ANNOTATIONS = "skypanel.io/"
KNOWN_ANNOTATIONS = (ANNOTATION_RESTARTED_AT, ANNOTATION_PAUSED, ANNOTATION_PROTECT)
ANNOTATIONS_TOLD = {
    ANNOTATION_RESTARTED_AT: "Of a Service: any new value rolls it.",
    ANNOTATION_PAUSED: "Of a Service: a reason; nothing of it is changed or healed.",
    ANNOTATION_PROTECT: "Any value: deletion is refused, also of an Organization that holds it.",
}
"""What each is for. '' and 'false' switch paused and protect off."""

_KEY = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?",
    re.ASCII,
)
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def merged(
    current: Mapping[str, str], applied: Iterable[str], manifest: Manifest
) -> dict[str, str]:
    """Annotations after applying a manifest: those that the controller heeds stay when it does not
    mention them, unless the manifest applied before had set them; all others are as it says.
    applied: what that one had set."""
    gone = {*applied, *manifest.removed}
    kept = {
        name: text
        for name, text in current.items()
        if name.startswith(OWN_ANNOTATIONS) and name not in gone
    }
    return kept | dict(manifest.annotations)


def heeded_names(annotations: Iterable[str]) -> tuple[str, ...]:
    """Those that the controller heeds, in order."""
    return tuple(sorted(name for name in annotations if name.startswith(OWN_ANNOTATIONS)))


def inspect_name(name: Any) -> list[Finding]:
    path = ("metadata", "name")
    if not isinstance(name, str):
        return [Finding(path, "is required" if name is None else "must be text", name)]
    if is_dns_label(name):
        return []
    folded = re.sub(r"[^a-z0-9]+", "-", name[:63].lower()).strip("-")
    meant = folded if is_dns_label(folded) else None
    hint = f": did you mean '{meant}'?" if meant else ""
    return [Finding(path, dns_label_problem(name) + hint, name, meant)]


def inspect_organization(kind: str, belongs: bool | None, organization: Any) -> list[Finding]:
    """belongs: does the kind belong to an organization? None: it may."""
    path = ("metadata", "organization")
    if belongs is None and not organization:
        return []
    if belongs is False:
        return (
            [Finding(path, f"must be absent for kind {kind}", organization)] if organization else []
        )
    if not organization:
        return [Finding(path, f"is required for kind {kind}")]
    if not isinstance(organization, str):
        return [Finding(path, "must be text", organization)]
    if not is_dns_label(organization):
        return [Finding(path, dns_label_problem(organization), organization)]
    return []


def inspect_labels(labels: Any) -> list[Finding]:
    root = ("metadata", "labels")
    if not isinstance(labels, Mapping):
        return [Finding(root, "must be a map of text to text")]
    if len(labels) > MAX_LABELS:
        return [Finding(root, f"has more than the {MAX_LABELS} labels allowed")]
    found: list[Finding] = []
    for key, value in labels.items():
        path = (*root, str(key))
        if (problem := _key_problem(key)) is not None:
            found.append(Finding(path, problem))
        elif str(key).lower().startswith(RESERVED_LABELS):
            found.append(Finding(path, f"labels under {_prefix(key)!r} are reserved"))
        elif not isinstance(value, str):
            found.append(_not_text(path, value))
        elif _VALUE.fullmatch(value) is None:
            found.append(
                Finding(
                    path,
                    "the value may have at most 63 letters, digits, '-', '_' and '.', with a "
                    "letter or digit at both ends; free text goes into annotations",
                    value,
                )
            )
    return found


def inspect_annotations(annotations: Any) -> list[Finding]:
    """A value of null takes the annotation away."""
    root = ("metadata", "annotations")
    if not isinstance(annotations, Mapping):
        return [Finding(root, "must be a map of text to text")]
    if len(annotations) > MAX_ANNOTATIONS:
        return [Finding(root, f"has more than the {MAX_ANNOTATIONS} annotations allowed")]
    found: list[Finding] = []
    size = 0
    for key, value in annotations.items():
        path = (*root, str(key))
        if (problem := _key_problem(key)) is not None:
            found.append(Finding(path, problem))
        elif value is not None and not isinstance(value, str):
            found.append(_not_text(path, value))
        elif str(key).startswith(OWN_ANNOTATIONS) and key not in KNOWN_ANNOTATIONS:
            found.append(_unknown_annotation(path, str(key)))
        else:
            size += len(key) + len(value or "")
    if size > MAX_ANNOTATION_BYTES:
        found.append(Finding(root, f"is larger than {MAX_ANNOTATION_BYTES // 1024} KiB"))
    return found


def _unknown_annotation(path: tuple[str, ...], key: str) -> Finding:
    meant = nearest(key, KNOWN_ANNOTATIONS)
    hint = f": did you mean '{meant}'?" if meant else ""
    known = ", ".join(KNOWN_ANNOTATIONS)
    return Finding(
        path, f"unknown annotation under {OWN_ANNOTATIONS!r} ({known}){hint}", None, meant
    )


def _not_text(path: tuple[str, ...], value: Any) -> Finding:
    if isinstance(value, bool | int | float):
        meant = f'"{str(value).lower()}"'
        return Finding(path, f"the value must be text: did you mean {meant}?", value, meant)
    return Finding(path, "the value must be text")


def _key_problem(key: Any) -> str | None:
    if not isinstance(key, str):
        return f"the key must be text, not {type(key).__name__}"
    if _KEY.fullmatch(key) is None:
        return (
            f"'{shown(key)}' is not a key (63 letters, digits, '-', '_' and '.', perhaps after a "
            "DNS name and '/')"
        )
    return None


def _prefix(key: str) -> str:
    return next(prefix for prefix in RESERVED_LABELS if key.lower().startswith(prefix))
