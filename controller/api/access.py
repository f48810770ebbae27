"""The requests to a Domain, out of the proxy's access log."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.api.previous import notice
from controller.api.stream import Emit
from controller.core import Core
from controller.ingress.access_lines import AccessLines, shown
from controller.settings import Settings
from resources.domain.routing import router_names
from resources.errors import UserError
from resources.meta import Entry

LOOK = 0.5
"""Seconds between looks for new lines while following."""
TAIL = 10_000
"""Lines; more of the newest are not held."""


@dataclass(frozen=True, slots=True)
class Wish:
    follow: bool
    tail: int | None
    since: float | None


def require(settings: Settings, entry: Entry, wish: Wish) -> None:
    """Raises UserError where there is no such log here."""
    routers = list(router_names(entry.key, entry.resource.uid))
    if settings.ingress in ("external", "none") or settings.ingress_publish == "labels":
        raise _elsewhere("the proxies are not kept by the controller, so it has no log of theirs")
    if not settings.ingress_access_log:
        raise UserError(
            "CONFIGURATION_NO_ACCESS_LOG",
            "no access log is written",
            suggestions=["SKYCTL_INGRESS_ACCESS_LOG=true, and restart the controller"],
        )
    if settings.ingress == "container":
        raise _elsewhere(
            "the access log is the output of the proxy's container",
            "docker logs $(docker ps -q --filter label=io.skypanel.kind=Platform) "
            f'| grep \'"RouterName":"{routers[0]}\'',
        )
    if wish.tail is not None and wish.tail > TAIL:
        raise UserError(
            "CONFIGURATION_INVALID_REQUEST",
            f"at most the last {TAIL} requests can be asked for",
            suggestions=["ask for a time instead: --since 1h"],
        )


def _elsewhere(message: str, *suggestions: str) -> UserError:
    return UserError(
        "CONFIGURATION_ACCESS_LOG_ELSEWHERE",
        message,
        suggestions=list(suggestions) or ["look at the proxies' own logs"],
    )


async def requests(core: Core, entry: Entry, wish: Wish, emit: Emit) -> None:
    """Lines as of a Service's log, with what is logged in ``request``."""
    home = core.settings.ingress_dir.resolve()
    lines = await asyncio.to_thread(AccessLines, home, router_names(entry.key, entry.resource.uid))
    try:
        await _told(lines, f"domain/{entry.key.name}", wish, emit)
    finally:
        lines.close()


async def _told(lines: AccessLines, label: str, wish: Wish, emit: Emit) -> None:
    held: deque[dict[str, Any]] | None = None
    if wish.tail is not None:
        held = deque(maxlen=wish.tail)
    told = False
    while True:
        for found in await asyncio.to_thread(lines.more):
            if wish.since is not None and _moment(found) < wish.since:
                continue
            told = True
            if held is not None:
                held.append(found)
            else:
                await _line(emit, label, found)
        if not lines.idle:
            continue
        for found in held or ():
            await _line(emit, label, found)
        held = None
        if not wish.follow:
            if not told:
                await notice(emit, "no request is in the access log")
            return
        await asyncio.sleep(LOOK)


def _moment(found: dict[str, Any]) -> float:
    """Unix time; of what has none that can be read: now or later."""
    try:
        return datetime.fromisoformat(str(found["StartUTC"])[:19] + "+00:00").timestamp()
    except (KeyError, ValueError):
        return float("inf")


def _written(found: dict[str, Any]) -> str:
    """To the millisecond, as wide for each."""
    whole, _, fraction = str(found.get("StartUTC", "")).removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:3]:0<3}Z" if whole else ""


async def _line(emit: Emit, label: str, found: dict[str, Any]) -> None:
    await emit(
        {
            "type": "line",
            "container": label,
            "ordinal": 0,
            "stream": "access",
            "time": _written(found),
            "text": shown(found),
            "request": found,
        }
    )
