"""Short ways to write what the cases need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.store.base import Store
from resources.meta import Entry, Key, Manifest
from resources.store_steps import Accept, Finalize, StoreStep

WEB = Key("Service", "acme", "web")
DATA = Key("Volume", "acme", "data")
ACME = Key("Organization", "", "acme")
CAUSE = "test"


def manifest(key: Key = WEB, spec: Mapping[str, Any] | None = None, **more: Any) -> Manifest:
    return Manifest(key, {"image": "nginx:1.27"} if spec is None else spec, **more)


async def put(store: Store, key: Key = WEB, spec: Mapping[str, Any] | None = None) -> Entry:
    await store.apply(manifest(key, spec), source="sql")
    return await get(store, key)


async def get(store: Store, key: Key = WEB) -> Entry:
    entry = await store.entry(key)
    assert entry is not None
    return entry


async def record(store: Store, entry: Entry, epoch: int, *steps: StoreStep) -> Entry | None:
    """The row after it, which is also what ``record`` says it is."""
    said = await store.record(entry.resource.uid, steps, epoch=epoch)
    found = await store.entry(entry.key)
    assert said == found
    return found


async def accept(store: Store, entry: Entry, epoch: int) -> Entry:
    step = Accept(cause=CAUSE, generation=entry.resource.generation)
    found = await record(store, entry, epoch, step)
    assert found is not None
    return found


async def remove(store: Store, key: Key, epoch: int) -> None:
    entry = await get(store, key)
    await store.delete(key, source=None)
    await store.record(entry.resource.uid, [Finalize(cause=CAUSE)], epoch=epoch)


def reasons(events: Sequence[Any]) -> list[str]:
    return [event.reason for event in events]
