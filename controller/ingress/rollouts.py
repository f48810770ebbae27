"""Counts the requests to a Service while it is being rolled out.

The count begins with the first reading of the proxies that begins after the rollout was seen to be
under way, and ends with the first that begins after it was seen to be over: then the Service is
looked at once more, and its status tells. It lives in memory: after a restart of ours in the middle
it covers what came since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.clock import Clock
from controller.ingress.counting import Counting, Served
from resources.context import Context
from resources.meta import Key
from resources.routing.world import Requests
from resources.service.course import course

PATIENCE = 60.0
"""Seconds after its end in which somebody has to tell, or nothing is told of it."""


@dataclass(slots=True)
class _Count:
    """began: the rollout. asked, over: when it was seen to be under way, and over (monotonic).
    first: what had been counted at ``since``."""

    uid: str
    began: datetime
    asked: float
    over: float | None = None
    first: Served | None = None
    since: datetime | None = None
    found: Requests | None = None


class Rollouts:
    """wake: puts a key on the queue."""

    def __init__(self, counting: Counting, wake: Callable[[Key], None], clock: Clock) -> None:
        self._counting = counting
        self._wake = wake
        self._clock = clock
        self._counts: dict[Key, _Count] = {}
        counting.told = self.read

    def rest(self) -> None:
        """What comes later nobody has counted."""
        self._counts.clear()

    def requests(self, key: Key) -> Requests | None:
        """Of the newest rollout, once it is over."""
        count = self._counts.get(key)
        return count.found if count is not None else None

    def observed(self, context: Context | None, key: Key) -> None:
        """Of each finished pass; None: the resource is gone."""
        if key.kind != "Service":
            return
        if context is None:
            self._counts.pop(key, None)
            return
        began, under_way = course(context)
        count = self._counts.get(key)
        if count is not None and (count.began, count.uid) != (began, context.uid):
            del self._counts[key]
            count = None
        if count is None and under_way and began is not None:
            self._counts[key] = _Count(context.uid, began, self._clock.monotonic())
            self._counting.hurry()
        elif count is not None and not under_way and count.over is None:
            count.over = self._clock.monotonic()
            self._counting.hurry()

    def read(self, began: float) -> None:
        """A reading that began then was added up."""
        for key, count in list(self._counts.items()):
            if count.found is not None:
                continue
            served = self._counting.served(count.uid)
            if served is not None and count.first is None and began >= count.asked:
                count.first = served
                ago = timedelta(seconds=self._clock.monotonic() - began)
                count.since = max(self._clock.now() - ago, count.began)
            if count.over is None or began < count.over:
                continue
            if served is not None and count.first is not None and count.since is not None:
                count.found = Requests(
                    since=count.since,
                    seen=round(served.seen - count.first.seen),
                    failed=round(served.failed - count.first.failed),
                )
                self._wake(key)
            elif began - count.over > PATIENCE:
                del self._counts[key]
