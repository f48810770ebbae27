"""The panel's id of an organization is one Organization's.

Who was accepted with it holds it until a generation without it is accepted, or its row has gone; a
newcomer is refused and waits. Of several that wait, the one that was created first is the one.
Should two hold it all the same (an earlier release accepted them), it is again the first one's, and
of the other nothing is taken away.
"""

from __future__ import annotations

from typing import Any

from resources.context import Context
from resources.effective import accepted, effective
from resources.errors import UserError
from resources.meta import Entry

IN_USE = "CONFIGURATION_EXTERNAL_ID_IN_USE"
HOLDS, ASKS = range(2)
_Rank = tuple[int, float, str]


def named(entry: Entry) -> frozenset[str]:
    """The external ids that it holds or asks for."""
    return frozenset(filter(None, (_of(accepted(entry)), _of(effective(entry).spec))))


def taken(context: Context) -> UserError | None:
    """Why it may not have the external id that it asks for, or None."""
    wanted = _of(context.spec)
    if wanted is None:
        return None
    mine = _rank(context.entry, wanted) or _order(context.entry, ASKS)
    for rival in context.rivals:
        theirs = _rank(rival, wanted)
        if theirs is not None and theirs < mine:
            return _in_use(wanted, rival)
    return None


def _rank(entry: Entry, wanted: str) -> _Rank | None:
    """The lesser one has it. None: it neither has it nor is it about to."""
    if _of(accepted(entry)) == wanted:
        return _order(entry, HOLDS)
    found = effective(entry)
    if entry.resource.deleting or found.rejection is not None or _of(found.spec) != wanted:
        return None
    return _order(entry, ASKS)


def _order(entry: Entry, standing: int) -> _Rank:
    at = entry.resource.created_at
    return standing, at.timestamp() if at is not None else 0.0, entry.resource.uid


def _of(spec: Any) -> str | None:
    found: str | None = getattr(spec, "external_id", None)
    return found


def _in_use(wanted: str, rival: Entry) -> UserError:
    """Organizations are the operator's: whose it is may be said."""
    name = rival.key.name
    leaving = ", which is being deleted" if rival.resource.deleting else ""
    return UserError(
        IN_USE,
        f"spec.externalId: {wanted} is Organization {name}'s already{leaving}",
        details={"pointer": "/spec/externalId", "externalId": wanted, "organization": name},
        suggestions=[
            "correct the id, or leave it out",
            f"if this one is the right one: take it off the other, skyctl describe org/{name}",
        ],
    )
