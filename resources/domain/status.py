"""A Domain's status: whose the name is, where it leads, what is served for it.

Nothing here changes by itself: times are those at which something was found, so a Domain that is
as it should be is written once.
"""

from __future__ import annotations

from typing import Any

from resources import verdict
from resources.conditions import Conditions, find, timestamp
from resources.context import Context
from resources.domain import ordering, problems
from resources.domain.routing import certified, url
from resources.domain.standing import (
    ACTIVE,
    LOST,
    NO_LONGER,
    PROGRAMMED,
    VERIFIED,
    DomainStanding,
    stand,
)
from resources.domain.verifying import shown
from resources.errors import UserError
from resources.plan import Plan
from resources.quota import EXCEEDED
from resources.routing.world import Certificate
from resources.service.problems import UNRESOLVED

CERTIFICATE_READY = "CertificateReady"
UNREADABLE = "CertificateUnreadable"
REFUSALS = frozenset(
    {
        EXCEEDED,
        problems.CONFLICT,
        problems.NO_PORT,
        problems.RESERVED,
        problems.WILDCARD,
        "RESOURCE_CONFLICT",
        *UNRESOLVED,
    }
)
STATES = {ACTIVE: "active", "Failed": "error"}


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    accepted = context.entry.record.accepted_generation == context.generation
    refusals = frozenset({problems.CONFLICT}) if accepted else REFUSALS
    judged = verdict.judge(context, plan, failure, refusals=refusals)
    conditions = verdict.begin(context, judged)
    organization = context.ref("Organization", context.key.organization)
    found = stand(context) if context.spec is not None and organization is not None else None
    standing = found if found is not None and found.declared.spec is not None else None
    _progress(conditions, standing)
    phase = _phase(context, judged, standing)
    message = _message(context, plan, phase, standing)
    ready = phase == ACTIVE and judged.converged and _certificate(standing)[0] is not False
    verdict.finish(conditions, judged, ready, phase, message, plan.standing)
    return verdict.document(
        context,
        judged,
        conditions,
        phase=phase,
        state=STATES.get(phase, "pending"),
        message=message,
        hostname=standing.spec.hostname if standing is not None else None,
        url=url(standing.spec, standing.ingress) if standing is not None else None,
        verification=_verification(standing) if standing is not None else None,
        certificate=_served(standing) if standing is not None else None,
        **_earlier(standing),
        **({"drift": plan.standing} if plan.standing else {}),
    )


def _phase(context: Context, judged: verdict.Verdict, standing: DomainStanding | None) -> str:
    """What works is Active, also while a newer declaration is refused."""
    if context.deleting:
        return "Deleting"
    if standing is not None and standing.suspended:
        return "Suspended"
    if standing is not None and standing.programmed and standing.obstacle is None:
        return ACTIVE
    if judged.stalled:
        earlier = standing is not None and standing.serves_earlier
        return ACTIVE if earlier else "Failed"
    return "Pending"


def _message(context: Context, plan: Plan, phase: str, standing: DomainStanding | None) -> str:
    if phase == "Deleting":
        return "being deleted"
    if phase == "Suspended":
        return "the organization is suspended"
    if phase == ACTIVE and standing is not None:
        return _answering(standing)
    if plan.wait is not None:
        return f"waiting for {plan.wait.reason}"
    return "being published"


def _answering(standing: DomainStanding) -> str:
    """Where nobody can tell that it does, or sees that it does not, it is not said to."""
    where, problem = url(standing.spec, standing.ingress), standing.ingress.problem
    if problem and not standing.ingress.unread:
        return f"should answer at {where}; {problem}"
    if standing.deserted and standing.spec.middlewares.redirect is None:
        words = f"503: no replica of Service {standing.spec.service} serves"
        return f"should answer at {where}; {words}"
    ready, reason, words = _certificate(standing)
    if ready is not False and (stray := _stray(standing)):
        return f"should answer at {where}; {stray}"
    if ready is not False:
        return f"answers at {where}"
    return f"{'should answer' if reason == UNREADABLE else 'answers'} at {where}; {words}"


def _stray(standing: DomainStanding) -> str:
    """What is amiss with its port, which the Service need not declare."""
    port, declared = standing.spec.port, standing.ports
    if port is None or not declared or port in declared:
        return ""
    listed = ", ".join(map(str, declared))
    return f"port {port} is none of those that Service {standing.spec.service} declares ({listed})"


# ---------------------------------------------------------------- conditions


def _progress(conditions: Conditions, standing: DomainStanding | None) -> None:
    if standing is None:
        for type_ in (VERIFIED, PROGRAMMED, CERTIFICATE_READY):
            conditions.set(type_, None, "NotAccepted")
        return
    conditions.set(VERIFIED, *_verified(standing))
    conditions.set(PROGRAMMED, *_programmed(standing))
    conditions.set(CERTIFICATE_READY, *_certificate(standing))


def _verified(standing: DomainStanding) -> tuple[bool, str, str]:
    if not standing.needs_proof:
        return standing.claimed, "NotRequired", ""
    if not standing.verified:
        reason, words = standing.unverified
        return False, LOST if standing.gone else reason, words
    doubt = "" if standing.proven and standing.pointed else _doubt(standing)
    return True, "Verified", doubt


def _doubt(standing: DomainStanding) -> str:
    """It stays verified; said only once DNS has really answered something else."""
    found = standing.finding
    if found is None or (found.error and not found.failures):
        return ""
    return f"kept for now, but {standing.unverified[1]}"


def _programmed(standing: DomainStanding) -> tuple[bool | None, str, str]:
    ingress = standing.ingress
    if standing.suspended:
        return False, "Suspended", "the organization is suspended"
    if ingress.mode == "none":
        return False, "NoIngress", "this platform runs no ingress"
    if not standing.verified:
        return False, "NotVerified", ""
    if standing.obstacle is not None:
        return False, standing.obstacle.reason, standing.obstacle.message
    if ingress.unread and standing.programmed:
        return _as_before(standing, PROGRAMMED)
    if standing.blind:
        return None, "ProxiesUnknown", ingress.problem
    if standing.by_labels:
        return _by_labels(standing)
    if not standing.current:
        removed = standing.published is None and standing.was_served
        return False, NO_LONGER if removed else "NotPublished", ""
    if standing.amiss:
        words = f"not served by every proxy: {', '.join(standing.amiss)}"
        return False, _unserved(standing), words
    return True, "Programmed", ""


def _unserved(standing: DomainStanding) -> str:
    return NO_LONGER if standing.was_served else "NotServedYet"


def _by_labels(standing: DomainStanding) -> tuple[bool, str, str]:
    service = standing.spec.service
    if not standing.carried:
        return False, "NotPublished", f"no container of Service {service} carries it yet"
    if not standing.seen:
        faults = "; ".join(f"{name}: {why}" for name, why in standing.labelled.faults.items())
        return False, _unserved(standing), faults or "not served by every proxy"
    if standing.ingress.asked:
        return True, "Programmed", ""
    return True, "Labels", f"containers of Service {service} carry it; no proxy is asked"


def _as_before(standing: DomainStanding, type_: str) -> tuple[bool | None, str, str]:
    """We have just begun: what was said last is said until there is more to say."""
    before = find(standing.context.entry.status, type_) or {}
    word = {"True": True, "False": False}.get(str(before.get("status")))
    return word, str(before.get("reason", "Unknown")), str(before.get("message", ""))


def _certificate(standing: DomainStanding | None) -> tuple[bool | None, str, str]:
    """Of what is really served. None: nothing was read yet."""
    if standing is None:
        return None, "NotAccepted", ""
    spec, found = standing.spec, standing.certificate
    if not spec.tls.enabled:
        return None, "NoTls", "tls.enabled is false"
    if not certified(spec, standing.ingress):
        return None, "NoResolver", "no certificates are ordered on this platform"
    if not standing.verified:
        return None, "NotVerified", "nothing is ordered before the hostname is verified"
    if standing.hidden and (found is None or found.hidden):
        return None, "NotRead", "SKYCTL_DOMAIN_ADDRESSES does not say where HTTPS is answered"
    if found is None and _said_before(standing, "certificate"):
        return _as_before(standing, CERTIFICATE_READY)
    if found is None:
        return None, "NotRead", ""
    if found.error:
        return False, UNREADABLE, found.error
    if not found.covers:
        why = f": {found.failure}" if found.failure else ""
        return False, "CertificateMissing", f"no certificate for this hostname is served yet{why}"
    if found.ending:
        problem = problems.ending(standing.spec, found)
        return found.ending != "over", problem.reason, problem.message
    return True, "CertificateServed", ""


# ---------------------------------------------------------------- facts


def _verification(standing: DomainStanding) -> dict[str, Any] | None:
    """What to put into DNS, and what is there. None where no proof is needed."""
    question, found = standing.question, standing.finding
    if question is None:
        return None
    before = _said_before(standing, "verification")
    if found is None and before is not None and before.get("value") == question.token:
        return before
    told: dict[str, Any] = {
        "record": question.record,
        "type": "TXT",
        "value": question.token,
        "found": shown(found.texts) if found is not None else "",
        "expected": question.token,
        "checkedAt": None,
        "addresses": {
            "found": list(found.addresses) if found is not None else [],
            "expected": list(question.addresses),
        },
    }
    if found is not None and found.checked_at is not None:
        told["checkedAt"] = timestamp(found.checked_at)
    since = found.failing_since if found is not None else question.failing_since
    if since is not None:
        told["failingSince"] = timestamp(since)
    well = found is not None and found.proven and found.pointed and not found.error
    if well and before is not None and {**before, "checkedAt": told["checkedAt"]} == told:
        return before  # it was so before we began as well
    return told


def _earlier(standing: DomainStanding | None) -> dict[str, Any]:
    """Hostnames of earlier declarations that are still held, and not as they should be."""
    told = []
    for question in standing.questions if standing is not None else ():
        if standing is None or question.hostname == standing.spec.hostname:
            continue
        found = standing.found(question.hostname)
        since = found.failing_since if found is not None else question.failing_since
        if since is not None:
            place = {
                "hostname": question.hostname,
                "record": question.record,
                "expected": question.token,
            }
            told.append({**place, "failingSince": timestamp(since)})
    return {"earlierHostnames": told} if told else {}


def _said_before(standing: DomainStanding, fact: str) -> dict[str, Any] | None:
    """Of the same hostname: nothing was looked at yet since we began."""
    status = standing.context.entry.status or {}
    if status.get("hostname") != standing.spec.hostname:
        return None
    told: dict[str, Any] | None = status.get(fact)
    return told


def _served(standing: DomainStanding) -> dict[str, Any] | None:
    found = standing.certificate
    if not standing.spec.tls.enabled:
        return None
    if found is None and not standing.hidden:
        return _said_before(standing, "certificate")
    if found is None:
        attempt = ordering.told(standing.context.entry, standing.spec.hostname)
        found = Certificate(standing.context.uid, hidden=True, attempt=attempt)
    return {
        "issuer": found.issuer,
        "names": list(found.names),
        "notAfter": timestamp(found.not_after) if found.not_after is not None else None,
        "lastError": found.error or found.failure or None,
        "attempts": found.attempt.number,
        "nextAttempt": timestamp(found.attempt.due) if found.attempt.due is not None else None,
    }
