"""Which generation of a resource is in force: the newest if it can be read, else the last that
was accepted. What ran from it keeps running and being healed while the newest is refused."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.errors import UserError
from resources.memo import Memo
from resources.meta import Entry, Key, Manifest
from resources.registry import Kind
from resources.validate import validate, validate_manifest


@dataclass(frozen=True, slots=True)
class Effective:
    """spec: the model, or None when no generation can be read. rejection: why the newest cannot."""

    spec: Any
    generation: int
    rejection: UserError | None = None


def effective(entry: Entry) -> Effective:
    """Pure; remembered by the identity of the (immutable) entry."""
    known = _memo.get(id(entry))
    if known is not None and known[0] is entry:
        return known[1]
    found = _read(entry)
    _memo[id(entry)] = (entry, found)
    while len(_memo) > _REMEMBERED:
        _memo.popitem(last=False)
    return found


def references(kind: Kind, entry: Entry, found: Effective) -> tuple[Key, ...]:
    """The keys that concern a row: those of its spec in force, of the one accepted last, which
    takes its place while what the newest refers to is not there, and of the one that a failed
    rollout goes back to."""
    key, record = entry.key, entry.record
    refs = kind.refs(key, found.spec)
    if record.accepted_generation not in (None, found.generation):
        earlier = accepted(entry)
        if earlier is not None:
            refs = (*refs, *kind.refs(key, earlier))
    if (before := fallback(entry)) is not None:
        refs = (*refs, *kind.refs(key, before))
    return tuple(dict.fromkeys(refs))


def accepted(entry: Entry) -> Any:
    """The model of the spec that was accepted last, read once; None when there is none, or none
    that this release can read."""
    return _model(entry, entry.record.accepted_spec, _accepted)


def fallback(entry: Entry) -> Any:
    """The model of the spec that a failed rollout goes back to; None as of ``accepted``."""
    return _model(entry, entry.record.fallback, _fallback)


def _model(entry: Entry, raw: Mapping[str, Any] | None, memo: Memo[Any]) -> Any:
    if raw is None:
        return None

    def read() -> Any:
        try:
            return validate(entry.key.kind, raw)
        except UserError:
            return None

    return memo.get(entry.resource.uid, (raw,), read)


_accepted: Memo[Any] = Memo()
_fallback: Memo[Any] = Memo()
_REMEMBERED = 4096
_memo: OrderedDict[int, tuple[Entry, Effective]] = OrderedDict()


def _read(entry: Entry) -> Effective:
    resource, record = entry.resource, entry.record
    manifest = Manifest(
        resource.key, resource.spec, resource.labels, resource.annotations, resource.api_version
    )
    try:
        return Effective(validate_manifest(manifest), resource.generation)
    except UserError as error:
        earlier = accepted(entry)
        generation = resource.generation
        if earlier is not None and record.accepted_generation is not None:
            generation = record.accepted_generation
        return Effective(earlier, generation, error)
