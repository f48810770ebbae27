"""Healing: each replica of the wanted revision back to what it should be.

What can be put right on the container itself is planned here; what cannot is returned, to be made
anew when that is possible. A process that ended as its restart policy wants is left alone, and a
restart that the engine has under way is not ours to hurry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from resources.conditions import timestamp
from resources.quantity import format_duration
from resources.service import in_force, moves
from resources.service.draft import Draft, joined
from resources.service.drift import Difference
from resources.service.health import UNHEALTHY
from resources.service.survey import READY, RETURNED, RETURNING, Survey
from resources.steps import (
    ConnectNetwork,
    DisconnectNetwork,
    Step,
    UnpauseContainer,
    UpdateContainer,
)
from resources.world import Container

_LASTING = frozenset({READY, RETURNING, RETURNED})
"""Rollouts in which no deadline decides about what is unhealthy."""


@dataclass(frozen=True, slots=True)
class Recreation:
    """A replica to be made anew under the same name."""

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
        causes = joined(f"{d.field} is {d.old}, not {d.new}" for d in hard)
        return Recreation(ordinal, container, causes, _drift(survey, hard))
    updates = [difference for difference in found if difference.remedy == "update"]
    if updates:
        draft.add(_update(survey, container, updates))
    draft.add(*_reconnect(survey, container, found))
    if may_start:
        draft.add(*_start(survey, ordinal, container))
    return _sick(survey, draft, ordinal, container)


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


# ---------------------------------------------------------------- unhealthy for too long


def _sick(survey: Survey, draft: Draft, ordinal: int, container: Container) -> Recreation | None:
    """Not while something new is rolled out: then the deadline decides."""
    check, condition = survey.spec.health_check, survey.health(container)
    if check is None or condition.word != UNHEALTHY or survey.rollout not in _LASTING:
        return None
    if not container.running:
        return None
    since = unhealthy_since(survey, container) or survey.context.now
    left = (since + timedelta(seconds=check.patience) - survey.context.now).total_seconds()
    if left <= 0:
        cause = f"unhealthy for {format_duration(check.patience)}"
        return Recreation(ordinal, container, cause, "health")
    draft.wait(f"replica {ordinal} to become healthy again", left)
    return None


def unhealthy_since(survey: Survey, container: Container) -> datetime | None:
    """As probed, or (the engine tells no time) as the status first said so."""
    condition = survey.health(container)
    if condition.word != UNHEALTHY:
        return None
    if condition.since is not None:
        return condition.since
    for entry in (survey.context.entry.status or {}).get("containers", ()):
        if entry.get("id") == container.id and entry.get("unhealthySince"):
            return _moment(str(entry["unhealthySince"]))
    return None


def _moment(text: str) -> datetime | None:
    """Inverse of ``timestamp``."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if timestamp(moment) == text else None
