"""Report: one status write per pass, in one place, skipped when nothing differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.metrics import METRICS
from controller.store.base import Store
from resources.meta import Entry


class StatusReporter:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def report(self, entry: Entry, status: Mapping[str, Any], *, epoch: int) -> bool:
        """True when something was written. Compared with what the store is known to hold before
        asking it, so a no-op pass costs it nothing."""
        resource = entry.resource
        METRICS.resources.reported(resource.key, status)
        if entry.status == status and entry.observed_generation == resource.generation:
            METRICS.passes.status_writes.labels("suppressed").inc()
            return False
        written = await self._store.write_status(
            resource.uid, resource.generation, status, epoch=epoch
        )
        METRICS.passes.status_writes.labels("written" if written else "suppressed").inc()
        return written


def material(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Did something change on which those who refer to this resource may depend?"""
    return _facts(before or {}) != _facts(after)


def _facts(status: Mapping[str, Any]) -> tuple[Any, ...]:
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    return (
        status.get("phase"),
        conditions,
        status.get("network"),
        status.get("engineName"),
    )
