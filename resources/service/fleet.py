"""The containers of a service, sorted into groups by what they mean to its declaration.

A *revision* of a service is a group with a wanted size. ``current`` are the members of the wanted
group, one per ordinal; ``old`` are members of other groups, which a rollout replaces; ``surplus``
is ours but wanted by no group (more than the replicas, a second one of an ordinal, labels that
nobody of ours wrote). Order and duplicates of the input make no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from resources.labels import L_ORDINAL, L_REVISION, L_ROLE, is_ours
from resources.observed import Container
from resources.service.revision import well_formed
from resources.service.wanted import PRE_DEPLOY, Wanted


@dataclass(frozen=True, slots=True)
class Extra:
    """drift: set when somebody else made it so."""

    container: Container
    cause: str
    drift: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """one_offs: preDeploy containers. leaving: the engine is removing them."""

    current: dict[int, Container]
    old: tuple[Container, ...]
    surplus: tuple[Extra, ...]
    one_offs: tuple[Container, ...]
    leaving: tuple[Container, ...]

    @property
    def replicas(self) -> tuple[Container, ...]:
        """All but the one-offs, in a stable order."""
        return (*self.current.values(), *self.old, *(extra.container for extra in self.surplus))


def sort(
    containers: Iterable[Container],
    wanted: Wanted,
    instance: str,
    standing: Callable[[Container], int] = lambda _: 0,
) -> Fleet:
    """Only those that carry our instance's mark are looked at. standing: how well a member of the
    wanted group does, the lower the better."""
    members: dict[int, list[Container]] = {}
    old: list[Container] = []
    surplus: list[Extra] = []
    one_offs: list[Container] = []
    leaving: list[Container] = []
    for container in sorted(containers, key=_place):
        labels = container.labels
        if not is_ours(labels, instance):
            continue
        ordinal = ordinal_of(container)
        revision = labels.get(L_REVISION, "")
        if container.state == "removing":
            leaving.append(container)
        elif labels.get(L_ROLE) == PRE_DEPLOY:
            one_offs.append(container)
        elif L_ROLE in labels or ordinal is None or not well_formed(revision):
            surplus.append(Extra(container, "carries our mark, but is no replica", "surplus"))
        elif revision not in wanted.revision.known:
            old.append(container)
        else:
            members.setdefault(ordinal, []).append(container)
    current: dict[int, Container] = {}
    for ordinal in sorted(members):
        best, *others = sorted(members[ordinal], key=_worth)
        current[ordinal] = best
        cause = f"second container of replica {ordinal}, {best.name} is kept"
        surplus.extend(Extra(other, cause, "surplus") for other in others)
    for ordinal in _beyond(current, wanted.spec.replicas, standing):
        surplus.append(Extra(current.pop(ordinal), f"scaled to {wanted.spec.replicas}"))
    return Fleet(current, tuple(old), tuple(surplus), tuple(one_offs), tuple(leaving))


def _beyond(
    current: Mapping[int, Container], replicas: int, standing: Callable[[Container], int]
) -> list[int]:
    """Those that go when there are too many: what does not serve first, then the newest. So the
    ordinals that are left may have gaps; what is missing later takes the lowest that is free."""

    def worth(ordinal: int) -> tuple[int, float, int]:
        container = current[ordinal]
        created = container.created_at.timestamp() if container.created_at else 0.0
        return (standing(container), created, ordinal)

    return sorted(current, key=worth)[replicas:]


def ordinal_of(container: Container) -> int | None:
    text = container.labels.get(L_ORDINAL, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else None


def _place(container: Container) -> tuple[int, str, str]:
    ordinal = ordinal_of(container)
    return (10**6 if ordinal is None else ordinal, container.name, container.id)


def _worth(container: Container) -> tuple[bool, bool, float, str, str]:
    """The one to keep comes first: running, healthy, the oldest."""
    created = container.created_at.timestamp() if container.created_at else 0.0
    return (
        not container.running,
        container.health not in ("", "healthy"),
        created,
        container.name,
        container.id,
    )
