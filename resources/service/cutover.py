"""Acknowledged cutover: no replica is stopped while a proxy may still send it requests.

A replica that is to go is first left out of what is published, but only when those that stand in
for it are seen in every proxy; then it must be seen to be gone from every proxy, and drained. What
the proxies do not acknowledge is waited for, with the reason said, and is never held against the
new version. All of it is recognised from the world, so nothing is lost with us.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from resources.observed import Container
from resources.service.backends import Backends
from resources.service.draft import Draft

LOOK = 1.0
"""Seconds after which an acknowledgement is looked for that nobody told of."""


class Cutover:
    """joining: those that requests shall go to. patient: does it wait for proxies that do not
    answer? (What has to stop in any case does not.)"""

    def __init__(
        self,
        backends: Backends,
        draft: Draft,
        joining: Iterable[Container] = (),
        *,
        patient: bool = True,
    ) -> None:
        self._backends = backends
        self._draft = draft
        self._joining = tuple(joining)
        self._patient = patient
        self._leaving: set[str] = set()

    def lets_go(self, container: Container, *, serves: bool = True) -> bool:
        """May it be stopped now? If not, the plan waits for that. serves: it answers; what does not
        need not be drained."""
        reason = self._held(container, serves)
        if reason is None:
            return True
        self._draft.wait(*reason)
        return False

    @property
    def leaving(self) -> frozenset[str]:
        """Ids of those that are left out of what is published."""
        return frozenset(self._leaving)

    def _held(self, container: Container, serves: bool) -> tuple[str, float | None] | None:
        backends = self._backends
        if not backends.concerned or not container.running or not backends.urls(container):
            return None
        if backends.unknown:
            if not self._patient or not backends.member(container):
                self._leaving.add(container.id)
                return None
            return f"the proxies to answer, before {container.name} goes", LOOK
        if unseen := self._unseen(container):
            return f"the proxies to send requests to {unseen.name}", LOOK
        self._leaving.add(container.id)
        if backends.reached(container):
            return f"the proxies to leave {container.name} out", LOOK
        left = self._drained(container) if serves else 0.0
        return (f"the requests to {container.name} to end", left) if left > 0 else None

    def _unseen(self, container: Container) -> Container | None:
        """One that is to stand in, and that the proxies do not know yet. What nobody sends
        requests to needs no stand-in, and what is left out already stays so, whoever joins."""
        if not self._backends.told(container):
            return None
        others = (c for c in self._joining if c.id != container.id and c.id not in self._leaving)
        return next((other for other in others if not self._backends.seen(other)), None)

    def _drained(self, container: Container) -> float:
        """Seconds until its requests have ended, or must have."""
        serving, now = self._backends.serving, self._backends.context.now
        if serving is None:
            return 0.0
        urls = self._backends.urls(container)
        gone = urls & serving.left.keys()
        if gone and all(serving.open.get(url) == 0 for url in gone):
            return 0.0
        left: datetime = max(serving.left.get(url, serving.since) for url in urls)
        return (left + timedelta(seconds=self._backends.drain) - now).total_seconds()
