"""Planning a Volume: its data is made once, found, adopted or lost, and never replaced.

The engine makes an empty volume of any name that a container mounts, and "make" answers happily
when there is one already. So the store remembers that the volume once existed: from then on its
absence is a loss that a person must know of, and an empty one in its place is worse than none.

    recorded?  on the engine            then
    no         nothing                  make it, record it
    no         ours, with our uid       record it (we were killed between the two)
    no         anything else            RESOURCE_CONFLICT, untouched
    yes        ours, as recorded        fine
    yes        nothing, or another      STORAGE_VOLUME_LOST, untouched

At the end the declared policy decides, after the last container that mounts it has gone.
"""

from __future__ import annotations

from dataclasses import replace

from resources.acceptance import acceptance
from resources.context import Context
from resources.effective import accepted, effective
from resources.labels import (
    L_CONTROLLER,
    L_GENERATION,
    L_KIND,
    L_NAME,
    L_ORGANIZATION,
    L_PHANTOM,
    L_UID,
    is_ours,
)
from resources.meta import Entry
from resources.naming import volume_identity, volume_name
from resources.observed import Volume
from resources.organization.absence import no_organization
from resources.organization.spec import RETAIN_VOLUMES
from resources.plan import Drift, Plan, Wait
from resources.share import holding
from resources.steps import CreateVolume, RemoveVolume, Step
from resources.store_steps import AdoptVolume, Claim, Finalize, Hold, RecordVolume, RetainVolume
from resources.volume import problems
from resources.volume.quota import claims, refused
from resources.volume.users import mounting, service_of

REVISIT = 5.0
"""Seconds after which a deletion that waits for containers looks again by itself."""


def plan(context: Context) -> Plan:
    if context.deleting:
        return _deletion(context)
    if context.spec is None:
        return Plan(problem=context.rejection)
    organization = context.ref("Organization", context.key.organization)
    made = context.entry.record.volume_created
    if organization is None:
        return Plan(problem=no_organization(context.key))
    if organization.resource.deleting and not made:
        return Plan(wait=Wait(f"organization {context.key.organization} to be deleted"))
    answer = refused(context)
    if isinstance(answer, Claim):
        return Plan((answer,))
    if answer is not None and not made:
        return Plan(problem=answer)
    body = _kept(context) if made else _made(context)
    if body.problem is not None and body.problem.code == problems.NOT_FOUND:
        return body
    accept = () if answer is not None else acceptance(context, claims(context.spec))
    return replace(
        body,
        steps=(*accept, *body.steps, *_counted(context)),
        problem=body.problem or answer or context.rejection,
    )


def _counted(context: Context) -> tuple[Hold, ...]:
    """By the declaration that was accepted last."""
    record = context.entry.record
    newest = record.accepted_generation == context.effective_generation
    spec = context.spec if newest else accepted(context.entry)
    return () if spec is None else holding(context, claims(spec), settled=True)


def engine_volume(context: Context) -> Volume | None:
    """The engine's volume that holds this resource's data: by name, mark and uid, no phantom."""
    identity = volume_identity(context.entry)
    found = context.world.volume(identity.engine_name)
    if found is None or not _ours(context, found, identity.uid):
        return None
    return found


def _ours(context: Context, volume: Volume, uid: str) -> bool:
    labels = volume.labels
    return (
        is_ours(labels, context.platform.instance)
        and labels.get(L_UID) == uid
        and L_PHANTOM not in labels
    )


def _made(context: Context) -> Plan:
    """Not recorded yet."""
    if context.spec.adopt is not None:
        return _adoption(context)
    name = volume_identity(context.entry).engine_name
    found = context.world.volume(name)
    if found is None:
        create = CreateVolume(
            name=name, labels=_labels(context), size=context.spec.size, cause=_why_made(context)
        )
        return Plan((create, RecordVolume(engine_name=name, cause="made")))
    if engine_volume(context) is not None:
        return Plan((RecordVolume(engine_name=name, cause="made earlier"),))
    return Plan(problem=problems.in_the_way(found, context.platform.instance))


def _why_made(context: Context) -> str:
    """Says also where the data of a deleted Volume of this name still is."""
    organization, name = context.key.organization, context.key.name
    kept = [
        each.uid
        for each in context.retained.values()
        if each.engine_name == volume_name(organization, name, each.label_uid or each.uid)
    ]
    if not kept:
        return "missing"
    uids = ", ".join(sorted(kept))
    return f"missing; data of a deleted {name} is retained, spec.adopt takes it over: {uids}"


def _kept(context: Context) -> Plan:
    """Recorded: it is there as recorded, or it is lost."""
    record, adopt = context.entry.record, context.spec.adopt
    name = volume_identity(context.entry).engine_name
    if engine_volume(context) is None:
        found = context.world.volume(name)
        drift = Drift("volume", f"{name} {problems.whereabouts(found)}")
        return Plan(problem=problems.lost(context.key, name, found), drift=(drift,))
    if adopt is not None and record.volume_label_uid in (None, context.uid):
        return Plan(problem=problems.adopted_too_late(context.key, adopt))
    return Plan()


def _adoption(context: Context) -> Plan:
    adopt = context.spec.adopt
    retained = context.retained.get(adopt)
    if (
        retained is None
        or retained.organization != context.key.organization
        or (retained.expires_at is not None and retained.expires_at <= context.now)
    ):
        return Plan(problem=problems.nothing_retained(context.key, adopt))
    label = retained.label_uid or retained.uid
    found = next(
        (v for v in context.world.volumes_of(adopt) if v.name == retained.engine_name), None
    )
    if label == adopt and (found is None or not _ours(context, found, label)):
        return Plan(problem=problems.lost(context.key, retained.engine_name, found))
    step = AdoptVolume(
        engine_name=retained.engine_name, retained_uid=adopt, label_uid=label, cause="spec.adopt"
    )
    return Plan((step,))


def _labels(context: Context) -> dict[str, str]:
    return {
        L_CONTROLLER: context.platform.instance,
        L_ORGANIZATION: context.key.organization,
        L_KIND: context.key.kind,
        L_NAME: context.key.name,
        L_UID: context.uid,
        L_GENERATION: str(context.effective_generation),
    }


# ---------------------------------------------------------------- the end


def _deletion(context: Context) -> Plan:
    name, uid = volume_identity(context.entry)
    if users := mounting(context.world, name):
        names = ", ".join(container.name for container in users[:3])
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        services = ", ".join(dict.fromkeys(service_of(container) for container in users))
        reason = f"{names}{more} ({services}) to be removed, which mounts it"
        return Plan(wait=Wait(reason, REVISIT))
    if engine_volume(context) is None:
        return Plan((Finalize(cause="deletion requested, no data is left"),))
    return Plan(_policy(context, name, uid))


def _policy(context: Context, name: str, uid: str) -> tuple[Step, ...]:
    """A spec that cannot be read keeps the data."""
    policy = "Retain" if context.spec is None else context.spec.deletion_policy
    cause = f"deletion requested, deletionPolicy {policy}"
    if policy == "Delete":
        instance = context.platform.instance
        remove = RemoveVolume(name=name, uid=uid, instance=instance, cause=cause)
        return (remove, Finalize(cause=cause))
    seconds = None
    if policy == "Expire":
        seconds = _window(context.ref("Organization", context.key.organization))
    return (RetainVolume(engine_name=name, seconds=seconds, label_uid=uid, cause=cause),)


def _window(organization: Entry | None) -> float:
    """Seconds that the organization keeps deleted volumes."""
    spec = effective(organization).spec if organization is not None else None
    return RETAIN_VOLUMES if spec is None else float(spec.deletion.retain_volumes)
