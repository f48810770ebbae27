"""Volume: data that outlives whoever uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.meta import Entry, Key
from resources.naming import volume_identity
from resources.registry import Kind
from resources.volume.plan import plan
from resources.volume.spec import VolumeSpec
from resources.volume.status import status
from resources.world import Scope

__all__ = ["VOLUME", "VolumeSpec"]


def _refs(key: Key, _spec: Any) -> tuple[Key, ...]:
    return (Key("Organization", "", key.organization),)


def _scope(entry: Entry, spec: Any, _refs: Mapping[Key, Entry | None]) -> Scope:
    name = volume_identity(entry).engine_name
    uids = {entry.resource.uid}
    if spec is not None and spec.adopt is not None and not entry.record.volume_created:
        uids.add(spec.adopt)
    return Scope(uids=frozenset(uids), volumes=frozenset({name}), mounting=frozenset({name}))


VOLUME = Kind(
    name="Volume",
    plural="Volumes",
    short="vol",
    namespaced=True,
    model=VolumeSpec,
    refs=_refs,
    scope=_scope,
    plan=plan,
    status=status,
    summary="Data that outlives whoever uses it.",
)
