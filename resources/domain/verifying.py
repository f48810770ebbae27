"""Whose a hostname is, and where it leads: what DNS has to say, and what its answers mean. Pure.

Ownership is proven by a TXT record beside the hostname, with a token that belongs to the
organization: no other can have it, and all Domains of the organization on that name share it. Then
the hostname itself has to lead here. Nothing is ordered from a certificate authority before both.

What was proven stays so for long: DNS that cannot be asked says nothing, and an answer without the
record counts only when it has been given again and again for ``LOST_AFTER``. A Domain that got
another hostname still holds the earlier one until the newest is proven, so that is asked about too.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resources.hostname import PROOF, apex, is_wildcard, within
from resources.meta import Entry, HostnameClaim
from resources.routing.world import DnsFinding, Ingress

LOST_AFTER = timedelta(hours=24)
LOST_CHECKS = 5
SILENCE = timedelta(hours=1)
"""For which DNS may not be askable between two answers that say the same; what is beyond is not
counted as part of ``LOST_AFTER``."""
SOON, LATEST, NOW_AND_THEN = 5.0, 600.0, 3600.0
"""Seconds until DNS is asked again: at first, at most while something is amiss, and when all is
well."""
SHOWN = 5
LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """uid: the Domain's. token: of the TXT record. addresses: ours; empty: not compared.
    failing_since: as the status remembers it."""

    uid: str
    hostname: str
    token: str
    addresses: tuple[str, ...] = ()
    failing_since: datetime | None = None

    @property
    def record(self) -> str:
        """Where the token is to be found."""
        return record(self.hostname)

    @property
    def host(self) -> str:
        """The name to look up: of a wildcard one that it covers."""
        if is_wildcard(self.hostname):
            return f"{self.token[-12:]}.{apex(self.hostname)}"
        return self.hostname


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


def own(hostname: str, organization: str, ingress: Ingress) -> bool:
    """Below the name that the platform gives the organization."""
    domain = ingress.default_domain
    return bool(domain) and within(hostname, f"{organization}.{domain}")


def needs_proof(hostname: str, organization: str, ingress: Ingress) -> bool:
    return ingress.verification != "none" and not own(hostname, organization, ingress)


def question_about(
    entry: Entry, hostname: str, organization: Entry, ingress: Ingress, instance: str
) -> DnsQuestion | None:
    """None: nothing needs to be asked."""
    if not needs_proof(hostname, organization.key.name, ingress):
        return None
    proof = token(instance, organization, hostname)
    since = _failing_since(entry, hostname)
    return DnsQuestion(entry.resource.uid, hostname, proof, ingress.addresses, since)


def _failing_since(entry: Entry, hostname: str) -> datetime | None:
    """As the status tells of that very hostname."""
    status = entry.status or {}
    told = [{"hostname": status.get("hostname"), **(status.get("verification") or {})}]
    told += status.get("earlierHostnames") or []
    since = next((t.get("failingSince") for t in told if t["hostname"] == hostname), None)
    return datetime.fromisoformat(since) if isinstance(since, str) else None


def earlier(entry: Entry, hostname: str, path: str) -> tuple[HostnameClaim, ...]:
    """Verified claims of other places than that one, the newest. What is served may stand for one
    of them."""
    held = (claim for claim in entry.record.hostnames if claim.verified and not claim.conflict)
    return tuple(claim for claim in held if (claim.hostname, claim.path) != (hostname, path))


def judge(
    before: DnsFinding | None, question: DnsQuestion, answer: Answer, now: datetime
) -> DnsFinding:
    """The same object when nothing is new and all is well. An error keeps what was known."""
    if answer.error:
        since = question.failing_since
        known = before or DnsFinding(question.uid, question.hostname, failing_since=since)
        if known.error == answer.error and before is not None:
            return before
        return replace(known, error=answer.error, checked_at=now)
    found = DnsFinding(
        question.uid,
        question.hostname,
        tuple(sorted(set(answer.texts)))[:SHOWN],
        question.token in answer.texts,
        (*answer.aliases, *sorted(set(answer.addresses)))[:SHOWN],
        points_here(question.addresses, answer),
        checked_at=now,
        answered_at=now,
    )
    if found.proven and found.pointed:
        same = before is not None and replace(before, checked_at=now, answered_at=now) == found
        return before if same and before is not None else found
    failures = 1 if before is None else before.failures + 1
    since = _since(before, now) if before is not None else question.failing_since
    return replace(found, failures=failures, failing_since=since or now)


def _since(before: DnsFinding, now: datetime) -> datetime | None:
    """From when on it is counted, once it has been answered so again."""
    since, answered = before.failing_since, before.answered_at
    if since is None or answered is None or not before.error:
        return since
    return since + max(now - answered - SILENCE, timedelta())


def points_here(addresses: Iterable[str], answer: Answer) -> bool:
    """Every address is one of ours; a name of ours that it is an alias of will do. With no
    addresses of ours known, any address does."""
    ours = {_plain(a) for a in (*addresses, *answer.ours)}
    if not ours:
        return bool(answer.addresses)
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
    if finding is None or finding.failing_since is None or finding.answered_at is None:
        return False
    lasting = finding.answered_at - finding.failing_since
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
