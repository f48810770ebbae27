"""Planning a Service: accept, heal what is there, roll out what changed, and say what is awaited.

One plan does as much as can be done safely without looking in between; the next one continues
from what is then observed. The order within a plan: what the store must know first, then what is
too much, then healing, then the rollout. Nothing is stopped or removed for a container that could
not be made afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from resources.acceptance import acceptance
from resources.context import Context
from resources.domain.container_labels import container_labels
from resources.effective import accepted
from resources.errors import UserError
from resources.labels import L_GENERATION, L_REVISION
from resources.observed import Container
from resources.plan import Plan, Wait
from resources.service import moves, obstacles, one_off, problems, quota
from resources.service.causes import begin_cause, outdated, replacement
from resources.service.creation import Creation
from resources.service.cutover import Cutover
from resources.service.declaration import ServiceDeclaration
from resources.service.draft import Draft
from resources.service.heal import Recreation, heal, revive
from resources.service.membership import members, routes
from resources.service.progress import Late, overdue, trouble
from resources.service.relapse import readiness, relapse
from resources.service.rollout import Groups, Moves, start_first, stop_first
from resources.service.setback import failure
from resources.service.survey import (
    FAILED,
    NEW,
    OPEN,
    READY,
    RETURNED,
    RETURNING,
    Survey,
    paused,
    survey,
)
from resources.service.teardown import teardown
from resources.service.wanted import wanted
from resources.store_steps import BeginRollout, EndRollout, Hold, RecordPreDeploy


def plan(context: Context) -> Plan:
    if (why := paused(context)) is not None:
        wait = Wait(f"somebody to resume it; paused: {why}")
        return Plan(_uncounted(context), wait, context.rejection)
    if context.deleting:
        return teardown(context)
    found = survey(context)
    if isinstance(found, ServiceDeclaration):
        return Plan(problem=found.problem)
    if found.claim is not None:
        return Plan((found.claim,))
    return Plan() if _nothing_to_do(found) else deliberate(found)


def _uncounted(context: Context) -> tuple[Hold, ...]:
    """Others of the organization wait until everything that runs is counted."""
    found = survey(context)
    if context.deleting or context.entry.record.admission or isinstance(found, ServiceDeclaration):
        return ()
    return quota.counted(found)


def _nothing_to_do(found: Survey) -> bool:
    """The answer to nearly every pass, cheaply; ``deliberate`` would say the same."""
    return (
        found.steady
        and not acceptance(found.context)
        and not quota.counted(found)
        and obstacles.lost_volume(found.context, found.wanted) is None
        and not routes(found).tell(members(found, routes(found)))
    )


def deliberate(found: Survey) -> Plan:
    """Every question in turn."""
    draft = Draft(report=found.spec.drift_policy == "report")
    draft.complain(found.declaration.problem)
    if found.declaration.problem is None:
        draft.add(*acceptance(found.context, quota.steady(found)))
    to = routes(found)
    joining = [c for c in found.fleet.current.values() if c.running and found.proven(c)]
    patient = not found.stop_reason
    cutover = Cutover(to, draft, joining if patient else (), patient=patient)
    if found.stop_reason:
        _stop(found, draft, cutover)
    else:
        _run(found, draft, cutover)
    draft.begin_with(*to.tell(members(found, to, cutover.leaving)))
    draft.add(*quota.counted(found))
    return draft.finish()


def _stop(found: Survey, draft: Draft, cutover: Cutover) -> None:
    """Everything is kept, but for what carries Domains that went; nothing runs. A rollout ends here
    and begins anew afterwards."""
    rollout = found.context.entry.record.rollout
    reason = found.stop_reason
    if rollout is not None and _ends(found, rollout.outcome):
        draft.add(
            EndRollout(
                generation=rollout.generation, outcome="superseded", reason=reason, cause=reason
            )
        )
    status = found.context.entry.status or {}
    was_stopped = status.get("phase") in ("Stopped", "Suspended") and (
        found.context.entry.observed_generation == found.context.generation
    )
    cause, drift = (f"started by hand, but {reason}", "state") if was_stopped else (reason, "")
    for container in (*found.fleet.replicas, *found.fleet.one_offs):
        if not cutover.lets_go(container, serves=found.drains(container)):
            continue
        if why := outdated(container, found.wanted):
            draft.add(*moves.retire(container, found.wanted.grace, why))
            continue
        draft.add(
            *moves.stop(container, found.wanted.grace, cause, drift),
            enforce=found.wanted.tenancy.suspended,
        )


def _ends(found: Survey, outcome: str) -> bool:
    return outcome == "" or (outcome == "ready" and found.rollout == READY)


def _run(found: Survey, draft: Draft, cutover: Cutover) -> None:
    _begin(found, draft)
    late = overdue(found) if found.rollout in (OPEN, RETURNING) else relapse(found)
    if late is not None and late.passed and found.rollout in (OPEN, READY):
        _give_up(found, draft, late)
        return
    lost = obstacles.lost_volume(found.context, found.wanted)
    draft.complain(lost)
    creation = Creation(found, draft, cutover, lost=lost is not None)
    emptying = False
    for extra in found.fleet.surplus:
        drift = extra.drift or _came_back(found)
        if not draft.reports(drift, f"{extra.container.name}: {extra.cause}"):
            emptying |= not creation.retire(extra.container, extra.cause, drift)
    one_off.clear(found, creation)
    recreations = heal(found, draft, may_start=lost is None)
    creation.renew()
    _recreate(found, draft, creation, recreations)
    _roll(found, draft, creation, {each.ordinal for each in recreations})
    _finish(found, draft, late, bool(recreations) or emptying)


def _give_up(found: Survey, draft: Draft, late: Late) -> None:
    """That is recorded before anything else; what follows from it is the next plan's."""
    draft.add(
        EndRollout(
            generation=found.generation,
            outcome="failed",
            reason=late.reason,
            failure=late.error.to_dict(),
            told=late.told,
            cause=late.reason,
        )
    )
    draft.complain(late.error)


def _begin(found: Survey, draft: Draft) -> None:
    """The store hears of a rollout before anything is done for it."""
    if found.rollout != NEW:
        return
    record, generation = found.context.entry.record, found.generation
    before = record.rollout
    if before is not None and before.outcome == "" and before.generation != generation:
        cause = f"generation {generation} follows"
        draft.add(
            EndRollout(
                generation=before.generation, outcome="superseded", reason=cause, cause=cause
            )
        )
    label, cause = found.wanted.revision.label, begin_cause(record, generation, found.wanted)
    draft.add(BeginRollout(generation=generation, revision=label, cause=cause))
    if record.predeploy.get(generation, one_off.SUCCEEDED) != one_off.SUCCEEDED:
        draft.add(RecordPreDeploy(generation=generation, result="", cause="tried again"))


def _recreate(
    found: Survey, draft: Draft, creation: Creation, recreations: list[Recreation]
) -> None:
    """What serves is replaced ``parallelism`` at a time, what does not at once."""
    unproven = sum(1 for c in found.fleet.current.values() if not found.proven(c))
    budget = found.spec.update.parallelism - unproven
    for each in recreations:
        if draft.reports(each.drift, each.cause):
            continue
        if found.serves(each.container):
            if budget <= 0:
                draft.wait(f"another replica before replica {each.ordinal} is made anew")
                continue
            budget -= 1
        if creation.possible():
            creation.make(each.ordinal, each.cause, each.drift, victim=each.container)


# ---------------------------------------------------------------- the rollout


def _roll(found: Survey, draft: Draft, creation: Creation, recreating: Collection[int]) -> None:
    """What is idle goes when its successors can be made; what may still serve is kept up."""
    fleet, drift = found.fleet, _came_back(found)
    gone = [c for c in fleet.old if not draft.reports(drift, f"{c.name} is {_why(found, c)}")]
    idle = [container for container in gone if found.idle(container)]
    old = [container for container in gone if container not in idle]
    held = found.rollout == FAILED and bool(old)
    if old and found.rollout in (NEW, OPEN) and found.context.turn:
        draft.turn = "held"
    moves_ = Moves() if held else _moves(found, old, recreating)
    for container in moves_.drop:
        creation.retire(container, _why(found, container), drift)
    if not moves_.make:
        _clear(found, creation, () if held else idle)
    elif not _reported(found, draft):
        _make(found, draft, creation, moves_, idle)
    for container in old if found.setback is None else ():
        if container.id not in creation.removed:
            draft.add(*revive(found, container))


def _moves(found: Survey, old: Sequence[Container], recreating: Collection[int]) -> Moves:
    fleet, update = found.fleet, found.spec.update
    if not old and len(fleet.current) == found.spec.replicas:
        return Moves()
    groups = Groups(
        replicas=found.spec.replicas,
        parallelism=update.parallelism,
        current=fleet.current.keys(),
        proven=[o for o, c in fleet.current.items() if o not in recreating and found.proven(c)],
        old=old,
        serves=found.serves,
    )
    return start_first(groups) if found.spec.start_first else stop_first(groups)


def _reported(found: Survey, draft: Draft) -> bool:
    """Missing although it was all there once: somebody removed it."""
    return draft.reports(_missing_drift(found), _there(found))


def _there(found: Survey) -> str:
    return f"{len(found.fleet.current)} of {found.spec.replicas} containers are there"


def _note_missing(found: Survey, draft: Draft) -> None:
    if draft.impossible and (drift := _missing_drift(found)):
        draft.note(drift, f"{_there(found)}, and no other can be made")


def _missing_drift(found: Survey) -> str:
    return "missing" if found.over else ""


def _make(
    found: Survey, draft: Draft, creation: Creation, moves_: Moves, idle: Sequence[Container]
) -> None:
    """New replicas, in the order of their ordinals, once preDeploy and everything else allows."""
    if one_off.due(found) and one_off.result(found):
        one_off.advance(found, draft, creation)
        return
    if not creation.unhindered():
        _note_missing(found, draft)
        return
    if not _its_turn(found, draft, creation) or not creation.possible():
        _note_missing(found, draft)
        return
    if one_off.due(found) and not one_off.advance(found, draft, creation):
        return
    _clear(found, creation, idle)
    drift = _missing_drift(found)
    for each in moves_.make:
        cause = _new_cause(found, each.ordinal, each.victim)
        creation.make(each.ordinal, cause, drift, each.victim)


def _its_turn(found: Survey, draft: Draft, creation: Creation) -> bool:
    """Replacing waits for its turn among the rollouts of the engine; its image is pulled before."""
    old = [container for container in found.fleet.old if not found.idle(container)]
    if found.context.turn or not old or found.rollout not in (NEW, OPEN):
        return True
    if found.image is not None:
        draft.turn = "wanted"
    elif not creation.possible():
        return False
    draft.wait("its turn: as many rollouts as may be are under way")
    return False


def _clear(found: Survey, creation: Creation, idle: Sequence[Container]) -> None:
    for container in idle:
        creation.retire(container, _why(found, container), _came_back(found))


def _came_back(found: Survey) -> str:
    """A rollout is over when nothing else is left. What is there afterwards, of an earlier
    revision or beyond the replicas, was brought back by somebody."""
    return "surplus" if found.rollout == READY else ""


def _new_cause(found: Survey, ordinal: int, victim: Container | None) -> str:
    if found.rollout == READY and victim is None:
        return f"replica {ordinal} is missing"
    replaced = victim or next(iter(found.fleet.old), None)
    if replaced is not None:
        return _why(found, replaced)
    return f"new replica {ordinal}"


def _why(found: Survey, container: Container) -> str:
    """Until the new generation is accepted the record has the spec that made the old ones."""
    context = found.context
    if found.setback is not None:
        return f"rolled back: generation {found.setback.rollout.generation} failed"
    if _came_back(found):
        made_by = container.labels.get(L_GENERATION, "?")
        return f"of generation {made_by} again, although generation {found.generation} runs"
    before = None
    if context.entry.record.accepted_generation not in (None, found.generation):
        before = accepted(context.entry)
    if before is not None:
        routes = container_labels(context, before)
        earlier = wanted(context.entry, before, context.refs, role="earlier", routes=routes)
        if container.labels.get(L_REVISION) not in earlier.revision.known:
            before = None
    restarted = context.entry.record.ready_restarted_at
    return replacement(container, found.wanted, found.generation, before, restarted)


def _failure(found: Survey) -> UserError:
    if one_off.due(found) and (result := one_off.result(found)):
        return problems.pre_deploy_failed(result)
    return failure(found.context.entry.record.rollout)


def _finish(found: Survey, draft: Draft, late: Late | None, unfinished: bool) -> None:
    """Is the rollout over, or what is it waiting for?"""
    fleet = found.fleet
    pending = {o: c for o, c in fleet.current.items() if not found.proven(c)}
    complete = (
        len(fleet.current) == found.spec.replicas
        and not pending
        and not fleet.old
        and not unfinished
    )
    if complete and not _complete(found, draft):
        return
    if found.rollout == FAILED:
        draft.complain(_failure(found))
    elif found.setback is not None and (found.rollout == RETURNED or (late and late.passed)):
        draft.complain(found.setback.problem)
    for ordinal, container in pending.items() if not draft.reported else ():
        left = found.unproven(container)
        draft.wait(f"replica {ordinal}, which {trouble(found, container)}", left)
    if late is not None and not late.passed:
        draft.wait("the rollout's deadline", late.seconds)


def _complete(found: Survey, draft: Draft) -> bool:
    """Records that, once. True: it is recorded, and yet there is something to say."""
    ready = f"{len(found.fleet.current)} of {found.spec.replicas}"
    back = found.setback
    if back is not None and found.rollout == RETURNING:
        draft.add(
            EndRollout(
                generation=back.rollout.generation,
                outcome="rolledBack",
                reason=back.rollout.reason,
                cause=f"{ready} of generation {back.generation} ready",
            )
        )
    elif back is None and found.rollout != READY:
        draft.add(
            EndRollout(
                generation=found.generation,
                outcome="ready",
                reason=readiness(found),
                restarted_at=found.wanted.restarted_at,
                cause=f"{ready} ready",
            )
        )
    return found.rollout == RETURNED
