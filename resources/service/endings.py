"""How processes of a service ended lately: what is shown of it, and when it is a crash loop.

The engine tells of the last end only, and of its exit code only until the process runs again; so
what was seen is kept in the status, and a crash loop is recognised by it also when it was not the
engine that started the process again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from resources.conditions import timestamp
from resources.context import Context
from resources.observed import Container, Ending
from resources.service.health import CRASHES, STEADY, uptime

SHOWN = 5
LATELY = timedelta(minutes=10)


def ending(context: Context, container: Container) -> Ending:
    """Of its last process that ended. What the engine has forgotten, the status remembers."""
    known = context.endings.get(container.id)
    if known is not None and known.at == container.finished_at:
        return known
    found = Ending(container.finished_at, container.exit_code, container.oom_killed)
    if found.at is None or found.exit_code is not None:
        return found
    place = timestamp(found.at), container.name
    for entry in _before(context):
        if (entry["at"], entry["container"]) == place:
            return Ending(found.at, entry["exitCode"], entry["oomKilled"], entry["logTail"])
    return found


def restarts(
    context: Context, containers: Iterable[Container], *, paused: bool = False
) -> list[dict[str, Any]]:
    """``status.restarts``: the last few ends after which a process runs again, or is to. paused:
    what is stopped is not started again."""
    known = {(e["at"], e["container"]): e for e in _before(context)}
    for container in containers:
        found = ending(context, container)
        if found.at is None or not (container.restarts or _again(container, found)):
            continue
        if paused and container.state == "exited":
            continue
        entry = {
            "at": timestamp(found.at),
            "container": container.name,
            "exitCode": found.exit_code,
            "oomKilled": found.oom_killed,
            "logTail": found.tail,
        }
        place = entry["at"], entry["container"]
        known[place] = _richer(known.get(place), entry)
    return sorted(known.values(), key=lambda e: (e["at"], e["container"]))[-SHOWN:]


def crash_looping(context: Context, container: Container) -> bool:
    """It is restarted again and again, and has not run for long since."""
    if container.state not in ("running", "restarting", "exited"):
        return False
    if container.running and uptime(container, context.now) >= STEADY:
        return False
    return restarted(context, container) >= CRASHES


def restarted(context: Context, container: Container) -> int:
    """How often, lately: by the engine, or as the status remembers."""
    since = timestamp(context.now - LATELY)
    seen = [e for e in _before(context) if e["container"] == container.name and e["at"] >= since]
    return max(container.restarts, len(seen))


def _again(container: Container, found: Ending) -> bool:
    """Somebody but the engine starts it after it ended badly: we, or a person."""
    if container.running:
        return found.exit_code not in (0, None) and _started_later(container, found.at)
    return container.state == "exited" and container.exit_code not in (0, None)


def _started_later(container: Container, at: datetime | None) -> bool:
    return at is not None and container.started_at is not None and container.started_at >= at


def _richer(before: Mapping[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """What was known once is not forgotten."""
    if before is None:
        return now
    return {
        **now,
        "exitCode": before["exitCode"] if now["exitCode"] is None else now["exitCode"],
        "oomKilled": before["oomKilled"] or now["oomKilled"],
        "logTail": before["logTail"] or now["logTail"],
    }


def _before(context: Context) -> Iterable[dict[str, Any]]:
    return (context.entry.status or {}).get("restarts") or ()
