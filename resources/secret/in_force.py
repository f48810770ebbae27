"""The values of a Secret that its users get: those of the generation that was accepted last.

While a newer generation is refused, or what came by SQL is not sealed yet, the earlier values stay
in force; nobody is restarted for a value that could not be opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.meta import Entry
from resources.sealed import Sealed, sealed_values


def in_force(entry: Entry) -> Mapping[str, Sealed] | None:
    """By key; None when nothing was accepted yet."""
    record, resource = entry.record, entry.resource
    spec: Mapping[str, Any] | None = record.accepted_spec
    if record.accepted_generation == resource.generation:
        spec = resource.spec
    if spec is None or record.accepted_generation is None:
        return None
    return sealed_values(entry.key, spec)
