"""What a Service's containers carry of its Domains, where the platform publishes by labels.

Only what is accepted and proven gets onto a container. A Domain is accepted once its newest
declaration can serve, so what ran before runs on until then; where it moves to another Service,
the containers of both carry it for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from resources.conditions import find, is_true
from resources.context import Context
from resources.domain import problems, references
from resources.domain.backends import Backend, first_port, named, wanted
from resources.domain.labels import Labels, TraefikService, labels
from resources.domain.routing import Route, Values, render
from resources.effective import accepted, effective
from resources.errors import UserError
from resources.memo import Memo
from resources.meta import Entry
from resources.naming import network_name, routes_name
from resources.routing import default_name
from resources.routing.document import Document
from resources.routing.routes_label import ENABLE, NETWORK, Carried, written
from resources.routing.world import Ingress
from resources.sealed import Sealed

if TYPE_CHECKING:
    from resources.domain.spec import DomainSpec
    from resources.service.spec import ServiceSpec

ACCEPTED, VERIFIED = "Accepted", "Verified"
LOST = "NoLongerProven"
"""Why it is not verified: it was, and DNS has said otherwise for long."""


@dataclass(frozen=True)
class ContainerLabels:
    """on: are routes published by labels at all? by: the labels by Domain, '' is the name that an
    app has without any. network: on which Traefik reaches the containers."""

    on: bool = False
    by: Mapping[str, tuple[str, Labels]] = field(default_factory=dict)
    network: str = ""

    @cached_property
    def plain(self) -> dict[str, str]:
        if not self.by:
            return {ENABLE: "false"} if self.on else {}
        found = {ENABLE: "true", NETWORK: self.network}
        for _, each in self.by.values():
            found.update(each.plain)
        return found

    @cached_property
    def sealed(self) -> dict[str, tuple[Sealed, ...]]:
        return {k: v for _, each in self.by.values() for k, v in each.sealed.items()}

    @cached_property
    def services(self) -> frozenset[TraefikService]:
        return frozenset(each.service for _, each in self.by.values())

    @cached_property
    def carried(self) -> tuple[Carried, ...]:
        return tuple(Carried(name, uid, one.digest) for name, (uid, one) in sorted(self.by.items()))

    @cached_property
    def text(self) -> str:
        """Of the label that tells."""
        return written(self.carried, (*self.plain, *self.sealed))

    @property
    def revision(self) -> str:
        """Changes with whatever makes other containers necessary; '' where nothing is carried."""
        return " ".join("/".join(each) for each in self.carried)


NOTHING = ContainerLabels()


def by_labels(ingress: Ingress) -> bool:
    return ingress.mode != "none" and ingress.publish == "labels"


def container_labels(context: Context, spec: ServiceSpec) -> ContainerLabels:
    """Of a Service's context. spec: what its containers are made of."""
    ingress = context.platform.ingress
    if not by_labels(ingress):
        return NOTHING
    organization = context.ref("Organization", context.key.organization)
    secrets = tuple(e for key, e in context.refs.items() if key.kind == "Secret")
    keys = context.platform.sealing_keys
    inputs = (spec, context.referrers, secrets, organization, _static(ingress), keys)
    return _MEMO.get(context.uid, inputs, lambda: _container_labels(context, spec, organization))


def _static(ingress: Ingress) -> tuple[object, ...]:
    """What of it is in labels."""
    return (ingress.default_domain, ingress.http_port, ingress.https_port, ingress.resolver)


def _container_labels(
    context: Context, spec: ServiceSpec, organization: Entry | None
) -> ContainerLabels:
    found: dict[str, tuple[str, Labels]] = {}
    for domain in context.referrers:
        declared = _serving(context, domain)
        if declared is not None and _possible(context, declared[0]):
            made = of_domain(context, domain, declared, context.entry, spec)
            if made is not None:
                found[domain.key.name] = (domain.resource.uid, made)
    if (usual := _default(context, spec)) is not None:
        found[""] = (context.uid, usual)
    uid = organization.resource.uid if organization is not None else ""
    return ContainerLabels(True, found, network_name(context.key.organization, uid))


def _possible(context: Context, spec: DomainSpec) -> bool:
    return inexpressible(spec, context.platform.ingress) is None and references.ready(context, spec)


def inexpressible(spec: DomainSpec, ingress: Ingress) -> UserError | None:
    """What of it labels cannot say, where they are to say it."""
    headers = spec.middlewares.headers
    if headers is None or not by_labels(ingress):
        return None
    for where, names in (("request", headers.request), ("response", headers.response)):
        for name in names:
            if "." in name:
                return problems.label_header(where, name)
    return None


def _serving(context: Context, domain: Entry) -> tuple[DomainSpec, int] | None:
    """What of a Domain leads to this Service, and the generation that declares it."""
    name, record = context.key.name, domain.record
    earlier: DomainSpec | None = accepted(domain)
    if domain.resource.deleting or record.accepted_generation is None or earlier is None:
        return None
    if _held(domain, earlier) and earlier.service == name:
        return earlier, record.accepted_generation
    newest = effective(domain)
    if newest.rejection is not None or newest.spec is None or newest.spec.service != name:
        return None
    if earlier.service == name or not (_admitted(domain) and _held(domain, newest.spec)):
        return None
    return newest.spec, newest.generation


def _held(domain: Entry, spec: DomainSpec) -> bool:
    """The name is ours, and is not known to lead elsewhere for long."""
    claims = domain.record.hostnames
    ours = any(
        claim.verified and not claim.conflict
        for claim in claims
        if (claim.hostname, claim.path) == (spec.hostname, spec.path)
    )
    status = domain.status or {}
    said = find(status, VERIFIED) or {}
    lost = status.get("hostname") == spec.hostname and said.get("reason") == LOST
    return ours and not lost


def _admitted(domain: Entry) -> bool:
    """Its newest declaration was looked at, and nothing is wrong with it."""
    looked = domain.observed_generation == domain.resource.generation
    return looked and is_true(domain.status, ACCEPTED)


def of_domain(
    context: Context,
    domain: Entry,
    declared: tuple[DomainSpec, int],
    service: Entry,
    serving: ServiceSpec,
) -> Labels | None:
    """context: one that has the Domain's Secrets. serving: the Service's. None: the Service has no
    port for it."""
    spec, generation = declared
    backend = wanted(spec, serving)
    if backend is None:
        return None
    values: Values = references.values(context, spec)
    traefik = _traefik_service(service, backend)
    route = Route(domain.key, domain.resource.uid, spec, traefik.name, values)
    return labels(render(route, context.platform.ingress, asking=True), traefik, generation)


def _traefik_service(service: Entry, backend: Backend) -> TraefikService:
    return TraefikService(named(service, backend), backend.port, backend.sticky)


def _default(context: Context, spec: ServiceSpec) -> Labels | None:
    """The name that an app has without a Domain."""
    port = first_port(spec)
    if not context.platform.ingress.default_domain or spec.type != "app" or port is None:
        return None
    key, uid = context.key, context.uid
    traefik = _traefik_service(context.entry, Backend(port, False))
    http = default_name.routing(
        key.organization, key.name, uid, traefik.name, context.platform.ingress
    )
    name = routes_name("service", key.organization, key.name, uid)
    return labels(Document(uid, name, {"http": http}), traefik)


_MEMO: Memo[ContainerLabels] = Memo()
