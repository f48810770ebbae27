"""Which replica goes next. Pure arithmetic over groups; knows no engine and no container's inside.

Invariants. Never more than ``replicas + parallelism`` containers with startFirst, never more than
``replicas`` with stopFirst. With startFirst the containers that serve never fall below what they
were because of us: an old one goes only when a new one is proven in its place. With stopFirst at
most ``parallelism`` replicas are unproven at once because of us. What does not serve goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from resources.observed import Container
from resources.service.fleet import ordinal_of


@dataclass(frozen=True)
class Groups:
    """current: ordinals of the wanted revision that exist; proven: those of them that may stand
    in for an old one. old: members of other revisions. serves: of an old one."""

    replicas: int
    parallelism: int
    current: Collection[int]
    proven: Collection[int]
    old: Sequence[Container]
    serves: Callable[[Container], bool]

    @property
    def missing(self) -> list[int]:
        """As many as lack, the lowest ordinals that are free."""
        free = [ordinal for ordinal in range(self.replicas) if ordinal not in self.current]
        return free[: max(0, self.replicas - len(self.current))]

    @property
    def pending(self) -> int:
        return len(self.current) - len(self.proven)

    def expendable(self) -> list[Container]:
        """Old ones, the first to go first."""
        return sorted(self.old, key=self._worth)

    def _worth(self, container: Container) -> tuple[bool, bool, int, str, str]:
        ordinal = ordinal_of(container) or 0
        return (
            self.serves(container),
            ordinal not in self.proven,
            -ordinal,
            container.name,
            container.id,
        )


@dataclass(frozen=True, slots=True)
class Replacement:
    """victim: removed right before the new one is made (stopFirst)."""

    ordinal: int
    victim: Container | None = None


@dataclass(frozen=True, slots=True)
class Moves:
    """drop: old containers to remove now. make: new ones, in order."""

    drop: tuple[Container, ...] = ()
    make: tuple[Replacement, ...] = ()


def start_first(groups: Groups) -> Moves:
    keep = max(0, groups.replicas - len(groups.proven))
    drop = groups.expendable()[: max(0, len(groups.old) - keep)]
    left = len(groups.old) - len(drop)
    total = left + len(groups.current)
    if left == 0:
        count = len(groups.missing)
    else:
        free = max(groups.parallelism - groups.pending, groups.replicas - total)
        count = max(0, min(free, groups.replicas + groups.parallelism - total))
    return Moves(tuple(drop), tuple(Replacement(o) for o in groups.missing[:count]))


def stop_first(groups: Groups) -> Moves:
    expendable = groups.expendable()
    excess = max(0, len(groups.old) + len(groups.current) - groups.replicas)
    drop, victims = expendable[:excess], expendable[excess:]
    total = len(victims) + len(groups.current)
    budget = groups.parallelism - groups.pending
    make: list[Replacement] = []
    for ordinal in groups.missing:
        if total < groups.replicas:
            total += 1
            budget -= 1
            make.append(Replacement(ordinal))
        elif budget > 0 and victims:
            budget -= 1
            victim = next((v for v in victims if ordinal_of(v) == ordinal), victims[0])
            victims.remove(victim)
            make.append(Replacement(ordinal, victim))
    return Moves(tuple(drop), tuple(make))
