"""Which resources a command is about: named one by one, or all of a kind that a selector fits."""

from __future__ import annotations

from typing import Any

from controller.cli.client import Client
from controller.cli.failure import Misuse
from controller.cli.options import Reference, named, references

Choice = tuple[str, str | None, str]
"""Kind, organization (None: whichever has it), name."""


def chosen(
    client: Client, words: list[str], where: str | None, selector: str | None
) -> list[Choice]:
    """With a selector kinds are named alone; else every resource by its name."""
    if selector is None:
        return [(r.kind, where, str(r.name)) for r in named(words)]
    found: list[Choice] = []
    for reference in references(words):
        if reference.name is not None:
            raise Misuse("a selector chooses by labels, not by name", f"{reference.kind} -l ...")
        found += _fitting(client, reference, where, selector)
    return found


def _fitting(
    client: Client, reference: Reference, where: str | None, selector: str
) -> list[Choice]:
    path = f"/resources/{reference.kind}"
    items: list[dict[str, Any]] = client.get(path, organization=where, labelSelector=selector)[
        "items"
    ]
    return [
        (d["kind"], d["metadata"].get("organization") or "", d["metadata"]["name"]) for d in items
    ]
