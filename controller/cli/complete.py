"""Shell completion of kinds and names. Silent and quick: no answer is better than a slow one."""

from __future__ import annotations

from typing import Any

ANSWER_WITHIN = 1.0
"""Seconds for the controller to answer while somebody waits at a prompt."""


def complete_organization(incomplete: str) -> list[str]:
    return [name for name in _names("organizations", None) if name.startswith(incomplete)]


def complete_service(incomplete: str) -> list[str]:
    """``service/NAME``, or the bare name when that is what was begun."""
    names = _names("services", None)
    if "/" in incomplete or "service".startswith(incomplete):
        return [f"service/{name}" for name in names if f"service/{name}".startswith(incomplete)]
    return [name for name in names if name.startswith(incomplete)]


def complete_reference(ctx: Any, incomplete: str) -> list[str]:
    """A kind first; after ``KIND/`` or a kind word, its names."""
    given = [word for word in ctx.params.get("references") or [] if word]
    kind, slash, _ = incomplete.partition("/")
    if slash:
        return [
            f"{kind}/{name}"
            for name in _names(kind, ctx)
            if f"{kind}/{name}".startswith(incomplete)
        ]
    if given and "/" not in given[0]:
        return [name for name in _names(given[0], ctx) if name.startswith(incomplete)]
    return [word for word in complete_kind(incomplete) if word.startswith(incomplete)]


def complete_kind(incomplete: str) -> list[str]:
    from resources.registry import kinds

    return [
        kind.plural.lower()
        for kind in kinds().values()
        if kind.plural.lower().startswith(incomplete.lower())
    ]


def _names(kind: str, ctx: Any) -> list[str]:
    from controller.cli.client import connect
    from controller.cli.options import organization

    org = organization(ctx.params.get("org")) if ctx is not None else None
    try:
        with connect(ANSWER_WITHIN) as client:
            items = client.get(f"/resources/{kind}", organization=org)["items"]
    except Exception:  # a prompt is no place for an error
        return []
    return [item["metadata"]["name"] for item in items]
