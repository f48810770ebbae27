"""A Service's status: what was observed, said truthfully, and nothing that changes by itself.

Times are those that the engine, a probe or an earlier status gave; an unchanged world yields an
equal document and so no write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.conditions import timestamp
from resources.context import Context
from resources.domain.backends import first_port
from resources.errors import UserError
from resources.labels import L_GENERATION, L_REVISION
from resources.observed import Container, Image
from resources.plan import Plan
from resources.routing.default_name import default_name
from resources.service import in_force, phase, sickness
from resources.service.conditions import bare_conditions, conditions
from resources.service.declaration import ServiceDeclaration
from resources.service.endings import restarts
from resources.service.fleet import ordinal_of
from resources.service.health import UNHEALTHY
from resources.service.phase import STATES, ServiceStanding, stand
from resources.service.survey import FAILED, READY, RETURNED, Survey, paused, survey


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    found = survey(context)
    if isinstance(found, ServiceDeclaration):
        return _bare(context, found, plan, failure)
    standing = stand(found, plan, failure)
    word = "Deleting" if context.deleting else phase.phase(standing)
    message = _deleting(context, plan) if context.deleting else phase.message(standing, word)
    return {
        "observedGeneration": context.generation,
        "phase": word,
        "state": STATES.get(word, "stopped"),
        "message": message,
        "conditions": conditions(standing, word, message),
        "error": _error(standing, word),
        "replicas": found.spec.replicas,
        "readyReplicas": len(standing.serving),
        "updatedReplicas": 0 if found.setback else len(found.fleet.current),
        "image": _image(found),
        "containers": [_container(found, c) for c in found.fleet.replicas],
        "restarts": _restarts(found),
        "rollout": _rollout(standing),
        "inForce": _in_force(found),
        **({"drift": plan.standing} if plan.standing else {}),
        "domains": _domains(found),
        "endpoints": _endpoints(found),
    }


def _bare(
    context: Context, found: ServiceDeclaration, plan: Plan, failure: UserError | None
) -> dict[str, Any]:
    """Nothing was ever accepted, so nothing runs."""
    problem = failure or plan.problem or found.problem
    stuck = problem is not None and not problem.retryable
    word = "Deleting" if context.deleting else "Failed" if stuck else "Pending"
    message = problem.message if problem else "waiting to be accepted"
    if context.deleting:
        message = _deleting(context, plan)
    return {
        "observedGeneration": context.generation,
        "phase": word,
        "state": STATES.get(word, "stopped"),
        "message": message,
        "conditions": bare_conditions(context, problem, word, message),
        "error": problem.to_dict() if problem else None,
        "replicas": 0,
        "readyReplicas": 0,
        "updatedReplicas": 0,
        "image": None,
        "containers": [],
        "restarts": [],
        "rollout": None,
        "inForce": None,
        "domains": [],
        "endpoints": [],
    }


def _deleting(context: Context, plan: Plan) -> str:
    if (why := paused(context)) is not None:
        return f"to be deleted, but paused: {why}"
    return f"being deleted; waiting for {plan.wait.reason}" if plan.wait else "being deleted"


def _error(standing: ServiceStanding, word: str) -> dict[str, Any] | None:
    if word == "Deleting":
        return standing.failure.to_dict() if standing.failure else None
    return standing.problem.to_dict() if standing.problem else None


def _image(found: Survey) -> dict[str, Any]:
    """id: of what runs, else of what the reference means on the engine."""
    reference = found.spec.image
    known = found.image
    running = next((c.image_id for c in found.fleet.current.values() if c.image_id), "")
    id_ = running or (known.id if known else "")
    digest = _digest(known) if known and known.id == id_ else ""
    return {"reference": reference, "id": id_ or None, "digest": digest or None}


def _digest(image: Image) -> str:
    """Of the repository that the reference names, where the engine knows it from several."""
    name = image.reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    repository = head if colon and "/" not in tag else name
    mine = (digest for digest in image.digests if digest.partition("@")[0] == repository)
    return next(mine, image.digests[0] if image.digests else "")


def _container(found: Survey, container: Container) -> dict[str, Any]:
    labels, condition = container.labels, found.health(container)
    generation = labels.get(L_GENERATION, "")
    shown: dict[str, Any] = {
        "id": container.id,
        "name": container.name,
        "image": container.image or None,
        "ordinal": ordinal_of(container),
        "revision": labels.get(L_REVISION, ""),
        "generation": int(generation) if generation.isdecimal() else None,
        "state": container.state,
        "health": condition.word or None,
        "restarts": container.restarts,
        "startedAt": timestamp(container.started_at) if container.started_at else None,
        "exitCode": container.exit_code,
        "oomKilled": container.oom_killed,
    }
    since = sickness.unhealthy_since(found, container)
    if since is None and container.running and condition.word == UNHEALTHY:
        since = found.context.now
    if since is not None:
        shown["unhealthySince"] = timestamp(since)
    if times := sickness.replaced(found, container):
        shown["replaced"] = times
    return shown


def _restarts(found: Survey) -> list[dict[str, Any]]:
    """What we stopped did not end by itself."""
    containers = () if found.stop_reason else found.fleet.replicas
    return restarts(found.context, containers, paused=paused(found.context) is not None)


def _rollout(standing: ServiceStanding) -> dict[str, Any]:
    found = standing.survey
    record = found.context.entry.record.rollout
    state = _ROLLOUT_STATES.get(found.rollout, "progressing")
    message = f"{len(standing.ready)} of {standing.replicas} replicas are ready"
    if state == "complete":
        message = ""
    elif state == "paused" and record is not None:
        message = f"it failed and is left as it is, nobody paused the service: {record.reason}"
    elif found.setback is not None:
        message = found.setback.told if state == "rolledBack" else found.setback.doing
    elif found.stop_reason:
        message = found.stop_reason
    elif standing.stalled and standing.problem is not None:
        message = f"{message}, and no more without a change: {standing.problem.message}"
    shown = {"state": state, "revision": found.wanted.revision.label, "message": message}
    requests = _requests(standing) if state != "progressing" else None
    return {**shown, "requests": requests} if requests else shown


def _requests(standing: ServiceStanding) -> Mapping[str, Any] | None:
    """During this rollout. What was told of it before stands: after a restart of ours nobody could
    tell it again."""
    context = standing.survey.context
    record, counted = context.entry.record.rollout, context.requests
    if record is None:
        return None
    if counted is not None and counted.since >= record.started_at:
        since = timestamp(counted.since)
        return {"seen": counted.seen, "failed": counted.failed, "since": since}
    told: Mapping[str, Any] = (context.entry.status or {}).get("rollout") or {}
    before: Mapping[str, Any] | None = told.get("requests")
    return before if before and before.get("since", "") >= timestamp(record.started_at) else None


_ROLLOUT_STATES = {READY: "complete", FAILED: "paused", RETURNED: "rolledBack"}


def _in_force(found: Survey) -> Mapping[str, Any] | None:
    """Of all replicas together; while they differ, what was so before."""
    before: Mapping[str, Any] | None = (found.context.entry.status or {}).get("inForce")
    current = found.fleet.current
    if found.network is None or len(current) < found.spec.replicas or not current:
        return before
    for ordinal, container in current.items():
        if not container.inspected or found.differences(ordinal):
            return before
    return in_force.describe(found.replica(0))


def _domains(found: Survey) -> list[str]:
    """The hostnames of the Domains that lead here, whether they are active or not, and the name
    that it has without any."""
    context, ingress = found.context, found.context.platform.ingress
    names = {str(domain.resource.spec.get("hostname", "")) for domain in context.referrers}
    named = found.spec.type == "app" and first_port(found.spec) is not None
    if named and ingress.mode != "none":
        names.add(default_name(context.key.organization, context.key.name, ingress))
    return sorted(names - {""})


def _endpoints(found: Survey) -> list[dict[str, Any]]:
    """Where others of the organization find it, and where the host publishes it."""
    shown = []
    for port in found.spec.ports:
        endpoint: dict[str, Any] = {
            "port": port.container_port,
            "protocol": port.protocol,
            "address": f"{found.wanted.key.name}:{port.container_port}",
        }
        if port.name is not None:
            endpoint["name"] = port.name
        if port.host_port is not None:
            endpoint["hostPort"] = port.host_port
            endpoint["hostAddress"] = port.host_address or "0.0.0.0"
        shown.append(endpoint)
    return shown
