"""From the store's and the planner's types to the shapes of HTTP.

Invariant: what is secret does not pass. ``data`` of a Secret is dropped, not masked: a masked
value that is applied again would overwrite the real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from controller.api.models import (
    DifferenceBody,
    DriftBody,
    ErrorBody,
    EventBody,
    HeldBody,
    Metadata,
    PlanBody,
    ResourceBody,
    RetainedBody,
    RevisionBody,
    StepBody,
    TrafficBody,
    WaitBody,
)
from controller.core import Difference, Planned
from controller.reconcile.preview import differences
from controller.store.base import Event, Held, Revision
from controller.traffic import Lately
from resources.context import Retained
from resources.errors import UserError
from resources.meta import Entry
from resources.plan import Plan
from resources.registry import kinds
from resources.steps import Step

_HIDDEN = {"Secret": frozenset({"data"})}


_STATUS_FIRST = ("observedGeneration", "phase", "state", "message", "conditions", "error")


def visible_spec(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """In the order of the kind's fields: PostgreSQL keeps its own."""
    hidden = _HIDDEN.get(kind, frozenset())
    shown = {name: value for name, value in spec.items() if name not in hidden}
    return _ordered(shown, _fields_of(kind))


@cache
def _fields_of(kind: str) -> tuple[str, ...]:
    known = kinds().get(kind)
    if known is None:
        return ()
    return tuple(info.alias or name for name, info in known.model.model_fields.items())


def _ordered(values: Mapping[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    return {n: values[n] for n in first if n in values} | dict(values)


def resource_body(entry: Entry) -> ResourceBody:
    row = entry.resource
    return ResourceBody(
        api_version=row.api_version,
        kind=row.key.kind,
        metadata=Metadata(
            name=row.key.name,
            organization=row.key.organization or None,
            uid=row.uid,
            generation=row.generation,
            labels=dict(row.labels),
            annotations=dict(row.annotations),
            created_at=row.created_at,
            updated_at=row.updated_at,
            deletion_requested_at=row.deletion_requested_at,
            source=row.source,
            owner=row.owner,
            created_by=row.created_by,
            finalizers=list(row.finalizers),
        ),
        spec=visible_spec(row.key.kind, row.spec),
        status=None if entry.status is None else _ordered(entry.status, _STATUS_FIRST),
    )


def error_body(error: UserError | None) -> ErrorBody | None:
    return None if error is None else ErrorBody.model_validate(error.to_dict())


def step_body(step: Step) -> StepBody:
    return StepBody(
        verb=type(step).__name__,
        target=step.target,
        cause=step.cause,
        drift=step.drift,
        destructive=step.destructive,
        text=step.render(),
    )


def _wait_body(plan: Plan) -> WaitBody | None:
    if plan.wait is None:
        return None
    return WaitBody(reason=plan.wait.reason, seconds=plan.wait.seconds)


def plan_body(planned: Planned) -> PlanBody:
    key, plan, resumed = planned
    return PlanBody(
        kind=key.kind,
        organization=key.organization,
        name=key.name,
        steps=[step_body(step) for step in plan.steps],
        drift=[DriftBody(field=drift.field, cause=drift.cause) for drift in plan.drift],
        wait=_wait_body(plan),
        problem=error_body(plan.problem),
        text=plan.render(),
        resumed=None if resumed is None else [step_body(step) for step in resumed.steps],
    )


def difference_body(difference: Difference) -> DifferenceBody:
    key, plan = difference.key, difference.plan
    return DifferenceBody(
        kind=key.kind,
        organization=key.organization,
        name=key.name,
        action=difference.action,
        changes=_visible_changes(difference),
        steps=[step_body(step) for step in plan.steps],
        wait=_wait_body(plan),
        problem=error_body(plan.problem),
        text=plan.render(),
        error=error_body(difference.error),
        accepted=difference.accepted,
    )


def _visible_changes(difference: Difference) -> list[str]:
    hidden = tuple(f"/spec/{name}" for name in _HIDDEN.get(difference.key.kind, ()))
    return [line for line in difference.changes if not line.startswith(hidden)]


def event_body(event: Event) -> EventBody:
    return EventBody(
        at=event.at,
        first_at=event.first_at,
        uid=event.uid,
        kind=event.key.kind,
        organization=event.key.organization,
        name=event.key.name,
        type=event.type,
        reason=event.reason,
        message=event.message,
        count=event.count,
    )


def revision_bodies(entry: Entry, revisions: Iterable[Revision]) -> list[RevisionBody]:
    """Oldest first, each with what it changed."""
    kind = entry.key.kind
    bodies: list[RevisionBody] = []
    before: Mapping[str, Any] | None = None
    for revision in sorted(revisions, key=lambda r: r.generation):
        spec = visible_spec(kind, revision.spec)
        bodies.append(
            RevisionBody(
                generation=revision.generation,
                at=revision.at,
                by=revision.by,
                accepted=revision.accepted,
                current=revision.generation == entry.resource.generation,
                rollout="progressing" if revision.outcome == "" else revision.outcome,
                changes=[] if before is None else differences(before, spec),
                spec=spec,
            )
        )
        before = spec
    return bodies


def traffic_body(lately: Lately | None) -> TrafficBody | None:
    if lately is None:
        return None
    found = lately.traffic
    within = {share: found.quantile(float(share) / 100) for share in ("50", "95", "99")}
    return TrafficBody(
        seconds=round(lately.seconds, 1),
        requests={code: round(count) for code, count in sorted(found.codes.items())},
        failed=round(found.failed),
        within={share: round(it, 4) for share, it in within.items() if it is not None},
    )


def held_body(held: Held) -> HeldBody:
    return HeldBody(
        id=held.id,
        source=held.source,
        items=list(held.items),
        total=held.total,
        state=held.state,
        at=held.at,
    )


def retained_bodies(retained: Sequence[Retained]) -> list[RetainedBody]:
    return [
        RetainedBody(
            uid=volume.uid,
            engine_name=volume.engine_name,
            organization=volume.organization,
            expires_at=volume.expires_at,
        )
        for volume in sorted(retained, key=lambda v: (v.organization, v.engine_name))
    ]
