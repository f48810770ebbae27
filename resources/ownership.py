"""A spec belongs to its source: what to say to another one that wants to write it."""

from __future__ import annotations

from resources.errors import UserError
from resources.meta import Key

OWNED_ELSEWHERE = "RESOURCE_OWNED_ELSEWHERE"


def owned_elsewhere(key: Key, owner: str, writer: str) -> UserError:
    """owner, writer: sources."""
    place = f" --org {key.organization}" if key.organization else ""
    return UserError(
        OWNED_ELSEWHERE,
        f"{key.short} belongs to {owner}; {writer} may not change it",
        details={"source": owner, "writer": writer},
        suggestions=[
            _where(owner),
            f"or take it over: skyctl adopt {key.kind.lower()}/{key.name}{place} --source {writer}",
        ],
    )


def _where(owner: str) -> str:
    kind, _, name = owner.partition(":")
    match kind:
        case "manifest":
            return f"edit the file in the manifest source {name}: it is applied when saved"
        case "instance":
            return f"change the TemplateInstance that made it (uid {name})"
        case "sql":
            return "change it where it was made: UPDATE or DELETE on skyctl.resources"
        case _:
            return f"change it through {owner}"
