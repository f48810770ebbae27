"""A Volume's status: where its data is, how much it may be, who uses it."""

from __future__ import annotations

from typing import Any

from resources import verdict
from resources.context import Context
from resources.effective import accepted
from resources.errors import UserError
from resources.naming import volume_identity
from resources.observed import Volume
from resources.plan import Plan
from resources.quota import EXCEEDED
from resources.volume.plan import engine_volume
from resources.volume.problems import NOT_FOUND
from resources.volume.users import mounting, service_of

BACKED_UP = "BackedUp"
NO_BACKUPS = "spec.backup is kept, but this version makes no backups"
_STATES = {"Ready": "active", "Failed": "error"}


def status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    judged = verdict.judge(context, plan, failure, refusals=frozenset({NOT_FOUND, EXCEEDED}))
    found = engine_volume(context) if context.entry.record.volume_created else None
    phase = _phase(context, judged, found)
    message = _message(plan, phase)
    conditions = verdict.begin(context, judged)
    ready = phase == "Ready" and judged.converged
    verdict.finish(conditions, judged, ready, phase, message, plan.standing)
    if context.spec is not None and context.spec.backup.asked and not context.deleting:
        conditions.set(BACKED_UP, False, "NotAvailable", NO_BACKUPS)
        message = f"{message}; {NO_BACKUPS}"
    return verdict.document(
        context,
        judged,
        conditions,
        phase=phase,
        state=_STATES.get(phase, "pending"),
        message=message,
        engineName=volume_identity(context.entry).engine_name if found else None,
        usedBytes=None,
        sizeBytes=_size(context, judged),
        enforced=False,
        mountedBy=_users(context),
        **({"drift": plan.standing} if plan.standing else {}),
    )


def _phase(context: Context, judged: verdict.Verdict, found: Volume | None) -> str:
    if context.deleting:
        return "Deleting"
    if judged.stalled:
        return "Failed"
    return "Ready" if found is not None else "Pending"


def _message(plan: Plan, phase: str) -> str:
    if phase == "Deleting":
        return f"waiting for {plan.wait.reason}" if plan.wait else "being deleted"
    return "its data is in place" if phase == "Ready" else "being made"


def _size(context: Context, judged: verdict.Verdict) -> int | None:
    """Of what is in force: a size that is refused changes nothing."""
    spec = context.spec
    if judged.rejection is not None and context.entry.record.volume_created:
        spec = accepted(context.entry) or spec
    return None if spec is None else spec.size


def _users(context: Context) -> list[str]:
    name = volume_identity(context.entry).engine_name
    return sorted({service_of(container) for container in mounting(context.world, name)})
