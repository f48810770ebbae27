"""Planning a Domain: claimed, proven, published, served; and taken back in the reverse order.

    claim      the store decides whose the name is (``hostname_claims``)
    proof      DNS shows that it is ours and leads here (``verifying``)
    backend    the Service's is seen in every proxy: no router ever leads nowhere
    publish    routers and middlewares in one write; read back, and seen in the proxies' API

What was published stays while DNS says nothing, while the proxies cannot be asked, and while a
newer declaration is refused. It goes when the organization is suspended, the Service goes, somebody
else proves the name, or the proof has been missing for long.
"""

from __future__ import annotations

from dataclasses import replace

from resources.context import Context
from resources.domain import problems
from resources.domain.admission import claim_of
from resources.domain.container_labels import by_labels
from resources.domain.routing import document_name
from resources.domain.standing import DomainStanding, stand
from resources.errors import UserError
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.organization.absence import no_organization
from resources.plan import Drift, Plan, Wait
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import OUTDATED
from resources.steps import Step
from resources.store_steps import Finalize

REVISIT = 5.0
"""Seconds after which what the proxies should have taken over by now is looked at again."""
ROUTES = "routes"
ROUTERS = "routers"
LABELS = "labels"


def plan(context: Context) -> Plan:
    if context.deleting:
        return _deletion(context)
    if context.spec is None:
        return Plan(problem=context.rejection)
    if context.ref("Organization", context.key.organization) is None:
        return Plan(_withdrawn(context, "no organization"), problem=no_organization(context.key))
    standing = stand(context)
    declared = standing.declared
    if declared.steps:
        return Plan(declared.steps)
    if declared.spec is None:
        return Plan(problem=declared.problem)
    body = _body(standing)
    accepting = declared.accepting if standing.acceptable else ()
    return replace(
        body,
        steps=(*accepting, *body.steps, *_outdated(standing, body)),
        problem=declared.problem or body.problem,
    )


def _deletion(context: Context) -> Plan:
    """Visitors first, then the name, then the row."""
    cause = "deletion requested"
    steps: list[Step] = []
    if by_labels(context.platform.ingress) and (wait := _carried_still(context)) is not None:
        return Plan(wait=wait)
    if context.platform.ingress.routing or context.uid in context.world.published:
        name = document_name(context.key, context.uid)
        steps.append(WithdrawRoutes(uid=context.uid, name=name, cause=cause))
    if context.entry.record.hostnames:
        steps.append(ReleaseHostnames(cause=cause))
    return Plan((*steps, Finalize(cause=cause)))


def _carried_still(context: Context) -> Wait | None:
    """The name is not given away while containers claim it."""
    if context.platform.ingress.unread:
        return Wait("the containers' labels to be read")
    found = context.world.labelled.get(context.uid)
    if found is None or not found.held:
        return None
    return Wait("the containers that carry its labels to be replaced", REVISIT)


def _withdrawn(context: Context, cause: str) -> tuple[Step, ...]:
    published = context.world.published.get(context.uid)
    if published is None:
        return ()
    return (WithdrawRoutes(uid=context.uid, name=published.name, cause=cause),)


def _body(standing: DomainStanding) -> Plan:
    context = standing.context
    claim = claim_of(context, standing.spec)
    if claim is not None and claim.conflict:
        problem = problems.conflict(standing.spec, claim.conflict)
        if steps := _forfeited(standing):
            return Plan(steps, problem=problem)
        leaving = () if standing.lasting else _withdrawn(context, "the name is not ours")
        return Plan(leaving, problem=problem)
    if steps := (*_proof(standing), *_forfeited(standing)):
        return Plan(steps)
    if standing.suspended:
        return Plan(_withdrawn(context, "the organization is suspended"))
    if (obstacle := standing.obstacle) is not None:
        leaving = _withdrawn(context, obstacle.message) if _hopeless(standing) else ()
        return Plan(leaving, problem=obstacle)
    if not standing.verified:
        leaving = () if standing.lasting else _withdrawn(context, "the name is not proven any more")
        return Plan(leaving, wait=Wait(f"proof: {standing.unverified[1]}"))
    return _published(standing)


def _proof(standing: DomainStanding) -> tuple[Step, ...]:
    """What was found out about the name, as the store shall know it."""
    spec = standing.spec
    step = ClaimHostname(hostname=spec.hostname, path=spec.path, verified=True, cause="proven")
    if not standing.claimed:
        if not standing.proven:
            return ()
        return (step if standing.needs_proof else replace(step, cause="needs no proof"),)
    if standing.gone and standing.proven is False:
        return (replace(step, verified=False, cause="the proof has been missing for long"),)
    return ()


def _forfeited(standing: DomainStanding) -> tuple[Step, ...]:
    """Earlier names go by what DNS says of each: whoever has them now may prove them."""
    cause = "the proof has been missing, or the name led elsewhere, for long"
    return tuple(
        ClaimHostname(hostname=claim.hostname, path=claim.path, cause=cause)
        for claim in standing.forfeited
    )


def _hopeless(standing: DomainStanding) -> bool:
    """There is no Service to send anybody to. A missing Secret takes nothing away."""
    return standing.service is None or standing.service.resource.deleting


def _published(standing: DomainStanding) -> Plan:
    ingress = standing.ingress
    if ingress.mode == "none":
        return Plan(wait=Wait("an ingress: this platform runs none"))
    if standing.by_labels:
        return _labelled(standing)
    if ingress.unread:
        return Plan() if standing.programmed else Plan(wait=Wait("what is published to be read"))
    if not standing.current:
        return _publish(standing)
    if ingress.problem:
        return Plan(wait=Wait(f"the proxies: {ingress.problem}"))
    if not standing.amiss:
        return Plan(problem=_certificate(standing))
    return _unserved(standing)


def _labelled(standing: DomainStanding) -> Plan:
    """Its Service makes containers that carry it; the proxies read these by themselves."""
    ingress, spec = standing.ingress, standing.spec
    drift = tuple(
        Drift(
            LABELS, f"{name}, which is not ours, claims {spec.hostname} by its labels", False, name
        )
        for name in standing.labelled.impostors
    )
    if ingress.unread:
        wait = None if standing.programmed else Wait("the containers' labels to be read")
        return Plan(wait=wait)
    if not standing.carried:
        wait = Wait(f"containers of Service {spec.service} that carry its labels", REVISIT)
        return Plan(wait=wait, drift=drift)
    if ingress.problem:
        return Plan(wait=Wait(f"the proxies: {ingress.problem}"), drift=drift)
    if not standing.seen:
        if standing.unserved_for >= REVISIT:
            drift = (*drift, Drift(ROUTERS, "a proxy does not serve its routers any more"))
        for name, why in standing.labelled.faults.items():
            return Plan(problem=problems.refused(name, why), drift=drift)
        return Plan(wait=Wait("every proxy to serve its routers", REVISIT), drift=drift)
    return Plan(problem=_certificate(standing), drift=drift)


def _certificate(standing: DomainStanding) -> UserError | None:
    """Nobody has renewed it: it is served all the same, and somebody has to know."""
    found = standing.certificate
    if found is None or not found.ending or not found.covers:
        return None
    return problems.ending(standing.spec, found)


def _publish(standing: DomainStanding) -> Plan:
    service = standing.spec.service
    if not standing.backend_served:
        if standing.ingress.problem:
            return Plan(wait=Wait(f"the proxies: {standing.ingress.problem}"))
        return Plan(wait=Wait(f"Service {service} to be served by the proxies"))
    cause, drift = _why(standing)
    return Plan((PublishRoutes(document=standing.document, cause=cause, drift=drift),))


def _why(standing: DomainStanding) -> tuple[str, str]:
    """What was there and is not any more, or not as we wrote it, is somebody else's doing."""
    published = standing.published
    if published is None:
        if standing.was_served:
            return "its routes were removed", ROUTES
        return "proven, and its service is served", ""
    if not published.digest:
        return "its routes were edited", ROUTES
    if standing.beyond:
        return f"its certificate is also for {', '.join(standing.beyond[:3])}", ""
    return "declared otherwise", ""


def _unserved(standing: DomainStanding) -> Plan:
    """Published, but a proxy does not serve it (yet). What was served before and is not for a while
    has drifted: putting that right is the ingress's business, which looks after its proxies."""
    names = ", ".join(standing.amiss)
    drift: tuple[Drift, ...] = ()
    if standing.unserved_for >= REVISIT:
        drift = (Drift(ROUTERS, f"a proxy does not serve {names} any more"),)
    for name, why in standing.amiss.items():
        if why and why != OUTDATED:
            return Plan(problem=problems.refused(name, why), drift=drift)
    return Plan(wait=Wait(f"every proxy to serve {names}", REVISIT), drift=drift)


def _outdated(standing: DomainStanding, body: Plan) -> tuple[Step, ...]:
    """Claims of earlier declarations, once the newest is in force and nothing is left to do."""
    context, spec = standing.context, standing.spec
    if standing.declared.problem is not None or body.steps or not standing.current:
        return ()
    if context.entry.record.accepted_generation != context.generation:
        return ()
    keep = (spec.hostname, spec.path)
    if standing.by_labels and not standing.carried_alone:
        return ()
    if all((c.hostname, c.path) == keep for c in context.entry.record.hostnames):
        return ()
    return (ReleaseHostnames(keep=keep, cause="declared otherwise"),)
