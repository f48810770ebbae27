"""The mass-change guard: may what is absent be deleted, or must a person say so first?

Deletions inferred from absence are judged as one batch, before any is requested. A batch past
the limits is held. What was held once is deleted only when a person approved it: a batch that
shares items with one that waits or was discarded is asked about anew, however small it became,
because a directory that comes back file by file looks just like that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol


class Earlier(Protocol):
    """A batch of the same source that the store remembers (``controller.store.base.Held``)."""

    @property
    def items(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> str:
        """held | approved | discarded"""
        ...

    @property
    def fingerprint(self) -> str: ...


class GuardVerdict(Enum):
    DELETE = "delete"
    """All of the batch, now."""
    HOLD = "hold"
    """Not before a person approves; it may be held already."""
    LEAVE = "leave"
    """A person decided against exactly this batch: do nothing and say nothing."""


def exceeds(removed: int, total: int, max_percent: float, minimum: int) -> bool:
    """Is removing that many of ``total`` past the limits: at least ``minimum``, and more than
    ``max_percent`` percent of what there is?"""
    return removed >= minimum and removed * 100 > max_percent * total


def fingerprint(items: Iterable[str]) -> str:
    """Names a batch by what is in it; order and repetition do not count."""
    digest = hashlib.sha256()
    for item in sorted(set(items)):
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()


def judge(items: Sequence[str], earlier: Iterable[Earlier], *, suspect: bool) -> GuardVerdict:
    """suspect: the batch is past the limits, or its absence proves little for another reason.

    An approval also covers what is left of its batch: a deletion that was interrupted goes on.
    """
    batch, mark = set(items), fingerprint(items)
    known = list(earlier)
    if any(other.state == "approved" and batch <= set(other.items) for other in known):
        return GuardVerdict.DELETE
    if any(other.state == "discarded" and other.fingerprint == mark for other in known):
        return GuardVerdict.LEAVE
    if suspect or any(batch & set(other.items) for other in known if other.state != "approved"):
        return GuardVerdict.HOLD
    return GuardVerdict.DELETE
