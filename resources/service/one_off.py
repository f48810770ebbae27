"""The preDeploy command: a one-off container with the new image, before a rollout begins.

Its result is written to the record before its container goes, so a crash in between neither runs
it twice nor forgets that it failed. It belongs to a generation: scaling a running revision needs
none, a failed one is not tried again until the spec changes or a restart is requested.
"""

from __future__ import annotations

from resources.labels import L_GENERATION, L_REVISION
from resources.observed import Container
from resources.quantity import format_duration
from resources.service import moves, problems
from resources.service.creation import Creation
from resources.service.draft import Draft, joined
from resources.service.drift import differences
from resources.service.endings import ending
from resources.service.health import uptime
from resources.service.survey import NEW, READY, Survey
from resources.steps import RemoveContainer, Step, UnpauseContainer
from resources.store_steps import EndRollout, RecordPreDeploy

SUCCEEDED = "succeeded"


def result(survey: Survey) -> str:
    """'' when it has not finished (for this attempt), 'succeeded', or what went wrong."""
    found = survey.context.entry.record.predeploy.get(survey.generation, "")
    return "" if survey.rollout == NEW and found != SUCCEEDED else found


def due(survey: Survey) -> bool:
    """Has a rollout to wait for it?"""
    return (
        survey.spec.pre_deploy is not None
        and survey.setback is None
        and survey.rollout != READY
        and not survey.fleet.current
        and result(survey) != SUCCEEDED
    )


def mine(survey: Survey, container: Container) -> bool:
    """Of this attempt, or of the one that failed and was rolled back."""
    wanted, generation, back = survey.wanted, survey.generation, survey.setback
    if back is not None:
        wanted, generation = back.failed, back.rollout.generation
    labels = container.labels
    known = labels.get(L_REVISION) in wanted.revision.known
    return known and labels.get(L_GENERATION) == str(generation)


def clear(survey: Survey, creation: Creation) -> None:
    """Leftovers go; a failed one of this attempt is kept for its logs."""
    keep = due(survey) or survey.setback is not None
    for container in survey.fleet.one_offs:
        if not (keep and mine(survey, container)):
            creation.retire(container, "preDeploy is over")


def advance(survey: Survey, draft: Draft, creation: Creation) -> bool:
    """One move of a due preDeploy. True: it succeeded just now, go on."""
    if failure := result(survey):
        draft.complain(problems.pre_deploy_failed(failure))
        return False
    container = next((c for c in survey.fleet.one_offs if mine(survey, c)), None)
    if container is None:
        if creation.make_one_off():
            draft.wait("preDeploy to finish", _timeout(survey))
        return False
    match container.state:
        case "exited":
            return _ended(survey, draft, container)
        case "created":
            draft.add(*_launch(survey, container))
        case "paused":
            draft.add(
                UnpauseContainer(
                    container=container.id,
                    container_name=container.name,
                    cause="paused on the engine",
                    drift="state",
                )
            )
        case "dead":
            draft.add(*moves.retire(container, 0, "dead, as the engine says"))
    left = _timeout(survey) - uptime(container, survey.context.now)
    if left <= 0:
        draft.add(*moves.stop(container, survey.wanted.grace, "preDeploy timed out"))
        _fail(survey, draft, container, f"timed out after {format_duration(_timeout(survey))}")
    else:
        draft.wait("preDeploy to finish", left)
    return False


def _launch(survey: Survey, container: Container) -> tuple[Step, ...]:
    """What was made for a network that has been replaced since can never be started."""
    spec = survey.one_off()
    found = [d for d in differences(container, spec) if d.remedy == "recreate"]
    if found:
        return moves.retire(container, 0, joined(difference.cause for difference in found))
    return moves.launch(container.id, container.name, spec, "made, but never started")


def _ended(survey: Survey, draft: Draft, container: Container) -> bool:
    if container.exit_code is None:
        draft.wait("preDeploy's exit code")
        return False
    if container.exit_code != 0:
        reason = f"exit code {container.exit_code}"
        reason = f"{reason}, out of memory" if container.oom_killed else reason
        _fail(survey, draft, container, reason)
        return False
    draft.add(
        RecordPreDeploy(generation=survey.generation, result=SUCCEEDED, cause="exit code 0"),
        RemoveContainer(
            container=container.id, container_name=container.name, cause="preDeploy succeeded"
        ),
    )
    return True


def _fail(survey: Survey, draft: Draft, container: Container, reason: str) -> None:
    problem = problems.pre_deploy_failed(reason)
    draft.add(
        RecordPreDeploy(generation=survey.generation, result=reason, cause="preDeploy failed"),
        EndRollout(
            generation=survey.generation,
            outcome="failed",
            reason=f"preDeploy: {reason}",
            failure=problem.to_dict(),
            told=ending(survey.context, container).tail,
            cause="preDeploy failed",
        ),
    )
    draft.complain(problem)


def _timeout(survey: Survey) -> float:
    assert survey.spec.pre_deploy is not None
    return survey.spec.pre_deploy.timeout
