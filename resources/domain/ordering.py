"""Attempts to have a certificate ordered, as a Domain's status tells of them."""

from __future__ import annotations

from datetime import datetime

from resources.meta import Entry
from resources.routing.world import Attempt


def told(entry: Entry | None, hostname: str) -> Attempt:
    """Of that very hostname."""
    status = (entry.status if entry is not None else None) or {}
    found = (status.get("certificate") or {}) if status.get("hostname") == hostname else {}
    due = found.get("nextAttempt")
    return Attempt(found.get("attempts") or 0, datetime.fromisoformat(due) if due else None)
