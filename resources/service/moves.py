"""Moves: the few sequences of steps from which every plan is made.

Each is safe to repeat from its beginning after a crash anywhere within: a container that was made
but never started gets its files and its check of the volumes once more.
"""

from __future__ import annotations

from resources.container_spec import ContainerSpec
from resources.observed import Container
from resources.steps import (
    CheckVolumes,
    CreateContainer,
    PutFiles,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
)

ALIVE = frozenset({"running", "paused", "restarting"})


def make(spec: ContainerSpec, cause: str, drift: str = "") -> tuple[Step, ...]:
    """A container from nothing to started; later steps address it by its name."""
    create = CreateContainer(spec=spec, cause=cause, drift=drift)
    return (create, *launch(spec.name, spec.name, spec, cause, drift))


def launch(
    container: str, name: str, spec: ContainerSpec, cause: str, drift: str = ""
) -> tuple[Step, ...]:
    """From made to started."""
    steps: list[Step] = []
    if spec.files:
        steps.append(
            PutFiles(
                container=container,
                container_name=name,
                files=spec.files,
                cause=cause,
                drift=drift,
            )
        )
    return (*steps, *start(container, name, spec, cause, drift))


def start(
    container: str, name: str, spec: ContainerSpec, cause: str, drift: str = ""
) -> tuple[Step, ...]:
    """Never on volumes that are not ours."""
    steps: list[Step] = []
    if spec.volume_uids:
        steps.append(
            CheckVolumes(
                container=container,
                container_name=name,
                volume_uids=spec.volume_uids,
                cause=cause,
                drift=drift,
            )
        )
    return (*steps, only_start(container, name, cause, drift))


def only_start(container: str, name: str, cause: str, drift: str = "") -> StartContainer:
    return StartContainer(container=container, container_name=name, cause=cause, drift=drift)


def stop(container: Container, grace: int, cause: str, drift: str = "") -> tuple[Step, ...]:
    """Nothing when it does not run."""
    if container.state not in ALIVE:
        return ()
    return (
        StopContainer(
            container=container.id,
            container_name=container.name,
            grace=grace,
            cause=cause,
            drift=drift,
        ),
    )


def retire(container: Container, grace: int, cause: str, drift: str = "") -> tuple[Step, ...]:
    """Stopped with its grace, then removed."""
    remove = RemoveContainer(
        container=container.id, container_name=container.name, cause=cause, drift=drift
    )
    return (*stop(container, grace, cause, drift), remove)
