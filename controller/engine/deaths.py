"""When and with which code processes ended lately, as the events told: an inspection forgets the
code as soon as the process runs again, and knows of the last end only; of a child that was killed
for want of memory it knows nothing."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from controller.engine.base import EngineEvent
from resources.labels import L_ORDINAL, L_UID

REMEMBERED = 5000
"""Containers."""
NEAR = timedelta(seconds=30)
"""How long after an end a busy engine may tell of it."""

NOTED = timedelta(seconds=0.05)


class Deaths:
    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._before: dict[str, datetime] = {}
        self._oom_kills: OrderedDict[tuple[str, str], int] = OrderedDict()

    def heard(self, event: EngineEvent) -> None:
        """Any event of a container of ours."""
        if event.action == "oom":
            self._killed(event)
        if event.action != "die" or event.exit_code is None:
            return
        if (known := self._last.get(event.id)) is not None:
            self._before[event.id] = known[0]
        self._last[event.id] = datetime.fromtimestamp(event.time_nano / 1e9, UTC), event.exit_code
        self._last.move_to_end(event.id)
        if len(self._last) > REMEMBERED:
            forgotten, _ = self._last.popitem(last=False)
            self._before.pop(forgotten, None)

    def _killed(self, event: EngineEvent) -> None:
        place = event.labels.get(L_UID, ""), event.labels.get(L_ORDINAL, "")
        self._oom_kills[place] = self._oom_kills.pop(place, 0) + 1
        if len(self._oom_kills) > REMEMBERED:
            self._oom_kills.popitem(last=False)

    def oom_kills(self, uid: str, ordinal: int) -> int:
        """How often the kernel killed in that replica of that Service, whichever its container."""
        return self._oom_kills.get((uid, str(ordinal)), 0)

    def before(self, container: str, finished_at: datetime) -> datetime | None:
        """When a process of it ended before the one that ended then; None when that was not
        heard. An end is told of when it is noted, give or take; the engine lets at least twice
        that pass before it starts the process again."""
        known = self._last.get(container)
        heard = (self._before.get(container), known[0] if known is not None else None)
        return max(
            (at for at in heard if at is not None and at < finished_at - NOTED), default=None
        )

    def code(self, container: str, finished_at: datetime | None) -> int | None:
        """Of the process that ended then; None when that was not heard."""
        known = self._last.get(container)
        if known is None or finished_at is None or abs(known[0] - finished_at) > NEAR:
            return None
        return known[1]
