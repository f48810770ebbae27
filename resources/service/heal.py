"""Healing: each replica of the wanted revision back to what it should be.

What can be put right on the container itself is planned here; what cannot is returned, to be made
anew when that is possible. A process that ended as its restart policy wants is left alone, and a
restart that the engine has under way is not ours to hurry.
"""

from __future__ import annotations

from dataclasses import dataclass

from resources.observed import Container
from resources.quantity import format_duration
from resources.service import in_force, moves, problems, sickness
from resources.service.draft import Draft, joined
from resources.service.drift import Difference
from resources.service.survey import Survey
from resources.steps import (
    ConnectNetwork,
    DisconnectNetwork,
    RenameContainer,
    Step,
    UnpauseContainer,
    UpdateContainer,
)

RESTARTED = "was restarted by hand or with the engine"


@dataclass(frozen=True, slots=True)
class Recreation:
    """A replica to be made anew under the same name. drift: '' when nobody changed it."""

    ordinal: int
    container: Container
    cause: str
    drift: str


def heal(survey: Survey, draft: Draft, *, may_start: bool) -> list[Recreation]:
    """may_start False: its data is lost, so nothing is started."""
    found = (
        _replica(survey, draft, ordinal, container, may_start)
        for ordinal, container in survey.fleet.current.items()
    )
    return [recreation for recreation in found if recreation is not None]


def _replica(
    survey: Survey, draft: Draft, ordinal: int, container: Container, may_start: bool
) -> Recreation | None:
    if container.state == "dead":
        return Recreation(ordinal, container, "dead, as the engine says", "state")
    if survey.finished(container):
        return None
    found = survey.differences(ordinal)
    hard = [difference for difference in found if difference.remedy == "recreate"]
    if hard:
        causes = joined(difference.cause for difference in hard)
        return Recreation(ordinal, container, causes, _drift(survey, hard))
    misnamed = next((difference for difference in found if difference.remedy == "rename"), None)
    if misnamed is not None and not _rename(survey, draft, container, misnamed):
        return Recreation(ordinal, container, f"{misnamed.new} is another of ours", "name")
    updates = [difference for difference in found if difference.remedy == "update"]
    if updates:
        draft.add(_update(survey, container, updates))
    draft.add(*_reconnect(survey, container, found))
    if container in survey.restarted:
        cause = f"{container.name} {RESTARTED}"
        draft.note("state", cause, passing=True, subject=container.name)
    sick = _sick(survey, draft, ordinal, container)
    if may_start and sick is None:
        draft.add(*_start(survey, ordinal, container))
    return sick


def _rename(survey: Survey, draft: Draft, container: Container, found: Difference) -> bool:
    """False: one of ours has the name, by the same hand."""
    occupant = survey.context.world.container_named(found.new)
    if occupant is None or occupant.id == container.id:
        draft.add(
            RenameContainer(
                container=container.id,
                container_name=container.name,
                name=found.new,
                cause="renamed on the engine",
                drift="name",
            )
        )
        return True
    if survey.context.ours(occupant.labels):
        return False
    problem = problems.name_taken(found.new, occupant)
    draft.note("name", f"{container.name} is not {found.new}, which is taken")
    draft.complain(problem)
    return True


def revive(survey: Survey, container: Container) -> tuple[Step, ...]:
    """An old replica that still has to serve: as ``_start``, knowing less about it."""
    if survey.finished(container):
        return ()
    return _wake(survey, container)


def _start(survey: Survey, ordinal: int, container: Container) -> tuple[Step, ...]:
    if container.state == "created":
        spec = survey.replica(ordinal)
        return moves.launch(container.id, container.name, spec, "made, but never started")
    if container.state == "exited":
        spec = survey.replica(ordinal)
        return moves.start(container.id, container.name, spec, *_stopped(survey, container))
    return _wake(survey, container)


def _wake(survey: Survey, container: Container) -> tuple[Step, ...]:
    if container.state == "paused":
        return (
            UnpauseContainer(
                container=container.id,
                container_name=container.name,
                cause="paused on the engine",
                drift="state",
            ),
        )
    if container.state == "exited":
        cause, drift = _stopped(survey, container)
        return (moves.only_start(container.id, container.name, cause, drift),)
    return ()


def _stopped(survey: Survey, container: Container) -> tuple[str, str]:
    """Cause and drift. While a rollout is under way it may be we who stopped it."""
    if not survey.over and survey.idle(container):
        return "it was stopped, and is to run", ""
    code = "" if container.exit_code is None else f" with exit code {container.exit_code}"
    return f"not running: it ended{code}", "state" if survey.over else ""


def _drift(survey: Survey, found: list[Difference]) -> str:
    """The field that somebody else changed; '' when the declaration did."""
    status = survey.context.entry.status
    spec = survey.replica(0)
    drifted = [d.field for d in found if in_force.was(status, d.field, spec)]
    return drifted[0] if len(drifted) == len(found) else ""


def _update(survey: Survey, container: Container, found: list[Difference]) -> UpdateContainer:
    drift = _drift(survey, found)
    verb = "was changed on the engine" if drift else "changed"
    spec = survey.replica(0)
    return UpdateContainer(
        container=container.id,
        container_name=container.name,
        limits=spec.limits if any(d.field != "restart" for d in found) else None,
        restart=spec.restart if any(d.field == "restart" for d in found) else None,
        cause=joined(f"{d.field} {verb}: {d.old} -> {d.new}" for d in found),
        drift=drift,
    )


def _reconnect(
    survey: Survey, container: Container, found: tuple[Difference, ...]
) -> tuple[Step, ...]:
    """Onto the organization's network under its own name, off every other."""
    mine = [difference for difference in found if difference.remedy == "reconnect"]
    network = survey.network
    if not mine or network is None:
        return ()
    drift = _drift(survey, mine)
    places = {place.network_id: place for place in container.networks}
    aliases = survey.replica(0).aliases
    steps: list[Step] = []
    place = places.get(network.id)
    known = place is not None and (place.aliases is None or set(aliases) <= set(place.aliases))
    if not known:
        cause = f"does not answer to {aliases[0]}" if place else f"not on {network.name}"
        if place is not None:
            steps.append(_disconnect(network.id, network.name, container, cause, drift))
        steps.append(
            ConnectNetwork(
                network=network.id,
                network_name=network.name,
                container=container.id,
                container_name=container.name,
                aliases=aliases,
                cause=cause,
                drift=drift,
            )
        )
    cause = "not a network of its organization"
    for other in sorted(set(places) - {network.id}):
        steps.append(_disconnect(other, other[:12], container, cause, drift))
    return tuple(steps)


def _disconnect(
    network: str, name: str, container: Container, cause: str, drift: str
) -> DisconnectNetwork:
    return DisconnectNetwork(
        network=network,
        network_name=name,
        container=container.id,
        container_name=container.name,
        cause=cause,
        drift=drift,
    )


def _sick(survey: Survey, draft: Draft, ordinal: int, container: Container) -> Recreation | None:
    """Nobody changed it, so it is no drift. Also one that was stopped for it, and is not gone yet:
    we may have been killed in between."""
    left = sickness.patience_left(survey, container)
    if left is None:
        return None
    if left <= 0:
        cause = f"unhealthy for {format_duration(sickness.patience(survey, container))}"
        return Recreation(ordinal, container, cause, "")
    if container.running:
        draft.wait(f"replica {ordinal} to become healthy again", left)
    return None
