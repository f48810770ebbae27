"""From what people type to the row that is meant.

A name without an organization is taken when only one resource has it, and refused as ambiguous
otherwise: no write ever guesses between two.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from controller.core import Core
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.registry import Kind, kinds, lookup


def core_of(connection: HTTPConnection) -> Core:
    core: Core = connection.app.state.core
    return core


CoreOf = Annotated[Core, Depends(core_of)]


def actor_of(connection: HTTPConnection) -> str | None:
    """Who acts, as ``skyctl`` says: the socket's permissions are what is trusted."""
    text = connection.headers.get("skyctl-actor", "")
    return "".join(c for c in text if c.isprintable())[:200] or None


ActorOf = Annotated[str | None, Depends(actor_of)]


_ELSEWHERE = {
    **dict.fromkeys(("event", "events", "ev"), "see what happened: skyctl events"),
    **dict.fromkeys(
        ("pod", "pods", "po", "container", "containers", "deployment", "deployments", "deploy"),
        "they belong to a service: skyctl get services, skyctl describe service/NAME",
    ),
    **dict.fromkeys(("namespace", "namespaces", "ns"), "did you mean organizations?"),
    **dict.fromkeys(("ingress", "ingresses", "ing", "route", "routes"), "did you mean domains?"),
    **dict.fromkeys(("pvc", "persistentvolumeclaims"), "did you mean volumes?"),
    **dict.fromkeys(("node", "nodes", "no"), "see the engine: skyctl status"),
}
"""What people ask for by the words of elsewhere."""


def kind_of(word: str) -> Kind:
    if (kind := lookup(word)) is not None:
        return kind
    if (meant := _ELSEWHERE.get(word.lower())) is not None:
        raise UserError(
            "CONFIGURATION_UNKNOWN_KIND", f"there is no kind {word[:80]!r}", suggestions=[meant]
        )
    known = [n for k in kinds().values() for n in (k.name, k.plural, k.short)]
    near = get_close_matches(word.lower(), [n.lower() for n in known], n=1)
    raise UserError(
        "CONFIGURATION_UNKNOWN_KIND",
        f"there is no kind {word[:80]!r}",
        details={"kinds": [k.name for k in kinds().values()]},
        suggestions=[f"did you mean {near[0]}?"]
        if near
        else ["kinds are " + ", ".join(k.name for k in kinds().values())],
    )


async def find(core: Core, kind_word: str, name: str, organization: str | None) -> Entry:
    """Raises RESOURCE_NOT_FOUND, RESOURCE_AMBIGUOUS or CONFIGURATION_UNKNOWN_KIND."""
    kind = kind_of(kind_word)
    if not kind.namespaced or organization is not None:
        key = Key(kind.name, organization or "" if kind.namespaced else "", name)
        if (entry := await core.store.entry(key)) is not None:
            return entry
        raise _missing(kind, name, organization, await _siblings(core, kind))
    siblings = await _siblings(core, kind)
    found = [entry for entry in siblings if entry.key.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            "RESOURCE_AMBIGUOUS",
            f"{len(found)} organizations have a {kind.name} named {name!r}",
            details={"organizations": sorted(e.key.organization for e in found)},
            suggestions=[f"say which one: --org {found[0].key.organization}"],
        )
    raise _missing(kind, name, organization, siblings)


async def _siblings(core: Core, kind: Kind) -> list[Entry]:
    return [e for e in await core.store.entries() if e.key.kind == kind.name]


def _missing(
    kind: Kind, name: str, organization: str | None, siblings: Iterable[Entry]
) -> UserError:
    siblings = list(siblings)
    here = [e for e in siblings if organization in (None, e.key.organization)]
    where = ""
    if organization is not None and kind.namespaced:
        where = f" in organization {organization}" if organization else " of the platform's own"
    suggestions = [
        f"did you mean {near}?"
        for near in get_close_matches(name, sorted({e.key.name for e in here}), n=2)
    ]
    suggestions += [
        f"organization {e.key.organization} has one: --org {e.key.organization}"
        if e.key.organization
        else "the platform has one: --org ''"
        for e in siblings
        if where and e.key.name == name
    ][:3]
    suggestions = suggestions or [f"see what there is: skyctl get {kind.plural.lower()} -A"]
    return UserError(
        "RESOURCE_NOT_FOUND",
        f"there is no {kind.name} {name[:80]!r}{where}",
        details={"kind": kind.name, "organization": organization or "", "name": name[:80]},
        suggestions=suggestions,
    )
