"""The kinds: name -> model, relations, planner, status. Everything generic goes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resources.context import Context
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.plan import Plan
from resources.world import Scope


@dataclass(frozen=True)
class Kind:
    """A kind of resource. All functions are pure.

    refs(key, spec): keys whose change concerns this one (its Organization among them).
    scope(entry, spec, refs): what of the world its plan looks at.
    plan(context): steps. status(context, plan, failure): the next status document; failure is
    what went wrong while executing, or None. platform: one without an organization is the
    platform's own.
    """

    name: str
    plural: str
    short: str
    namespaced: bool
    model: type[Any]
    refs: Callable[[Key, Any], tuple[Key, ...]]
    scope: Callable[[Entry, Any, Mapping[Key, Entry | None]], Scope]
    plan: Callable[[Context], Plan]
    status: Callable[[Context, Plan, UserError | None], dict[str, Any]]
    summary: str = ""
    platform: bool = False

    @property
    def belongs(self) -> bool | None:
        """Does it belong to an organization? None: it may."""
        return None if self.platform else self.namespaced


def kinds() -> Mapping[str, Kind]:
    """All kinds by name, in the order in which they depend on each other."""
    from resources.configuration import CAAS_CONFIGURATION
    from resources.domain import DOMAIN
    from resources.organization import ORGANIZATION
    from resources.secret import SECRET
    from resources.service.kind import SERVICE
    from resources.volume import VOLUME

    return {k.name: k for k in (ORGANIZATION, VOLUME, SECRET, SERVICE, DOMAIN, CAAS_CONFIGURATION)}


def lookup(word: str) -> Kind | None:
    """By kind, plural or short name, any case: ``svc``, ``Services``, ``Service``."""
    lowered = word.lower()
    for kind in kinds().values():
        if lowered in (kind.name.lower(), kind.plural.lower(), kind.short):
            return kind
    return None
