"""How processes ended, and what they said last: asked of the engine once for each end.

The engine forgets an exit code when the process runs again, and a container that is removed takes
its log along. So what is seen of an end is kept, for as long as this process lives and up to a
limit; what of it is worth keeping longer goes into status and events. Nothing is decided by it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from controller.engine.base import Engine
from controller.store.document import printable
from resources.errors import UserError
from resources.observed import Container, Ending

log = structlog.get_logger("endings")

LINES, LONGEST = 10, 300
"""What is kept of a log: so many lines, each of so many characters."""
READ = 50
"""Lines that are read: those of a process that runs again already are among them."""
PATIENCE, AGAIN = 2.0, 0.25
"""Seconds for reading one log: of a container's first end, and of later ones. While an engine
starts a container it answers nothing about it, and one that is busy starting what crashes takes
seconds for each: so many services in a crash loop must not hold all workers."""
REMEMBERED = 2000
LATE = timedelta(seconds=0.1)
"""So long after a process ended its last lines may be stamped, and so long before it is said to
have started its first. An engine waits longer before it starts one again."""

Died = Callable[[str, datetime | None], int | None]


class Endings:
    """died: the code of a container's process that ended at a time, if it was heard of."""

    def __init__(self, engine: Engine, died: Died = lambda _id, _at: None) -> None:
        self._engine = engine
        self._died = died
        self._known: OrderedDict[str, Ending] = OrderedDict()
        self._begun: OrderedDict[str, tuple[datetime, ...]] = OrderedDict()
        """By container: when its last two runs began, as far as they were seen."""

    async def learn(self, containers: Iterable[Container]) -> None:
        """Asks about ends that were not seen before."""
        for container in containers:
            self._see(container)
            if not _ended_badly(container):
                continue
            known = self._known.get(container.id)
            if known is None or known.at != container.finished_at:
                patience = PATIENCE if known is None else AGAIN
                tail = await self._tail(container, self._since(container, known), patience)
                if tail is None:
                    tail = known.tail if known is not None else ""
                found = Ending(container.finished_at, self._code(container), container.oom_killed)
                self._keep(container.id, replace(found, tail=tail))
            elif known.exit_code is None and (code := self._code(container)) is not None:
                self._keep(container.id, replace(known, exit_code=code))

    def of(self, containers: Iterable[Container]) -> Mapping[str, Ending]:
        return {c.id: self._known[c.id] for c in containers if c.id in self._known}

    def _code(self, container: Container) -> int | None:
        if container.exit_code is not None:
            return container.exit_code
        return self._died(container.id, container.finished_at)

    def _see(self, container: Container) -> None:
        begun = self._begun.get(container.id, ())
        if container.started_at is None or container.started_at in begun:
            return
        self._begun[container.id] = (*begun[-1:], container.started_at)
        self._begun.move_to_end(container.id)
        if len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)

    def _since(self, container: Container, known: Ending | None) -> datetime | None:
        """Later than anything that an earlier run said; None when none is known to have been."""
        end = container.finished_at
        assert end is not None
        bounds = [moment - LATE for moment in self._begun.get(container.id, ()) if moment < end]
        if known is not None and known.at is not None and known.at < end:
            bounds.append(known.at)
        return max(bounds, default=None)

    def _keep(self, id_: str, ending: Ending) -> None:
        self._known[id_] = ending
        self._known.move_to_end(id_)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _tail(
        self, container: Container, since: datetime | None, patience: float
    ) -> str | None:
        """None when the log cannot be read (in time): it is no reason to wait. Then what it said
        at an earlier end is as good as there is."""
        lines: list[str] = []
        assert container.finished_at is not None
        try:
            async with asyncio.timeout(patience):
                async for line in self._engine.logs(container.id, tail=READ):
                    if _within(line.time, since, container.finished_at + LATE):
                        lines.append(printable(line.text)[:LONGEST])
        except (UserError, TimeoutError) as error:
            log.info("last lines not read", container=container.name, reason=str(error))
            if not lines:
                return None
        return "\n".join(lines[-LINES:])


def _ended_badly(container: Container) -> bool:
    if container.finished_at is None:
        return False
    if container.restarts:
        return True
    return container.state in ("exited", "dead", "restarting") and (
        container.exit_code not in (0, None) or container.oom_killed
    )


def _within(time: str, after: datetime | None, until: datetime) -> bool:
    """time: RFC 3339 with nanoseconds; one that cannot be read is."""
    try:
        moment = datetime.fromisoformat(f"{time[:26].rstrip('Z')}+00:00")
    except ValueError:
        return True
    return (after is None or moment > after) and moment <= until
