"""Services that depend on each other in a circle would wait for each other for ever.

A declaration that closes a circle is refused. What others declare counts as it was accepted, so
one that was refused refuses nobody else; what was never accepted counts as it is declared.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from resources.effective import accepted, effective
from resources.errors import UserError
from resources.finding import Finding, refusal
from resources.meta import Entry, Key

EntryOf = Callable[[Key], Entry | None]


def circle(key: Key, spec: Any, entry_of: EntryOf) -> tuple[str, ...]:
    """The shortest way from the service back to itself, both ends named; () when there is none.
    Also for any other kind of resource."""
    ways: list[tuple[str, ...]] = [(key.name, name) for name in _names(spec)]
    seen = {key.name}
    for way in ways:
        if way[-1] == key.name:
            return way
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        entry = entry_of(Key(key.kind, key.organization, way[-1]))
        if entry is not None:
            ways.extend((*way, name) for name in _names(_counts(entry)))
    return ()


def refused(way: tuple[str, ...], spec: Any) -> UserError:
    path = ("spec", "dependsOn", spec.depends_on.index(way[1]))
    found = refusal([Finding(path, f"depends on itself: {' -> '.join(way)}", way[1])])
    links = [f"take {after} out of the dependsOn of {before}" for before, after in pairwise(way)]
    return UserError(found.code, found.message, details=found.details, suggestions=links[:3])


def _names(spec: Any) -> tuple[str, ...]:
    return tuple(getattr(spec, "depends_on", ()))


def _counts(entry: Entry) -> Any:
    if entry.record.accepted_generation in (None, entry.resource.generation):
        return effective(entry).spec
    return accepted(entry)
