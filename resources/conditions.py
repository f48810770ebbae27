"""Conditions: adjectives about a resource, each with its reason and when it last changed.

``lastTransitionTime`` moves only when ``status`` changes, so an unchanged world yields a
byte-equal status and no write.

Invariant of every kind: at most one of Reconciling and Stalled is True. A problem that trying
again may cure is Reconciling; one that needs somebody is Stalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from resources.errors import UserError

KNOWN = (
    "Ready",
    "Available",
    "Accepted",
    "Reconciling",
    "Stalled",
    "Drifted",
    "HostClosed",
    "Verified",
    "Programmed",
    "CertificateReady",
    "WithinSize",
    "BackedUp",
    "Restorable",
)
"""Types of every kind."""
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
ACCEPTED, AVAILABLE, READY = "Accepted", "Available", "Ready"
RECONCILING, STALLED, DRIFTED = "Reconciling", "Stalled", "Drifted"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Conditions:
    """Builds the next list of conditions from the previous one. Order is that of setting."""

    def __init__(
        self, previous: Iterable[Mapping[str, Any]], generation: int, now: datetime
    ) -> None:
        self._previous = {str(c.get("type")): c for c in previous}
        self._generation = generation
        self._now = now
        self._next: dict[str, dict[str, Any]] = {}

    def set(self, type_: str, status: str | bool | None, reason: str, message: str = "") -> None:
        """status: True, False, None (Unknown) or the word. reason: CamelCase."""
        word = _WORDS[status] if not isinstance(status, str) else status
        before = self._previous.get(type_)
        same = before is not None and before.get("status") == word
        self._next[type_] = {
            "type": type_,
            "status": word,
            "reason": reason,
            "message": message,
            "lastTransitionTime": before["lastTransitionTime"]
            if same and before is not None and "lastTransitionTime" in before
            else timestamp(self._now),
            "observedGeneration": self._generation,
        }

    def progress(self, problem: UserError | None, doing: str) -> None:
        """Sets Reconciling and Stalled. doing: what is still to happen, '' when nothing is."""
        if problem is not None and not problem.retryable:
            self.stalled(problem)
            return
        busy = doing or (problem.message if problem is not None else "")
        self.set(RECONCILING, bool(busy), "Progressing" if busy else "Idle", busy)
        self.set(STALLED, False, "NotStalled")

    def stalled(self, problem: UserError) -> None:
        """Nothing more can be expected until somebody changes something; what is tried in the
        background all the same is no contradiction."""
        self.set(RECONCILING, False, "Idle")
        self.set(STALLED, True, problem.reason, problem.message)

    def to_list(self) -> list[dict[str, Any]]:
        return list(self._next.values())


_WORDS = {True: TRUE, False: FALSE, None: UNKNOWN}


def drifted(conditions: Conditions, drift: Sequence[Mapping[str, str]]) -> None:
    """What lasts of it, as it stands in the status."""
    text = "; ".join(f"{each['field']}: {each['cause']}" for each in drift)
    conditions.set(DRIFTED, bool(drift), "Drifted" if drift else "InSync", text)


def find(status: Mapping[str, Any] | None, type_: str) -> Mapping[str, Any] | None:
    """The condition of that type in a status document, or None."""
    for condition in (status or {}).get("conditions", ()):
        if condition.get("type") == type_:
            return condition  # type: ignore[no-any-return]
    return None


def is_true(status: Mapping[str, Any] | None, type_: str) -> bool:
    condition = find(status, type_)
    return condition is not None and condition.get("status") == TRUE
