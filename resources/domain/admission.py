"""May this generation of a Domain be accepted? Asked once, of a new generation.

Whoever is accepted stays accepted. What changes later around a Domain (its Service goes, a Secret
is gone, the name turns out to be somebody else's) stands in the way of its routes, not of its
declaration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from resources.acceptance import acceptance
from resources.context import Context
from resources.domain import problems, references
from resources.domain.backends import wanted
from resources.domain.container_labels import inexpressible
from resources.domain.spec import DomainSpec
from resources.domain.verifying import own
from resources.effective import accepted, effective
from resources.errors import UserError
from resources.hostname import is_wildcard, within
from resources.hostname_claims import ClaimHostname
from resources.meta import HostnameClaim
from resources.organization.absence import no_organization
from resources.share import Need, asked, holding
from resources.steps import Step
from resources.store_steps import Claim

CLAIMS = {"domains": 1}


@dataclass(frozen=True, slots=True)
class DomainDeclaration:
    """spec: what is in force, None when nothing is. steps: to be recorded first, then looked at
    again. problem: why the newest generation is not accepted. accepting: steps that accept it."""

    spec: DomainSpec | None
    steps: tuple[Step, ...] = ()
    problem: UserError | None = None
    accepting: tuple[Step, ...] = ()


def declaration(context: Context) -> DomainDeclaration:
    found = _newest(context)
    if found.problem is None or context.entry.record.accepted_generation is None:
        return found
    newest = context.entry.record.accepted_generation == context.generation
    earlier: DomainSpec | None = context.spec if newest else accepted(context.entry)
    return replace(found, spec=earlier)


def claim_of(context: Context, spec: DomainSpec) -> HostnameClaim | None:
    for claim in context.entry.record.hostnames:
        if (claim.hostname, claim.path) == (spec.hostname, spec.path):
            return claim
    return None


def _newest(context: Context) -> DomainDeclaration:
    """What is accepted already only makes sure that its claim is there."""
    if context.rejection is not None:
        return DomainDeclaration(None, problem=context.rejection)
    spec: DomainSpec = context.spec
    new = context.entry.record.accepted_generation != context.generation
    if new and (refused := refusal(context, spec)) is not None:
        return DomainDeclaration(None, problem=refused)
    if new:
        answer = asked(
            context, Need(CLAIMS, {"domains": "/spec"}), f"generation {context.generation}"
        )
        if isinstance(answer, Claim):
            return DomainDeclaration(spec, (answer,))
        if answer is not None:
            return DomainDeclaration(None, problem=answer)
    claim = claim_of(context, spec)
    if claim is None:
        step = ClaimHostname(hostname=spec.hostname, path=spec.path, cause="not claimed yet")
        return DomainDeclaration(spec, (step,))
    if claim.conflict:
        return DomainDeclaration(
            None if new else spec, problem=problems.conflict(spec, claim.conflict)
        )
    return DomainDeclaration(spec, accepting=(*acceptance(context, CLAIMS), *_counted(context)))


def _counted(context: Context) -> tuple[Step, ...]:
    """One that was accepted where nothing is counted, and is counted now."""
    return holding(context, CLAIMS, settled=True)


def refusal(context: Context, spec: DomainSpec) -> UserError | None:
    """Why a new generation is not accepted, or None."""
    organization = context.ref("Organization", context.key.organization)
    if organization is None:
        return no_organization(context.key)
    if organization.resource.deleting:
        return problems.organization_leaving(context)
    return (
        _reserved(context, spec)
        or _wildcard(context, spec)
        or references.unresolved(context, spec)
        or unreachable(context, spec)
        or inexpressible(spec, context.platform.ingress)
    )


def unreachable(context: Context, spec: DomainSpec) -> UserError | None:
    """The Service goes, or nobody knows on which port it listens."""
    service = context.ref("Service", spec.service)
    if service is None:
        return references.unresolved(context, spec)
    if service.resource.deleting:
        return problems.service_leaving(spec)
    declared = effective(service).spec
    if declared is not None and wanted(spec, declared) is None:
        return problems.no_port(spec)
    return None


def _reserved(context: Context, spec: DomainSpec) -> UserError | None:
    ingress, organization = context.platform.ingress, context.key.organization
    domain = ingress.default_domain
    if not domain or not within(spec.hostname, domain) or own(spec.hostname, organization, ingress):
        return None
    return problems.reserved(spec, organization, domain)


def _wildcard(context: Context, spec: DomainSpec) -> UserError | None:
    ingress = context.platform.ingress
    orders = spec.tls.enabled and spec.tls.issuer == "letsencrypt" and bool(ingress.resolver)
    if is_wildcard(spec.hostname) and orders and not ingress.wildcards:
        return problems.wildcard(spec)
    return None
