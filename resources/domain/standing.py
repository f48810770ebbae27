"""Where a Domain stands on its way to visitors: proven, published, served, certified.

Derived anew from what is observed, each time; plan and status ask the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from resources.conditions import find, is_true
from resources.context import Context
from resources.domain import references
from resources.domain.admission import DomainDeclaration, claim_of, declaration, unreachable
from resources.domain.backends import named, routed
from resources.domain.container_labels import LOST, VERIFIED, by_labels, inexpressible, of_domain
from resources.domain.labels import Labels
from resources.domain.routing import Route, render
from resources.domain.spec import DomainSpec
from resources.domain.verifying import (
    DnsQuestion,
    earlier,
    lost,
    needs_proof,
    question_about,
    shown,
)
from resources.effective import accepted, effective
from resources.errors import UserError
from resources.meta import Entry, HostnameClaim
from resources.routing.document import Document
from resources.routing.opening import beyond
from resources.routing.rules import rule
from resources.routing.world import (
    Certificate,
    DnsFinding,
    Ingress,
    Labelled,
    Published,
    Serving,
)
from resources.service.spec import ServiceSpec

__all__ = ["ACTIVE", "LOST", "NO_LONGER", "PROGRAMMED", "VERIFIED", "DomainStanding", "stand"]

PROGRAMMED = "Programmed"
ACTIVE = "Active"
NO_LONGER = "NoLongerServed"


@dataclass(frozen=True)
class DomainStanding:
    """Of what is in force. Nothing here may be asked while ``spec`` is None."""

    context: Context
    declared: DomainDeclaration

    @property
    def spec(self) -> DomainSpec:
        assert self.declared.spec is not None
        return self.declared.spec

    @property
    def ingress(self) -> Ingress:
        return self.context.platform.ingress

    @cached_property
    def suspended(self) -> bool:
        organization = self.context.ref("Organization", self.context.key.organization)
        found = effective(organization).spec if organization is not None else None
        return bool(found is not None and found.suspended)

    # -- proof
    @cached_property
    def needs_proof(self) -> bool:
        return needs_proof(self.spec.hostname, self.context.key.organization, self.ingress)

    @cached_property
    def question(self) -> DnsQuestion | None:
        return self._question(self.spec.hostname)

    @cached_property
    def questions(self) -> tuple[DnsQuestion, ...]:
        """Whatever is to be asked about: the newest hostname, and those that are still held."""
        names = {claim.hostname for claim in self.earlier} - {self.spec.hostname}
        others = (self._question(name) for name in sorted(names))
        return tuple(found for found in (self.question, *others) if found is not None)

    def _question(self, hostname: str) -> DnsQuestion | None:
        organization = self.context.ref("Organization", self.context.key.organization)
        if organization is None:
            return None
        context = self.context
        return question_about(
            context.entry, hostname, organization, self.ingress, context.platform.instance
        )

    @cached_property
    def finding(self) -> DnsFinding | None:
        """What was found of this very hostname: one that was just changed is not looked up yet."""
        return self.found(self.spec.hostname)

    def found(self, hostname: str) -> DnsFinding | None:
        """None also where no proof is needed."""
        if not needs_proof(hostname, self.context.key.organization, self.ingress):
            return None
        return self.context.world.findings.get(self.context.uid, {}).get(hostname)

    @cached_property
    def earlier(self) -> tuple[HostnameClaim, ...]:
        return earlier(self.context.entry, self.spec.hostname, self.spec.path)

    @cached_property
    def forfeited(self) -> tuple[HostnameClaim, ...]:
        """Earlier ones that are not proven any more, or lead elsewhere, for long."""
        return tuple(claim for claim in self.earlier if lost(self.found(claim.hostname)))

    @cached_property
    def claimed(self) -> bool:
        """The store says that it is ours: nobody else can have proven it."""
        claim = claim_of(self.context, self.spec)
        return claim is not None and claim.verified and not claim.conflict

    @cached_property
    def proven(self) -> bool | None:
        """Now; None: not known."""
        if not self.needs_proof:
            return True
        if self.finding is None or (self.finding.error and not self.finding.proven):
            return None
        return self.finding.proven

    @cached_property
    def gone(self) -> bool:
        """What was proven has not been so for long."""
        return lost(self.finding)

    @cached_property
    def pointed(self) -> bool | None:
        """Does the hostname lead here? None: not known."""
        if not self.needs_proof:
            return True
        if self.finding is None or (self.finding.error and not self.finding.pointed):
            return None
        return self.finding.pointed

    @cached_property
    def verified(self) -> bool:
        """May visitors be let in? What was verified stays so while DNS says nothing, or something
        else only for a while."""
        if not self.claimed or self.gone:
            return False
        status = self.context.entry.status
        stood = is_true(status, VERIFIED) and (status or {}).get("hostname") == self.spec.hostname
        return bool(self.pointed) or stood

    @cached_property
    def lasting(self) -> bool:
        """Does what is published still stand for a name that is ours? It may be that of an earlier
        declaration, until the newest is proven."""
        claims = self.context.entry.record.hostnames
        rules = self.published.rules if self.published is not None else frozenset()
        served = [claim for claim in claims if rule(claim.hostname, claim.path) in rules]
        return any(
            claim.verified and not claim.conflict and not lost(self.found(claim.hostname))
            for claim in served or claims
        )

    @property
    def unverified(self) -> tuple[str, str]:
        """Why not: a CamelCase reason, and what was found and what is expected."""
        found, question = self.finding, self.question
        if question is None or found is None:
            return "DnsNotAsked", "DNS is being asked"
        if found.error and not found.proven:
            return "DnsUnreachable", f"DNS cannot be asked: {found.error}"
        if not found.proven:
            there = f"found {shown(found.texts)}" if found.texts else "found none"
            return (
                "OwnershipNotProven",
                f"TXT record {question.record}: expected {question.token}, {there}",
            )
        if not question.addresses:
            words = f"{self.spec.hostname} has no address (A, AAAA or CNAME)"
            return "DnsPointsElsewhere", words
        there = shown(found.addresses) if found.addresses else "nothing"
        return (
            "DnsPointsElsewhere",
            f"{self.spec.hostname} leads to {there}; expected {shown(question.addresses)}",
        )

    # -- routes
    @cached_property
    def obstacle(self) -> UserError | None:
        """Without this no route can be made."""
        return (
            unreachable(self.context, self.spec)
            or references.unresolved(self.context, self.spec)
            or references.closed(self.context, self.spec)
            or inexpressible(self.spec, self.ingress)
        )

    @property
    def service(self) -> Entry | None:
        return self.context.ref("Service", self.spec.service)

    @property
    def service_spec(self) -> ServiceSpec | None:
        """In force; None while it is not known."""
        service = self.service
        spec: ServiceSpec | None = effective(service).spec if service is not None else None
        return spec

    @property
    def service_served(self) -> Serving | None:
        """What the proxies serve of it."""
        service = self.service
        return self.context.world.serving.get(service.resource.uid) if service else None

    @cached_property
    def backend(self) -> str:
        """Of the Service; '' while it is not known."""
        service, declared = self.service, self.service_spec
        found = routed(self.spec, declared) if declared is not None else None
        return named(service, found) if service is not None and found is not None else ""

    @cached_property
    def ports(self) -> tuple[int, ...]:
        """That the Service declares for tcp."""
        declared = self.service_spec
        ports = declared.ports if declared is not None else ()
        return tuple(p.container_port for p in ports if p.protocol == "tcp")

    @cached_property
    def backend_served(self) -> bool:
        served = self.service_served
        return served is not None and self.backend in served.everywhere

    @cached_property
    def deserted(self) -> bool:
        """The proxies know its backend, and nobody in it."""
        served = self.service_served
        if served is None or self.blind or not self.ingress.routing:
            return False
        return self.backend in served.everywhere and not served.anywhere.get(self.backend)

    @cached_property
    def document(self) -> Document:
        context, spec = self.context, self.spec
        values = references.values(context, spec)
        if self.beyond and spec.tls.secret is not None:
            values[spec.tls.secret] = {}
        route = Route(context.key, context.uid, spec, self.backend, values, context.held)
        return render(route, self.ingress)

    @cached_property
    def beyond(self) -> tuple[str, ...]:
        """Names in the certificate that is published, and are its organization's no longer."""
        there = sorted(self.published.names) if self.published is not None else ()
        return beyond(there, (self.spec.hostname,), self.context.held)

    # -- as labels
    @property
    def by_labels(self) -> bool:
        return by_labels(self.ingress)

    @cached_property
    def labels(self) -> Labels | None:
        """What its Service's containers shall carry. None: nobody knows on which port."""
        context, service, serving = self.context, self.service, self.service_spec
        if service is None or serving is None:
            return None
        newest, generation = self.spec == context.spec, context.entry.record.accepted_generation
        declared = self.spec, context.generation if newest else generation or 0
        return of_domain(context, context.entry, declared, service, serving)

    @property
    def labelled(self) -> Labelled:
        return self.context.world.labelled.get(self.context.uid) or Labelled(self.context.uid)

    @property
    def carried(self) -> bool:
        """By a container that runs."""
        return self.labels is not None and self.labels.digest in self.labelled.digests

    @property
    def carried_alone(self) -> bool:
        """No container has an earlier version any more, nor may run again with one."""
        return self.carried and len(self.labelled.held) == 1

    @property
    def seen(self) -> bool:
        return self.labels is not None and self.labels.digest in self.labelled.seen

    @cached_property
    def acceptable(self) -> bool:
        """By labels a new declaration is accepted when it can serve: containers carry the one that
        is accepted. When it leads to another Service: when that one's containers are served."""
        record = self.context.entry.record
        if not self.by_labels or record.accepted_generation == self.context.generation:
            return True
        earlier: DomainSpec | None = accepted(self.context.entry)
        moves = earlier is not None and earlier.service != self.spec.service
        return self.verified and (not moves or self.seen)

    # -- as documents
    @property
    def published(self) -> Published | None:
        return self.context.world.published.get(self.context.uid)

    @property
    def serving(self) -> Serving | None:
        return self.context.world.serving.get(self.context.uid)

    @cached_property
    def current(self) -> bool:
        """What is declared is what is published."""
        if self.by_labels:
            return self.carried
        return self.published is not None and self.published.digest == self.document.digest

    @property
    def serves_earlier(self) -> bool:
        """An earlier declaration is published, and lets visitors in."""
        return self.published is not None and self.lasting

    @cached_property
    def amiss(self) -> dict[str, str]:
        """Routers that not every proxy has as they are: what is wrong, '' when it is missing."""
        routers = self.serving.routers if self.serving is not None else {}
        wanted = self.document.content["http"]["routers"]
        return {
            name: routers.get(name, "")
            for name in sorted(wanted)
            if name not in routers or routers[name]
        }

    @property
    def blind(self) -> bool:
        """Nobody can tell now what is published and served."""
        return self.ingress.unread or bool(self.ingress.problem)

    @cached_property
    def programmed(self) -> bool:
        """Every proxy serves it; while nobody can tell, it is as it was."""
        if not self.verified or self.ingress.mode == "none":
            return False
        if self.blind:
            return self._active
        if self.by_labels:
            return self.seen
        return self.current and not self.amiss

    @property
    def was_served(self) -> bool:
        """By what the status says: it was, when it was last told."""
        status = self.context.entry.status
        reason = (find(status, PROGRAMMED) or {}).get("reason")
        return is_true(status, PROGRAMMED) or reason == NO_LONGER or self._active

    @property
    def _active(self) -> bool:
        return (self.context.entry.status or {}).get("phase") == ACTIVE

    @property
    def unserved_for(self) -> float:
        """Seconds since the status says that what was served is not any more; 0 when it does not
        say so. What we have just published anew takes a proxy a moment."""
        said = find(self.context.entry.status, PROGRAMMED) or {}
        if said.get("reason") != NO_LONGER:
            return 0.0
        since = datetime.fromisoformat(said["lastTransitionTime"])
        return (self.context.now - since).total_seconds()

    @property
    def hidden(self) -> bool:
        """Nobody knows where visitors reach the proxies, so what these serve cannot be read."""
        return self.ingress.mode == "external" and not self.ingress.addresses

    @property
    def certificate(self) -> Certificate | None:
        return self.context.world.certificates.get(self.context.uid)


def stand(context: Context) -> DomainStanding:
    return DomainStanding(context, declaration(context))
