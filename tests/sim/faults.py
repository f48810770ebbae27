"""What can go wrong, how often, and how often it did.

Every draw comes from the simulation's own random source, so a seed names one course of events. A
class whose rate is 0 draws nothing: switching one class off moves the others.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from controller.engine.docker import faults as words
from resources.errors import UserError

REFUSALS: Mapping[str, tuple[tuple[int, str], ...]] = {
    "": (
        (500, "something inside the engine failed"),
        (409, "removal of container abc is already in progress"),
        (500, "write /var/lib: no space left on device"),
        (500, "unlinkat: device or resource busy"),
        (503, "the engine is overloaded"),
    ),
    "pull_image": (
        (500, "toomanyrequests: rate limit exceeded"),
        (500, 'Get "https://registry/v2/": dial tcp: lookup registry: no such host'),
        (500, "failed to register layer: no space left on device"),
        (500, "the layers are wrong somehow"),
    ),
    "create_container": (
        (409, 'Conflict. The container name "/x" is already in use by container "y"'),
        (404, "No such image: x"),
        (500, "it could not be created"),
    ),
    "put_files": ((500, "the archive broke"),),
    "start_container": (
        (500, "Bind for 0.0.0.0:80 failed: port is already allocated"),
        (500, "OCI runtime create failed: it happens"),
        (404, "network abc not found"),
    ),
    "update_container": ((500, "cannot update now"),),
    "create_network": (
        (403, "Pool overlaps with other one on this address space"),
        (409, "network with name x already exists"),
    ),
    "remove_network": ((403, "network x has active endpoints"),),
    "remove_volume": ((409, "remove x: volume is in use - [abc]"),),
}
"""operation -> what an engine may answer once and not the next time (all retryable)."""

TERMINAL: Mapping[str, tuple[tuple[int, str], ...]] = {
    "pull_image": ((404, "manifest unknown"), (500, "unauthorized: authentication required")),
    "create_container": ((400, "invalid configuration, for once"),),
    "start_container": ((400, "exec: no such file or directory"),),
    "put_files": ((400, "bad path"),),
    "update_container": ((400, "bad limits"),),
}
"""The same, in words that say that trying again is useless."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Chances per call or message; from ``crash`` on mean seconds between two (0: never)."""

    request_lost: float = 0.0
    reply_lost: float = 0.0
    refused: float = 0.0
    terminal: float = 0.0
    slow: float = 0.0
    stale: float = 0.0
    event_lost: float = 0.0
    event_twice: float = 0.0
    event_late: float = 0.0
    notice_lost: float = 0.0
    notice_twice: float = 0.0
    notice_late: float = 0.0
    crash_call: float = 0.0
    freeze_call: float = 0.0
    crash: float = 0.0
    freeze: float = 0.0
    outage: float = 0.0
    restart: float = 0.0
    gap: float = 0.0
    deaf: float = 0.0

    @classmethod
    def drawn(cls, random_: random.Random) -> Rates:
        """Some classes, each mild or fierce."""
        return cls(
            **{
                field.name: random_.choice(_CHOICES[field.name]) if random_.random() < 0.45 else 0.0
                for field in fields(cls)
            }
        )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    def only(self, names: Iterable[str]) -> Rates:
        """All other classes off."""
        keep = set(names)
        return replace(self, **{f.name: 0.0 for f in fields(self) if f.name not in keep})


CALM = Rates()

_RARE, _OFTEN, _ALWAYS = (0.005, 0.02), (0.02, 0.1), (0.3, 1.0)
_CHOICES: Mapping[str, tuple[float, ...]] = {
    "request_lost": _OFTEN,
    "reply_lost": _OFTEN,
    "refused": (*_OFTEN, 0.3),
    "terminal": _RARE,
    "slow": _OFTEN,
    "stale": _OFTEN,
    "event_lost": (0.1, *_ALWAYS),
    "event_twice": (0.1, 0.5),
    "event_late": (0.1, *_ALWAYS),
    "notice_lost": (0.1, *_ALWAYS),
    "notice_twice": (0.1, 0.5),
    "notice_late": (0.1, *_ALWAYS),
    "crash": (20.0, 60.0),
    "crash_call": (0.003, 0.02),
    "freeze_call": (0.002, 0.01),
    "freeze": (20.0, 60.0),
    "outage": (30.0, 90.0),
    "restart": (40.0, 90.0),
    "gap": (10.0, 30.0),
    "deaf": (30.0, 90.0),
}


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one call. kind: '' (well), request_lost, reply_lost, refused, terminal, crash_before,
    crash_after. before, after: seconds on the way there and back."""

    kind: str
    before: float
    after: float


class Faults:
    def __init__(self, rates: Rates, random_: random.Random) -> None:
        self.rates = rates
        self.active = True
        self.injected: Counter[str] = Counter()
        self._random = random_

    def chance(self, name: str) -> bool:
        """Does it happen now? Then it is counted."""
        rate = getattr(self.rates, name)
        if not self.active or not rate or self._random.random() >= rate:
            return False
        self.injected[name] += 1
        return True

    def fate(self, operation: str, *, changes: bool, quick: float) -> Fate:
        """quick: how long the call usually takes, in seconds."""
        before = quick * self._random.uniform(0.5, 1.5)
        if not self.active:
            return Fate("", before, 0.0)
        after = quick if self._random.random() < 0.3 else 0.0
        if self.chance("slow"):
            long = self._random.choice((1.0, 5.0, 30.0, 90.0)) * self._random.random()
            before, after = self._random.choice(((before + long, after), (before, after + long)))
        for kind in ("request_lost", "reply_lost"):
            if self.chance(kind):
                return Fate(kind, before, after)
        if changes and self.chance("crash_call"):
            return Fate(self._random.choice(("crash_before", "crash_after")), before, after)
        if operation in TERMINAL and self.chance("terminal"):
            return Fate("terminal", before, after)
        return Fate("", before, after)

    def refusal(self, operation: str, *, terminal: bool = False) -> UserError:
        """One of the answers an engine has for this operation."""
        known = TERMINAL[operation] if terminal else REFUSALS.get(operation, ()) + REFUSALS[""]
        status, message = self._random.choice(known)
        error = words.refused(operation, status, message, "x")
        assert error.retryable is not terminal, (operation, message)
        return error

    def pause(self, name: str) -> float | None:
        """Seconds to the next one of a scheduled class; None: never."""
        mean = getattr(self.rates, name)
        return self._random.expovariate(1.0 / mean) if mean else None
