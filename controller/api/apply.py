"""Applying manifests, and showing beforehand what that would do.

Each document stands for itself: an invalid one is refused with where and why, the others go on.
All are validated before the first is written, and they are written in the order in which kinds
depend on each other, whatever their order in the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from controller.api.documents import difference_body, error_body
from controller.api.lookup import ActorOf, CoreOf
from controller.api.models import (
    ApplyRequest,
    ApplyResponse,
    ApplyResult,
    DifferenceBody,
    DiffRequest,
    DiffResponse,
)
from controller.api.ownership import refused
from controller.core import Core
from resources.document import interpret
from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.ownership import OWNED_ELSEWHERE
from resources.registry import kinds
from resources.validate import validate_manifest

router = APIRouter(tags=["apply"])

SOURCE = "api"
SECRET = "Secret"


@dataclass(frozen=True, slots=True)
class _Read:
    """One document of the request: a manifest, or why it is none."""

    index: int
    raw: Any
    manifest: Manifest | None
    error: UserError | None = None

    def result(self, action: str, **known: Any) -> ApplyResult:
        kind, organization, name = (
            self.manifest.key if self.manifest is not None else _claimed(self.raw)
        )
        return ApplyResult(
            index=self.index,
            kind=kind,
            organization=organization,
            name=name,
            action=action,
            error=error_body(self.error),
            **known,
        )


@router.post("/apply")
async def apply(core: CoreOf, actor: ActorOf, body: ApplyRequest) -> ApplyResponse:
    """One result per document, in the order of the request. 200 also when some were refused."""
    read = _read(body.manifests)
    results = {item.index: item.result("refused") for item in read if item.error is not None}
    for item in _ordered(item for item in read if item.error is None):
        results[item.index] = await _write(core, item, actor, body.dry_run)
    return ApplyResponse(
        dry_run=body.dry_run, results=[results[index] for index in sorted(results)]
    )


async def _write(core: Core, item: _Read, actor: str | None, dry_run: bool) -> ApplyResult:
    assert item.manifest is not None
    try:
        manifest = await _sealed(core, item.manifest)
        applied = await core.store.apply(manifest, source=SOURCE, actor=actor, dry_run=dry_run)
    except UserError as error:
        known = await _explained(core, item.manifest.key, error)
        return _Read(item.index, item.raw, item.manifest, known).result("refused")
    return item.result(applied.action, uid=applied.uid, generation=applied.generation)


async def _sealed(core: Core, manifest: Manifest) -> Manifest:
    """From here on without plain values."""
    if manifest.key.kind != SECRET or "data" not in manifest.spec:
        return manifest
    entry = await core.store.entry(manifest.key)
    return await core.vault.sealed(manifest, entry.resource if entry is not None else None)


async def _explained(core: Core, key: Key, error: UserError) -> UserError:
    """The store knows that it refuses; the row knows where to go instead."""
    if error.code != OWNED_ELSEWHERE or (entry := await core.store.entry(key)) is None:
        return error
    return refused(entry.resource)


@router.post("/diff")
async def diff(core: CoreOf, body: DiffRequest) -> DiffResponse:
    """What applying them together would do to the engine, step by step; nothing is written."""
    read = _read(body.manifests)
    manifests = [
        await _sealed(core, item.manifest) for item in read if item.error is None and item.manifest
    ]
    found = await core.preview.diff(manifests, SOURCE)
    return DiffResponse(
        differences=[
            *(_refusal(item) for item in read if item.error is not None),
            *(difference_body(difference) for difference in found),
        ]
    )


def _refusal(item: _Read) -> DifferenceBody:
    result = item.result("refused")
    return DifferenceBody(
        kind=result.kind,
        organization=result.organization,
        name=result.name,
        action="refused",
        error=result.error,
    )


def _read(documents: Sequence[Any]) -> list[_Read]:
    """The second document of a name is refused: which one was meant, nobody can tell."""
    seen: dict[Key, int] = {}
    found: list[_Read] = []
    for index, raw in enumerate(documents):
        try:
            manifest = interpret(raw)
            validate_manifest(manifest)
            if (first := seen.setdefault(manifest.key, index)) != index:
                raise _twice(manifest.key, first, index)
        except UserError as error:
            found.append(_Read(index, raw, None, error))
        else:
            found.append(_Read(index, raw, manifest))
    return found


def _twice(key: Key, first: int, index: int) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"{key.short} is declared twice, by documents {first + 1} and {index + 1}",
        suggestions=["keep one of them"],
    )


def _ordered(items: Any) -> list[_Read]:
    order = {name: number for number, name in enumerate(kinds())}
    return sorted(items, key=lambda i: (order[i.manifest.key.kind], i.index))


def _claimed(raw: Any) -> tuple[str, str, str]:
    """What a refused document says about itself, for finding it again."""
    fields = raw if isinstance(raw, dict) else {}
    metadata = fields.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    values = fields.get("kind"), metadata.get("organization"), metadata.get("name")
    kind, organization, name = (v[:80] if isinstance(v, str) else "" for v in values)
    return kind, organization, name
