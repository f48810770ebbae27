"""``record`` of the fake: one step on the shared state. The caller restores the state when a step
refuses."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.store.document import printable, storable
from controller.store.postgres.recording import conflict
from resources.context import Retained
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import FINALIZER, Entry, Record, Rollout
from resources.quota import Admission
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
    Settle,
    StoreStep,
)
from tests.fakes import store_hostnames as hostnames
from tests.fakes import store_quota as quota
from tests.fakes.store_database import FakeDatabase
from tests.fakes.store_rules import protected


def perform(database: FakeDatabase, entry: Entry, step: StoreStep) -> None:
    _STEPS[type(step)](database, entry, step)


def _change(database: FakeDatabase, entry: Entry, **record: Any) -> None:
    database.put(replace(entry, record=replace(entry.record, **record)))


def _accept(database: FakeDatabase, entry: Entry, step: Accept) -> None:
    if step.claims is not None and step.terms is not None:
        quota.check(database, step.terms)
        admission = entry.record.admission
        waiting = admission.waiting if admission is not None else None
        record = replace(
            entry.record, admission=Admission(step.generation, dict(step.claims), waiting)
        )
        entry = replace(entry, record=record)
    revisions = database.revisions[entry.resource.uid]
    if step.generation not in revisions:
        raise conflict(f"generation {step.generation} is no longer kept")
    revisions[step.generation] = replace(revisions[step.generation], accepted=True)
    newest = max(r.generation for r in revisions.values() if r.accepted)
    finalizers = dict.fromkeys((*entry.resource.finalizers, FINALIZER))
    database.put(
        replace(
            entry,
            resource=replace(entry.resource, finalizers=tuple(finalizers)),
            record=replace(
                entry.record, accepted_generation=newest, accepted_spec=revisions[newest].spec
            ),
        )
    )


def _begin_rollout(database: FakeDatabase, entry: Entry, step: BeginRollout) -> None:
    rollouts = database.rollouts.setdefault(entry.resource.uid, {})
    before = rollouts.get(step.generation)
    if before and before.revision == step.revision and before.outcome == "":
        return
    rollouts[step.generation] = Rollout(step.generation, database.now(), step.revision)
    refresh_rollouts(database, entry)


def _end_rollout(database: FakeDatabase, entry: Entry, step: EndRollout) -> None:
    uid, now = entry.resource.uid, database.now()
    rollouts = database.rollouts.setdefault(uid, {})
    before = rollouts.get(step.generation) or Rollout(step.generation, now)
    ready = step.outcome == "ready"
    rollouts[step.generation] = replace(
        before,
        outcome=step.outcome,
        reason=printable(step.reason),
        ready_at=now if ready else before.ready_at,
        failure=before.failure if step.failure is None else storable(step.failure),
    )
    if ready:
        database.was_ready.setdefault(uid, {})[step.generation] = printable(step.restarted_at)
    elif before.outcome == "ready" and step.outcome == "failed":
        was_ready = database.was_ready.get(uid, {})
        if set(was_ready) - {step.generation}:
            was_ready.pop(step.generation, None)
    refresh_rollouts(database, entry)


def refresh_rollouts(database: FakeDatabase, entry: Entry) -> None:
    uid = entry.resource.uid
    rollouts = database.rollouts.get(uid, {})
    newest = rollouts[max(rollouts)] if rollouts else None
    was_ready = database.was_ready.get(uid, {})
    ready = max(was_ready, default=None)
    revision = None if ready is None else database.revisions.get(uid, {}).get(ready)
    failed = newest is not None and newest.failed
    _change(
        database,
        entry,
        rollout=newest,
        ready_generation=ready,
        ready_spec=revision.spec if revision is not None and failed else None,
        ready_restarted_at=None if ready is None else was_ready[ready],
    )


def _record_pre_deploy(database: FakeDatabase, entry: Entry, step: RecordPreDeploy) -> None:
    results = {**entry.record.predeploy, step.generation: printable(step.result)}
    _change(database, entry, predeploy=results)


def _reserve_subnet(database: FakeDatabase, entry: Entry, step: ReserveSubnet) -> None:
    network = ipaddress.IPv4Network(step.subnet)
    if database.subnets.overlaps(network, entry.resource.uid):
        raise conflict("the subnet overlaps one that another organization has reserved")
    database.subnets.put(entry.resource.uid, network)
    _change(database, entry, subnet=str(network))


def _record_volume(database: FakeDatabase, entry: Entry, step: RecordVolume) -> None:
    _change(database, entry, volume_created=True, volume_name=step.engine_name)


def _retain_volume(database: FakeDatabase, entry: Entry, step: RetainVolume) -> None:
    uid, key = entry.resource.uid, entry.key
    expires = None if step.seconds is None else database.now() + timedelta(seconds=step.seconds)
    label = "" if step.label_uid == uid else step.label_uid
    if any(r.engine_name == step.engine_name for r, _ in database.retained.values()):
        raise conflict(f"volume {step.engine_name} is retained already")
    database.retained[uid] = (
        Retained(uid, step.engine_name, key.organization, expires, label),
        key,
    )
    _finalize(database, entry, step)


def _adopt_volume(database: FakeDatabase, entry: Entry, step: AdoptVolume) -> None:
    organization = entry.key.organization
    retained, _ = database.retained.get(step.retained_uid, (None, None))
    if (
        retained is None
        or retained.engine_name != step.engine_name
        or retained.organization != organization
        or (retained.expires_at is not None and retained.expires_at <= database.now())
    ):
        raise conflict(
            f"organization {organization} retains no volume {step.retained_uid} (any more)"
        )
    del database.retained[step.retained_uid]
    _change(
        database,
        entry,
        volume_created=True,
        volume_name=step.engine_name,
        volume_label_uid=step.label_uid or step.retained_uid,
    )


def _request_deletion(database: FakeDatabase, entry: Entry, step: RequestDeletion) -> None:
    for key in tuple(database.members.get(step.organization, ())):
        member = database.entries[key]
        if not protected(member.resource.annotations):
            database.request_deletion(member, "skyctl")


def _finalize(database: FakeDatabase, entry: Entry, step: StoreStep) -> None:
    key = entry.key
    if not entry.resource.deleting:
        raise conflict(f"{key.short} is not being deleted")
    if key.kind == "Organization" and database.members.get(key.name):
        raise conflict(f"{key.short} still has resources")
    database.drop(entry)


_STEPS: Mapping[type[StoreStep], Callable[[FakeDatabase, Entry, Any], None]] = {
    Accept: _accept,
    BeginRollout: _begin_rollout,
    EndRollout: _end_rollout,
    RecordPreDeploy: _record_pre_deploy,
    ReserveSubnet: _reserve_subnet,
    RecordVolume: _record_volume,
    RetainVolume: _retain_volume,
    AdoptVolume: _adopt_volume,
    RequestDeletion: _request_deletion,
    Finalize: _finalize,
    Claim: quota.claim,
    Hold: quota.hold,
    Settle: quota.settled,
    ClaimHostname: hostnames.claim,
    ReleaseHostnames: hostnames.release,
}
EMPTY = Record()
