"""What of a pass is worth an event, and which drift it found. Pure.

Told once: a step when it was done; drift that stays as it is, and a problem, when the status does
not have it yet. So a pass that finds what the last one found says nothing. A pass that ended
between telling and reporting tells again, which only counts the event up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.store.base import Event
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from resources.plan import Drift, Plan
from resources.steps import CheckVolumes, CreateContainer, PullImage, PutFiles, Step, VerifyImage
from resources.store_steps import EndRollout, Finalize, StoreStep

DRIFTED = "Drifted"
"""An event's reason, when nothing was done about it."""


def told(
    key: Key, context: Context, plan: Plan, executed: Sequence[Step], failure: UserError | None
) -> list[Event]:
    """In the order in which it came about. executed, failure: of the whole pass."""
    uid = context.uid
    events = [
        Event(uid, key, _severity(step), reason(step), _words(step))
        for step in executed
        if _tells(step)
    ]
    events += [
        Event(uid, key, "Warning", DRIFTED, f"{drift.cause} [drift: {drift.field}]")
        for drift in _found(context, plan, executed)
    ]
    problem = failure or _newly(context, plan.problem)
    if problem is not None and not _passes(problem):
        events.append(Event(uid, key, "Warning", problem.reason, problem.message))
    return events


def _passes(problem: UserError) -> bool:
    """Within moments, by what is under way anyway: a Secret that came together with its user."""
    return problem.code == "SECRET_NOT_READY" and problem.retryable


def drifted(context: Context, plan: Plan, executed: Sequence[Step]) -> list[str]:
    """Fields, each as often as something had drifted in it: the several steps that put one
    container right count once."""
    healed = dict.fromkeys((step.drift, subject(step)) for step in executed if step.drift)
    return [field for field, _ in healed] + [d.field for d in _found(context, plan, executed)]


def reason(step: Step) -> str:
    """An event's CamelCase reason: the step's verb; ``Drift`` in front when it heals one."""
    if isinstance(step, EndRollout) and step.outcome in _ENDS:
        return _ENDS[step.outcome]
    name = "Pulled" if isinstance(step, PullImage) else type(step).__name__
    return f"Drift{name}" if step.drift else name


_ENDS = {"failed": "RolloutFailed", "rolledBack": "RolledBack"}


def _tells(step: Step) -> bool:
    """Neither bookkeeping makes an event, nor what only belongs to making or starting something,
    unless it fails."""
    if isinstance(step, StoreStep):
        return isinstance(step, EndRollout | Finalize)
    return not isinstance(step, VerifyImage | CheckVolumes | PutFiles)


def _severity(step: Step) -> str:
    bad = step.drift or (isinstance(step, EndRollout) and step.outcome in _ENDS)
    return "Warning" if bad else "Normal"


def _words(step: Step) -> str:
    """With the last words of what failed."""
    words = step.told if isinstance(step, EndRollout) else ""
    return f"{step.render()}\n{words}" if words else step.render()


def subject(step: Step) -> str:
    """The container that it is about, else what it names."""
    if isinstance(step, CreateContainer):
        return step.spec.name
    named: str = getattr(step, "container_name", "")
    return named or step.target


def _found(context: Context, plan: Plan, executed: Iterable[Step]) -> list[Drift]:
    """What a pass saw in passing of a container that it touched may be its own doing."""
    known = (context.entry.status or {}).get("drift", ())
    before = {(each.get("field"), each.get("cause")) for each in known}
    touched = {subject(step) for step in executed if not isinstance(step, StoreStep)}
    return [
        drift
        for drift in plan.drift
        if (
            drift.subject not in touched
            if drift.passing
            else (drift.field, drift.cause) not in before
        )
    ]


def _newly(context: Context, problem: UserError | None) -> UserError | None:
    """When it is another kind of problem than before, or one that needs somebody says something
    new: what is retried may word each attempt differently."""
    if problem is None:
        return None
    before = (context.entry.status or {}).get("error") or {}
    if before.get("code") != problem.code:
        return problem
    changed = before.get("message") != problem.message and not problem.retryable
    return problem if changed else None
