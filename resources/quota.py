"""Quotas: what an organization allows, what of it is given away, and who waits for what.

Theory. A *claim* is what a resource may use at most; it is recorded before anything is made for it,
so the sum of the claims bounds what runs, whatever crashes in between. Whoever holds a claim keeps
it: only growth is weighed against the limits, so a limit that was lowered below what is used stops
nobody and admits nobody. Requests are judged in the order in which their declarations were
written; one that does not fit waits and stands in nobody's way. Claims only shrink once what they
stood for has gone.

Amounts are integers: billionths of a core, bytes, or numbers of things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.errors import UserError
from resources.quantity import NANO, format_cpu, format_size

RESOURCES = ("cpu", "memory", "storage", "services", "containers", "volumes", "domains")
EXCEEDED = "RESOURCE_QUOTA_EXCEEDED"

Claims = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Terms:
    """What an organization allows, as its row of that generation says. limits: of what is
    limited. plan: its name for people, '' when it has none."""

    organization: str
    generation: int
    limits: Claims = field(default_factory=dict)
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """used: by everything in the organization. requested: beside that."""

    resource: str
    limit: int
    used: int
    requested: int


@dataclass(frozen=True, slots=True)
class Request:
    """A claim that does not fit (yet). since: when its declaration was written."""

    generation: int
    claims: Claims
    since: datetime
    lacking: tuple[Shortfall, ...] = ()


@dataclass(frozen=True, slots=True)
class Admission:
    """One row of ``skyctl.admissions``. claims: what is held ({}: nothing yet). generation: for
    which it was last asked. waiting: what was asked for and does not fit."""

    generation: int
    claims: Claims = field(default_factory=dict)
    waiting: Request | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for what, holding something already."""

    uid: str
    held: Claims
    request: Request


def covers(held: Claims, needed: Claims) -> bool:
    return all(held.get(name, 0) >= amount for name, amount in needed.items())


def union(one: Claims, other: Claims) -> dict[str, int]:
    """The greater of each."""
    return {
        name: max(one.get(name, 0), other.get(name, 0))
        for name in RESOURCES
        if name in one or name in other
    }


def total(claims: Iterable[Claims]) -> dict[str, int]:
    found = dict.fromkeys(RESOURCES, 0)
    for each in claims:
        for name, amount in each.items():
            found[name] = found.get(name, 0) + amount
    return found


def shortfalls(limits: Claims, used: Claims, held: Claims, wanted: Claims) -> tuple[Shortfall, ...]:
    """Where the growth from held to wanted does not fit, in a stable order."""
    found = []
    for name in RESOURCES:
        grows = wanted.get(name, 0) - held.get(name, 0)
        limit, taken = limits.get(name), used.get(name, 0)
        if limit is not None and grows > 0 and taken + grows > limit:
            found.append(Shortfall(name, limit, taken, grows))
    return tuple(found)


def settle(
    limits: Claims, used: Claims, asking: Iterable[Asking]
) -> dict[str, tuple[Shortfall, ...]]:
    """By uid: () for whose request is granted. used: the sum of all that is held, by whom ever.
    Whoever is granted holds the greater of what was held and what was asked for."""
    taken = dict(used)
    outcome: dict[str, tuple[Shortfall, ...]] = {}
    for each in sorted(asking, key=lambda a: (a.request.since, a.uid)):
        wanted = each.request.claims
        lacking = outcome[each.uid] = shortfalls(limits, taken, each.held, wanted)
        if not lacking:
            for name, amount in union(each.held, wanted).items():
                taken[name] = taken.get(name, 0) + amount - each.held.get(name, 0)
    return outcome


# ---------------------------------------------------------------- for people


def shown(resource: str, amount: int) -> str:
    """``1500m`` cpu, ``512Mi`` memory, ``3`` containers."""
    if resource == "cpu":
        return format_cpu(amount)
    if resource in ("memory", "storage"):
        return format_size(amount)
    return str(amount)


def number(resource: str, amount: int) -> float:
    """For programs: cores, bytes, or how many."""
    if resource != "cpu":
        return amount
    return amount // NANO if amount % NANO == 0 else amount / NANO


def described(claims: Claims) -> str:
    return ", ".join(
        f"{name} {shown(name, claims[name])}" for name in RESOURCES if claims.get(name)
    )


def usage(used: Claims, limits: Claims) -> dict[str, dict[str, float | None]]:
    """As it stands in an Organization's status: every resource, unlimited ones with limit null."""
    return {
        name: {
            "used": number(name, used.get(name, 0)),
            "limit": None if name not in limits else number(name, limits[name]),
        }
        for name in RESOURCES
    }


def exceeded(
    terms: Terms,
    lacking: Sequence[Shortfall],
    *,
    pointers: Mapping[str, str],
    note: str = "",
    suggestions: Sequence[str] = (),
) -> UserError:
    """pointers: by resource, the field that asks for it. note: what else is to be said of the
    request. lacking: not empty; the first counts for programs, people are told of all."""
    first = lacking[0]
    whose = f'plan "{terms.plan}"' if terms.plan else f"organization {terms.organization}"
    each = "; ".join(_told(shortfall) for shortfall in lacking)
    details: dict[str, Any] = {
        "resource": first.resource,
        "limit": number(first.resource, first.limit),
        "used": number(first.resource, first.used),
        "requested": number(first.resource, first.requested),
        "plan": terms.plan or None,
        "organization": terms.organization,
        "pointer": pointers.get(first.resource, "/spec"),
    }
    return UserError(
        EXCEEDED,
        f"the quota of {whose} does not allow it: {each}{note}",
        details=details,
        suggestions=[
            *suggestions,
            f"free some: skyctl get all --org {terms.organization} shows what is there",
            f"raise spec.quota.{first.resource} of Organization {terms.organization}",
        ],
    )


def _told(shortfall: Shortfall) -> str:
    name = shortfall.resource
    limit, used = shown(name, shortfall.limit), shown(name, shortfall.used)
    return f"{name}: limit {limit}, used {used}, requested {shown(name, shortfall.requested)} more"
