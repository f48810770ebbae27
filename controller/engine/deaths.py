"""With which code processes ended lately, as the events told: an inspection forgets it as soon as
the process runs again."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from controller.engine.base import EngineEvent

REMEMBERED = 5000
"""Containers."""
NEAR = timedelta(seconds=30)
"""How long after an end a busy engine may tell of it."""


class Deaths:
    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def heard(self, event: EngineEvent) -> None:
        """Any event of a container of ours."""
        if event.action != "die" or event.exit_code is None:
            return
        self._last[event.id] = datetime.fromtimestamp(event.time_nano / 1e9, UTC), event.exit_code
        self._last.move_to_end(event.id)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def code(self, container: str, finished_at: datetime | None) -> int | None:
        """Of the process that ended then; None when that was not heard."""
        known = self._last.get(container)
        if known is None or finished_at is None or abs(known[0] - finished_at) > NEAR:
            return None
        return known[1]
