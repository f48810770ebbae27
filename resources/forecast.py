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
from resources.labels import L_ROLE
from resources.meta import FINALIZER, Entry, HostnameClaim, Record, Rollout
from resources.observed import Attachment, Container, Image, Network, Probe, Volume
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
    StoreStep,
)
from resources.world import World


def advance(world: World, entry: Entry, steps: Iterable[Step], now: datetime) -> Entry:
    """Changes the world in place; returns the entry as the store would then have it."""
    for step in steps:
        match step:
            case StoreStep():
                entry = _recorded(entry, step, now)
            case RouteStep():
                routing.advance(world, step, now)
            case ContainerStep() | ConnectNetwork() | DisconnectNetwork():
                _container(world, step, now)
            case _:
                _object(world, step, now)
    return entry


def _unknown(step: Step) -> TypeError:
    return TypeError(f"nobody knows what {type(step).__name__} leads to")


# -- the row
def _recorded(entry: Entry, step: StoreStep, now: datetime) -> Entry:
    match step:
        case Accept() | Claim() | Hold():
            return _admitted(entry, step)
        case ClaimHostname() | ReleaseHostnames():
            return _hostnames(entry, step)
        case SealInbox():
            return _sealed(entry, step)
        case RequestDeletion() | RetainVolume() | Finalize() | Settle():
            return entry
        case _:
            return replace(entry, record=_progress(entry, step, now))


def _finalized(entry: Entry) -> Entry:
    """Its row waits for us before it goes."""
    finalizers = tuple(dict.fromkeys((*entry.resource.finalizers, FINALIZER)))
    return replace(entry, resource=replace(entry.resource, finalizers=finalizers))


def _admitted(entry: Entry, step: Accept | Claim | Hold) -> Entry:
    record, known = entry.record, entry.record.admission
    match step:
        case Accept():
            entry = _finalized(entry)
            record = replace(
                record, accepted_generation=step.generation, accepted_spec=entry.resource.spec
            )
            if step.claims is not None:
                record = replace(record, admission=Admission(step.generation, step.claims))
        case Claim():
            claims = union(known.claims if known is not None else {}, step.claims)
            record = replace(record, admission=Admission(step.generation, claims))
        case Hold():
            waiting = known.waiting if known is not None else None
            record = replace(record, admission=Admission(step.generation, step.claims, waiting))
    return replace(entry, record=record)


def _hostnames(entry: Entry, step: ClaimHostname | ReleaseHostnames) -> Entry:
    record = entry.record
    match step:
        case ClaimHostname():
            entry, claims = _finalized(entry), _claimed(record, step)
        case ReleaseHostnames():
            claims = tuple(c for c in record.hostnames if (c.hostname, c.path) == step.keep)
    return replace(entry, record=replace(record, hostnames=claims))


def _progress(entry: Entry, step: StoreStep, now: datetime) -> Record:
    record = entry.record
    match step:
        case BeginRollout():
            return replace(record, rollout=Rollout(step.generation, now, step.revision))
        case EndRollout():
            return _ended(entry, step, now)
        case RecordPreDeploy():
            return replace(record, predeploy={**record.predeploy, step.generation: step.result})
        case ReserveSubnet():
            return replace(record, subnet=step.subnet)
        case RecordVolume():
            return replace(record, volume_created=True, volume_name=step.engine_name)
        case AdoptVolume():
            label = step.label_uid or step.retained_uid
            name = step.engine_name
            return replace(record, volume_created=True, volume_name=name, volume_label_uid=label)
    raise _unknown(step)


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


# -- the engine
def _object(world: World, step: Step, now: datetime) -> None:
    """Steps on anything but an existing container."""
    match step:
        case CreateContainer():
            world.put_container(_created(world, step, now))
        case CreateNetwork():
            world.put_network(_network(step))
        case RemoveNetwork():
            world.drop_network(step.id)
        case CreateVolume():
            world.put_volume(Volume(step.name, step.labels))
        case RemoveVolume():
            world.drop_volume(step.name)
        case PullImage():
            if world.image(step.reference) is None:
                world.put_image(Image(f"sha256:{step.reference}", step.reference))
        case PutFiles() | CheckVolumes() | VerifyImage() | RemoveImage():
            pass
        case _:
            raise _unknown(step)


def _network(step: CreateNetwork) -> Network:
    subnets = (step.subnet,)
    return Network(f"new:{step.name}", step.name, step.labels, subnets, step.internal, step.bridge)


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
