"""Whose a hostname is, and where it leads: what DNS has to say, and what its answers mean. Pure.

Ownership is proven by a TXT record beside the hostname, with a token that belongs to the
organization: no other can have it, and all Domains of the organization on that name share it. Then
the hostname itself has to lead here. Nothing is ordered from a certificate authority before both.

What was proven stays so for long: DNS that cannot be asked says nothing, and an answer without the
record counts only when it has been given again and again for ``LOST_AFTER``.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resources.domain.spec import DomainSpec
from resources.hostname import PROOF, WILDCARD, apex, is_wildcard, within
from resources.meta import Entry
from resources.routing.world import DnsFinding, Ingress

LOST_AFTER = timedelta(hours=24)
LOST_CHECKS = 5
SOON, LATEST, NOW_AND_THEN = 5.0, 600.0, 3600.0
"""Seconds until DNS is asked again: at first, at most while something is amiss, and when all is
well."""
SHOWN = 5
LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Target:
    """uid: the Domain's. record, token: the TXT record, '' where no proof is needed. host: the name
    to look up. addresses: ours; empty: not compared. failing_since: as the status remembers it."""

    uid: str
    record: str
    token: str
    host: str
    addresses: tuple[str, ...] = ()
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """texts: TXT values at the record. addresses: of the host. aliases: what it is an alias of.
    ours: the IP addresses of the platform's names. error: why somebody could not be asked."""

    texts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    error: str = ""


def token(instance: str, organization: Entry, hostname: str) -> str:
    """Stable as long as the Organization lives; of no use to any other."""
    words = f"skypanel-verify\n{instance}\n{organization.resource.uid}\n{apex(hostname)}"
    return "skypanel-" + hashlib.sha256(words.encode()).hexdigest()[:40]


def record(hostname: str) -> str:
    return f"{PROOF}.{apex(hostname)}"


def own(spec: DomainSpec, organization: str, ingress: Ingress) -> bool:
    """Below the name that the platform gives the organization."""
    domain = ingress.default_domain
    return bool(domain) and within(spec.hostname, f"{organization}.{domain}")


def needs_proof(spec: DomainSpec, organization: str, ingress: Ingress) -> bool:
    return ingress.verification != "none" and not own(spec, organization, ingress)


def target(
    entry: Entry, spec: DomainSpec, organization: Entry, ingress: Ingress, instance: str
) -> Target | None:
    """None: nothing needs to be asked."""
    if not needs_proof(spec, organization.key.name, ingress):
        return None
    proof = token(instance, organization, spec.hostname)
    host = spec.hostname
    if is_wildcard(host):
        host = f"{proof[-12:]}.{host.removeprefix(WILDCARD)}"
    told = ((entry.status or {}).get("verification") or {}).get("failingSince")
    since = datetime.fromisoformat(told) if isinstance(told, str) else None
    return Target(entry.resource.uid, record(spec.hostname), proof, host, ingress.addresses, since)


def judge(before: DnsFinding | None, target: Target, answer: Answer, now: datetime) -> DnsFinding:
    """The same object when nothing is new and all is well. An error keeps what was known."""
    if answer.error:
        known = before or DnsFinding(target.uid, target.record, failing_since=target.failing_since)
        if known.error == answer.error and before is not None:
            return before
        return replace(known, error=answer.error, checked_at=now)
    found = DnsFinding(
        target.uid,
        target.record,
        tuple(sorted(set(answer.texts)))[:SHOWN],
        target.token in answer.texts,
        (*answer.aliases, *sorted(set(answer.addresses)))[:SHOWN],
        points_here(target.addresses, answer),
        checked_at=now,
    )
    if found.proven and found.pointed:
        same = before is not None and replace(before, checked_at=now) == found
        return before if same and before is not None else found
    failures = 1 if before is None else before.failures + 1
    since = before.failing_since if before is not None else target.failing_since
    return replace(found, failures=failures, failing_since=since or now)


def points_here(addresses: Iterable[str], answer: Answer) -> bool:
    """Every address is one of ours; a name of ours that it is an alias of will do. With no
    addresses of ours known, anything does."""
    ours = {_plain(a) for a in (*addresses, *answer.ours)}
    if not ours:
        return True
    if ours.intersection(alias.rstrip(".").lower() for alias in answer.aliases):
        return True
    return bool(answer.addresses) and all(_plain(a) in ours for a in answer.addresses)


def _plain(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.rstrip(".").lower()


def lost(finding: DnsFinding | None) -> bool:
    """It has been answered long enough that it is so no longer."""
    if finding is None or finding.failing_since is None or finding.checked_at is None:
        return False
    lasting = finding.checked_at - finding.failing_since
    return finding.failures >= LOST_CHECKS and lasting >= LOST_AFTER


def pause(finding: DnsFinding, attempts: int) -> float:
    """Seconds until DNS is asked again. attempts: in a row that did not find all well."""
    if finding.proven and finding.pointed and not finding.error:
        return NOW_AND_THEN
    return float(min(LATEST, SOON * 1.5 ** min(max(attempts - 1, 0), 32)))


def shown(values: Iterable[str]) -> str:
    """What was found, short and printable."""
    found = [
        value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "..." for value in values
    ]
    return ", ".join("".join(c if c.isprintable() else "?" for c in value) for value in found)
