"""What the world will look like once steps have been carried out. Pure.

``skyctl diff`` plans against forecasts, so that it shows everything that applying leads to and not
only the first move; the property tests use the same to show that plans converge. It is
optimistic: images are there and the same, containers start and turn healthy, what is claimed is
granted.

What is not forecast: content (``PutFiles``), checks that change nothing (``CheckVolumes``), and
what becomes of rows (``RequestDeletion``, ``RetainVolume``, ``Finalize``, ``Settle``): who plays
with more than one row does that (a step on a container that is not there is nothing, too).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import FINALIZER, Entry, HostnameClaim, Record, Rollout
from resources.quota import Admission, union
from resources.routing import forecast as routing
from resources.routing.steps import RouteStep
from resources.steps import (
    CheckVolumes,
    ConnectNetwork,
    ContainerStep,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    PullImage,
    PutFiles,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
    VerifyImage,
)
from resources.store_steps import (
    Accept,
    AdoptVolume,
    BeginRollout,
    Claim,
    EndRollout,
    Finalize,
    Hold,
    RecordPreDeploy,
    RecordVolume,
    RequestDeletion,
    ReserveSubnet,
    RetainVolume,
    SealInbox,
    Settle,
)
from resources.world import (
    L_ROLE,
    Attachment,
    Container,
    Image,
    Network,
    Probe,
    Volume,
    World,
)


def advance(world: World, entry: Entry, steps: Iterable[Step], now: datetime) -> Entry:
    """Changes the world in place; returns the entry as the store would then have it."""
    for step in steps:
        match step:
            case (
                Accept()
                | BeginRollout()
                | EndRollout()
                | RecordPreDeploy()
                | ReserveSubnet()
                | RecordVolume()
                | AdoptVolume()
                | Claim()
                | Hold()
                | ClaimHostname()
                | ReleaseHostnames()
            ):
                entry = _record(entry, step, now)
            case CreateContainer():
                world.put_container(_created(world, step, now))
            case CreateNetwork():
                world.put_network(
                    Network(
                        f"new:{step.name}",
                        step.name,
                        step.labels,
                        (step.subnet,),
                        step.internal,
                        step.bridge,
                    )
                )
            case RemoveNetwork():
                world.drop_network(step.id)
            case CreateVolume():
                world.put_volume(Volume(step.name, step.labels))
            case RemoveVolume():
                world.drop_volume(step.name)
            case PullImage() if world.image(step.reference) is not None:
                pass
            case PullImage():
                world.put_image(Image(f"sha256:{step.reference}", step.reference))
            case ContainerStep() | ConnectNetwork() | DisconnectNetwork():
                _container(world, step, now)
            case (
                PutFiles()
                | CheckVolumes()
                | RequestDeletion()
                | RetainVolume()
                | Finalize()
                | Settle()
                | VerifyImage()
                | RemoveImage()
            ):
                pass
            case SealInbox():
                entry = _sealed(entry, step)
            case RouteStep():
                routing.advance(world, step, now)
            case _:
                raise TypeError(f"nobody knows what {type(step).__name__} leads to")
    return entry


def _record(entry: Entry, step: Step, now: datetime) -> Entry:
    record, resource = entry.record, entry.resource
    match step:
        case Accept():
            resource = replace(
                resource, finalizers=tuple(dict.fromkeys((*resource.finalizers, FINALIZER)))
            )
            record = replace(
                record, accepted_generation=step.generation, accepted_spec=resource.spec
            )
            if step.claims is not None:
                record = replace(record, admission=Admission(step.generation, step.claims))
        case Claim():
            held = record.admission.claims if record.admission is not None else {}
            granted = Admission(step.generation, union(held, step.claims))
            record = replace(record, admission=granted)
        case Hold():
            waiting = record.admission.waiting if record.admission is not None else None
            record = replace(record, admission=Admission(step.generation, step.claims, waiting))
        case ClaimHostname():
            record = replace(record, hostnames=_claimed(record, step))
            finalizers = tuple(dict.fromkeys((*resource.finalizers, FINALIZER)))
            resource = replace(resource, finalizers=finalizers)
        case ReleaseHostnames():
            kept = tuple(c for c in record.hostnames if (c.hostname, c.path) == step.keep)
            record = replace(record, hostnames=kept)
        case BeginRollout():
            record = replace(record, rollout=Rollout(step.generation, now, step.revision))
        case EndRollout():
            record = _ended(entry, step, now)
        case RecordPreDeploy():
            record = replace(record, predeploy={**record.predeploy, step.generation: step.result})
        case ReserveSubnet():
            record = replace(record, subnet=step.subnet)
        case RecordVolume() | AdoptVolume():
            record = replace(record, volume_created=True, volume_name=step.engine_name)
            if isinstance(step, AdoptVolume):
                record = replace(record, volume_label_uid=step.label_uid or step.retained_uid)
    return replace(entry, record=record, resource=resource)


def _claimed(record: Record, step: ClaimHostname) -> tuple[HostnameClaim, ...]:
    """Granted, unless it was refused before."""
    place = (step.hostname, step.path)
    before = [c for c in record.hostnames if (c.hostname, c.path) == place]
    conflict = before[0].conflict if before else ""
    claim = HostnameClaim(*place, step.verified and not conflict, conflict)
    others = [c for c in record.hostnames if (c.hostname, c.path) != place]
    return tuple(sorted((*others, claim), key=lambda c: (c.hostname, c.path)))


def _sealed(entry: Entry, step: SealInbox) -> Entry:
    """Nobody knows yet what will be there: until then nothing is."""
    spec = entry.resource.spec
    kept = {k: v for k, v in spec.get("sealedData", {}).items() if k not in step.keys}
    return replace(entry, resource=replace(entry.resource, spec={**spec, "sealedData": kept}))


def _ended(entry: Entry, step: EndRollout, now: datetime) -> Record:
    record = entry.record
    started = record.rollout
    if step.outcome == "ready":
        newest = step.generation == entry.resource.generation
        record = replace(
            record,
            ready_generation=step.generation,
            ready_spec=entry.resource.spec if newest else record.accepted_spec,
            ready_restarted_at=step.restarted_at,
        )
    return replace(
        record,
        rollout=Rollout(
            step.generation,
            started.started_at if started else now,
            started.revision if started else "",
            now if step.outcome == "ready" else None,
            step.outcome,
            step.reason,
            step.failure or (started.failure if started else None),
        ),
    )


def _created(world: World, step: CreateContainer, now: datetime) -> Container:
    spec, image = step.spec, world.image(step.spec.image)
    return Container(
        id=f"new:{spec.name}",
        name=spec.name,
        labels=spec.labels,
        image=spec.image,
        image_id=image.id if image is not None else f"sha256:{spec.image}",
        state="created",
        created_at=now,
        networks=(Attachment(spec.network, "", spec.aliases),),
        mounts=spec.mounts,
        limits=spec.limits,
        restart_policy=spec.restart,
        health="starting" if spec.check else "",
        inspected=True,
    )


def _container(
    world: World, step: ContainerStep | ConnectNetwork | DisconnectNetwork, now: datetime
) -> None:
    """Steps on one existing container, by id or by name."""
    found = world.containers.get(step.container) or world.container_named(step.container)
    if found is None:
        return
    match step:
        case RemoveContainer():
            world.drop_container(found.id)
            return
        case StartContainer():
            found = _started(world, found, now)
        case UnpauseContainer():
            found = replace(found, state="running")
        case RenameContainer():
            found = replace(found, name=step.name)
        case StopContainer():
            found = replace(found, state="exited", exit_code=143, finished_at=now)
        case UpdateContainer():
            found = replace(
                found,
                limits=step.limits or found.limits,
                restart_policy=step.restart or found.restart_policy,
            )
        case ConnectNetwork():
            place = Attachment(step.network, "", step.aliases)
            found = replace(found, networks=(*found.networks, place))
        case DisconnectNetwork():
            found = replace(
                found,
                networks=tuple(a for a in found.networks if a.network_id != step.network),
            )
    world.put_container(found)


def _started(world: World, found: Container, now: datetime) -> Container:
    """A one-off finishes at once; a replica runs and is healthy by every check."""
    if L_ROLE in found.labels:
        return replace(found, state="exited", exit_code=0, started_at=now, finished_at=now)
    world.probes[found.id] = Probe("healthy", now)
    return replace(found, state="running", started_at=now, health="healthy" if found.health else "")
