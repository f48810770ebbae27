"""What a service suffers from although every pass over it succeeds: its processes end again and
again, outgrow their memory, or fail their health check.

Nothing stands in the way of a pass then, so no problem of the plan tells; the status says it, and
here is what makes an event of it: once, when it begins. What comes and goes is one symptom until
it has been away for a while (``LATELY``). That is remembered here only: after a restart of the
controller the status before tells what is known already, and at worst something is told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from controller.store.base import Event
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key

SYMPTOMS = frozenset(
    {
        "DEPLOYMENT_CRASH_LOOP",
        "DEPLOYMENT_UNHEALTHY",
        "DEPLOYMENT_FAILED",
        "DEPLOYMENT_DETACHED",
    }
)
LATELY = timedelta(minutes=10)
OUT_OF_MEMORY = "OutOfMemory"
"""An event's reason, for each process that the kernel killed; equal ones count up."""
TAIL = 1200
"""Characters of last words in an event; the newest count."""


class Symptoms:
    def __init__(self) -> None:
        self._seen: dict[tuple[Key, str], datetime] = {}

    def begun(self, context: Context, status: Mapping[str, Any]) -> UserError | None:
        """What the status shows and nobody was told yet."""
        shown = status.get("error")
        if shown is None or shown["code"] not in SYMPTOMS:
            return None
        mark = (context.key, shown["code"])
        seen = self._seen.get(mark)
        self._seen[mark] = context.now
        before = (context.entry.status or {}).get("error") or {}
        if before.get("code") == shown["code"]:
            return None
        if seen is not None and context.now - seen < LATELY:
            return None
        return UserError.from_dict(shown)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        for mark in [mark for mark in self._seen if mark[0] == key]:
            del self._seen[mark]


def event(context: Context, symptom: UserError) -> Event:
    """With how it ended, and its last words."""
    details, facts = symptom.details, []
    if details.get("oomKilled"):
        facts.append("out of memory")
        if details.get("exitCode") is not None:
            facts.append(f"exit code {details['exitCode']}")
    told = f"{symptom.message} ({', '.join(facts)})" if facts else symptom.message
    if tail := str(details.get("logTail") or "").strip()[-TAIL:]:
        told = f"{told}\n{tail}"
    return Event(context.uid, context.key, "Warning", symptom.reason, told)


def starved(context: Context, status: Mapping[str, Any]) -> list[Event]:
    """Whose process was killed for its memory since the status before."""
    known = _killed(context.entry.status or {})
    return [
        Event(context.uid, context.key, "Warning", OUT_OF_MEMORY, f"{name} ran out of memory")
        for at, name in sorted(_killed(status) - known)
    ]


def _killed(status: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(e["at"], e["container"]) for e in status.get("restarts") or () if e["oomKilled"]}
