"""What only one resource may have, of whichever organization: who names the same is a rival.

Whose it is each kind decides by itself, from its rivals' entries.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from resources.meta import Entry
from resources.organization import external_id
from resources.service import host_ports


def contested(entry: Entry) -> frozenset[Hashable]:
    """What of that kind it holds or asks for: ports of the host, the panel's id."""
    match entry.key.kind:
        case "Service":
            return frozenset(("hostPort", port) for port in host_ports.named(entry))
        case "Organization":
            return frozenset(("externalId", id_) for id_ in external_id.named(entry))
        case _:
            return frozenset()


def rivals(entry: Entry, others: Iterable[Entry]) -> tuple[Entry, ...]:
    """Those of the others that name the same."""
    mine = contested(entry)
    if not mine:
        return ()
    return tuple(e for e in others if e.key != entry.key and not mine.isdisjoint(contested(e)))
