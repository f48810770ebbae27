"""Who may use a hostname: claims, decided by the store in one transaction at a time for each.

Theory. Anybody may claim any name, and a claim costs nobody anything: it is *verified* once its
organization has proven that the name is its own, and the first verified claim makes its
organization the holder. Everybody else's claims of that name are refused from then on, also those
that were there before; when the holder's last verified claim goes, the next to prove it is the
holder. Within an organization a hostname may be used several times, with different paths; of two
equal ones the earlier claim holds. A wildcard and the names that it covers are names of their own:
each needs its own proof.

Claims outlive restarts, and nobody learns from them who the holder is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from resources.meta import Entry
from resources.store_steps import StoreStep

TAKEN = "taken"
"""By another organization."""
DUPLICATE = "duplicate:"
"""Of that Domain of the same organization."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """One claim of one hostname. at: when it was made. path: '' for all."""

    uid: str
    organization: str
    name: str
    path: str
    at: datetime
    verified_at: datetime | None = None


def decide(claimants: Iterable[Claimant]) -> dict[tuple[str, str], str]:
    """Of all claims of one hostname, by uid and path: '' for whose holds, TAKEN, or DUPLICATE with
    the name of the Domain that was there before. Those of who is not the holder may be verified
    no longer."""
    rows = sorted(claimants, key=lambda c: (c.at, c.uid))
    owner = holder(rows)
    found: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, str], Claimant] = {}
    for row in rows:
        before = first.setdefault((row.organization, row.path), row)
        if owner is not None and row.organization != owner:
            found[row.uid, row.path] = TAKEN
        else:
            found[row.uid, row.path] = "" if before is row else DUPLICATE + before.name
    return found


def holder(claimants: Iterable[Claimant]) -> str | None:
    """The organization that was the first to prove it; None while nobody has."""
    proven = [(c.verified_at, c.uid, c.organization) for c in claimants if c.verified_at]
    return min(proven)[2] if proven else None


def held(entries: Iterable[Entry]) -> frozenset[str]:
    """The hostnames that these have proven."""
    claims = (claim for entry in entries for claim in entry.record.hostnames)
    return frozenset(c.hostname for c in claims if c.verified and not c.conflict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimHostname(StoreStep):
    """Claims it, or says of the claim whether it is proven. Those who are concerned are told.
    verified is recorded only where no other organization holds the name."""

    hostname: str
    path: str = ""
    verified: bool = False

    @property
    def target(self) -> str:
        return f"{self.hostname}{self.path}" + (" verified" if self.verified else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHostnames(StoreStep):
    """Gives up every claim of this Domain but one. keep: hostname and path, or None."""

    keep: tuple[str, str] | None = None

    @property
    def target(self) -> str:
        return "all" if self.keep is None else f"all but {''.join(self.keep)}"
