"""A spec belongs to its source. When the store refuses a write, say how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from resources.errors import UserError
from resources.meta import Resource

OWNED_ELSEWHERE = "RESOURCE_OWNED_ELSEWHERE"


@contextmanager
def explained(row: Resource) -> Iterator[None]:
    """Within: a write to ``row`` from the source ``api``."""
    try:
        yield
    except UserError as error:
        if error.code != OWNED_ELSEWHERE:
            raise
        raise refused(row) from error


def refused(row: Resource) -> UserError:
    return UserError(
        OWNED_ELSEWHERE,
        f"{row.key.short} belongs to {row.source}, so it cannot be changed from here",
        details={"source": row.source, "kind": row.key.kind, "name": row.key.name},
        suggestions=[
            _where(row.source),
            f"or take it over: skyctl adopt {row.key.kind.lower()}/{row.key.name}"
            + (f" --org {row.key.organization}" if row.key.organization else "")
            + " --source api",
        ],
    )


def _where(source: str) -> str:
    kind, _, name = source.partition(":")
    match kind:
        case "manifest":
            return f"edit the file in the manifest source {name}: it is applied when saved"
        case "instance":
            return f"change the TemplateInstance that made it (uid {name})"
        case "sql":
            return "change it where it was made: UPDATE or DELETE on skyctl.resources"
        case _:
            return f"change it through {source}"
