"""Declaration against rows: what is to be written, and what is gone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.sources.manifests.declaration import Declared, DeclaredSet, Problem
from resources.errors import UserError
from resources.meta import ANNOTATION_PROTECT, Key, Manifest, Resource, heeded
from resources.metadata import heeded_names, merged
from resources.registry import kinds

PROTECTED = "RESOURCE_PROTECTED"


@dataclass(frozen=True, slots=True)
class Comparison:
    """apply: in the order in which kinds depend on each other. absent: rows of this source that
    certainly no file declares, dependents first. shielded: rows of which that is not certain.
    total: rows of this source. problems: rows that cannot follow the files now."""

    apply: tuple[Declared, ...]
    absent: tuple[Key, ...]
    shielded: int
    total: int
    problems: tuple[Problem, ...] = ()


def compare(declaration: DeclaredSet, rows: Iterable[Resource], source: str) -> Comparison:
    by_key = {row.key: row for row in rows}
    order = {kind: rank for rank, kind in enumerate(kinds())}

    def rank(key: Key) -> tuple[int, Key]:
        return order.get(key.kind, len(order)), key

    apply: list[Declared] = []
    problems: list[Problem] = []
    for key in sorted(declaration.wanted, key=rank):
        declared, row = declaration.wanted[key], by_key.get(key)
        if row is not None and row.source == source and row.deleting:
            problems.append(_leaving(declared))
        elif not _same(row, declared.manifest, source):
            apply.append(declared)
    ours = [row for row in by_key.values() if row.source == source and not row.deleting]
    missing = [row for row in ours if not declaration.declares(row.key)]
    absent = [row for row in missing if declaration.absent(row.key)]
    problems += [_protected(row.key) for row in absent if _is_protected(row)]
    return Comparison(
        tuple(apply),
        tuple(sorted((r.key for r in absent if not _is_protected(r)), key=rank, reverse=True)),
        len(missing) - len(absent),
        len(ours),
        tuple(problems),
    )


def _same(row: Resource | None, manifest: Manifest, source: str) -> bool:
    """Would applying it change nothing?"""
    return (
        row is not None
        and row.source == source
        and dict(row.labels) == dict(manifest.labels)
        and merged(row.annotations, row.applied_annotations, manifest) == dict(row.annotations)
        and heeded_names(manifest.annotations) == row.applied_annotations
        and _canonical(row.spec) == _canonical(manifest.spec)
    )


def _is_protected(row: Resource) -> bool:
    return heeded(row.annotations, ANNOTATION_PROTECT) is not None


def _canonical(spec: Mapping[str, Any]) -> str:
    """Python holds ``True == 1``; JSON does not."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))


def _leaving(declared: Declared) -> Problem:
    return declared.located(
        UserError(
            "RESOURCE_BEING_DELETED",
            f"{declared.key.short} is being deleted; it is made again when that is done",
            retryable=True,
        )
    )


def _protected(key: Key) -> Problem:
    error = UserError(
        PROTECTED,
        f"{key.short} is declared by no file any more, but it is protected from deletion",
        suggestions=[
            f"to delete it: declare it again without {ANNOTATION_PROTECT}, then take it away",
            "to keep it: declare it again",
        ],
    )
    return Problem(error, key)
