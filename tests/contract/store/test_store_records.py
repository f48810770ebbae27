"""What the controller writes: records, retention, the guard, identity."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.store.base import Store
from resources.errors import UserError
from resources.meta import FINALIZER, Key
from resources.store_steps import (
    Accept,
    AdoptVolume,
    BeginRollout,
    EndRollout,
    Finalize,
    RecordPreDeploy,
    RecordVolume,
    RequestDeletion,
    ReserveSubnet,
    RetainVolume,
)
from tests.contract.store.making import (
    ACME,
    CAUSE,
    DATA,
    WEB,
    accept,
    get,
    manifest,
    put,
    reasons,
    record,
    remove,
)


async def test_acceptance_is_of_a_generation(store: Store, epoch: int) -> None:
    entry = await put(store)
    assert entry.record.accepted_generation is None
    entry = await accept(store, entry, epoch)
    assert entry.record.accepted_generation == 1
    assert entry.record.accepted_spec == {"image": "nginx:1.27"}
    assert entry.resource.finalizers == (FINALIZER,)
    assert (await accept(store, entry, epoch)).resource.finalizers == (FINALIZER,)
    entry = await put(store, WEB, {"image": 7})
    assert (entry.record.accepted_generation, entry.resource.generation) == (1, 2)
    assert entry.record.accepted_spec == {"image": "nginx:1.27"}
    assert [r.accepted for r in await store.revisions(entry.resource.uid)] == [True, False]
    with pytest.raises(UserError, match="no longer kept"):
        await record(store, entry, epoch, Accept(cause=CAUSE, generation=9))


async def test_rows_are_read_by_their_keys(store: Store, epoch: int) -> None:
    web = await accept(store, await put(store), epoch)
    data = await put(store, DATA, {})
    nowhere = Key("Service", "acme", "nowhere")
    found = await store.entries_of([WEB, nowhere, DATA])
    assert {entry.key: entry for entry in found} == {WEB: web, DATA: data}
    assert await store.entries_of([]) == []
    assert await store.entries_of([nowhere]) == []


async def test_steps_are_written_all_or_none(store: Store, epoch: int) -> None:
    entry = await put(store)
    with pytest.raises(UserError) as caught:
        await record(
            store,
            entry,
            epoch,
            Accept(cause=CAUSE, generation=1),
            BeginRollout(cause=CAUSE, generation=1, revision="v1:a"),
            RecordVolume(cause=CAUSE, engine_name="x"),
            Finalize(cause=CAUSE),
        )
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", True)
    assert await get(store) == entry
    assert [r.accepted for r in await store.revisions(entry.resource.uid)] == [False]


async def test_a_rollouts_clock_runs_from_its_first_beginning(store: Store, epoch: int) -> None:
    entry = await put(store)
    begin = BeginRollout(cause=CAUSE, generation=1, revision="v1:a")
    one = await record(store, entry, epoch, begin)
    two = await record(store, entry, epoch, begin)
    assert one
    assert two
    assert one.record.rollout == two.record.rollout
    assert one.record.rollout is not None
    assert (one.record.rollout.outcome, one.record.ready_generation) == ("", None)
    failed = await record(
        store, entry, epoch, EndRollout(cause=CAUSE, generation=1, outcome="failed", reason="x")
    )
    assert failed
    assert failed.record.rollout
    assert (failed.record.rollout.outcome, failed.record.rollout.reason) == ("failed", "x")
    assert failed.record.rollout.started_at == one.record.rollout.started_at
    again = await record(store, entry, epoch, begin)
    assert again
    assert again.record.rollout
    assert (again.record.rollout.outcome, again.record.rollout.reason) == ("", "")
    assert again.record.rollout.started_at >= one.record.rollout.started_at


async def test_ready_once_stays_on_record(store: Store, epoch: int) -> None:
    entry = await put(store)
    ready = EndRollout(cause=CAUSE, generation=1, outcome="ready")
    found = await record(
        store, entry, epoch, BeginRollout(cause=CAUSE, generation=1, revision="v1:a"), ready
    )
    assert found
    assert found.record.rollout
    assert found.record.ready_generation == 1
    assert found.record.rollout.ready_at is not None
    again = BeginRollout(cause=CAUSE, generation=1, revision="v1:b")
    found = await record(store, entry, epoch, again)
    assert found
    assert found.record.rollout
    assert (found.record.ready_generation, found.record.rollout.ready_at) == (1, None)
    await put(store, WEB, {"image": "b"})
    second = BeginRollout(cause=CAUSE, generation=2, revision="v1:c")
    found = await record(store, entry, epoch, second)
    assert found
    assert found.record.rollout
    assert (found.record.ready_generation, found.record.rollout.generation) == (1, 2)
    failed = EndRollout(cause=CAUSE, generation=2, outcome="failed", reason="r")
    found = await record(store, entry, epoch, failed)
    assert found
    assert found.record.rollout
    assert (found.record.ready_generation, found.record.rollout.outcome) == (1, "failed")


async def test_pre_deploy_results_are_kept_by_generation(store: Store, epoch: int) -> None:
    entry = await put(store)
    found = await record(
        store,
        entry,
        epoch,
        RecordPreDeploy(cause=CAUSE, generation=1, result="exit \0 1"),
        RecordPreDeploy(cause=CAUSE, generation=2, result="succeeded"),
    )
    assert found
    assert found.record.predeploy == {1: "exit  1", 2: "succeeded"}


async def test_subnets_never_overlap(store: Store, epoch: int) -> None:
    one = await put(store, ACME, {})
    two = await put(store, Key("Organization", "", "other"), {})
    reserve = ReserveSubnet(cause=CAUSE, subnet="10.128.4.0/24")
    found = await record(store, one, epoch, reserve)
    assert found
    assert found.record.subnet == "10.128.4.0/24"
    await record(store, one, epoch, reserve)
    for taken in ("10.128.4.0/24", "10.128.0.0/16", "10.128.4.128/25"):
        with pytest.raises(UserError) as caught:
            await record(store, two, epoch, ReserveSubnet(cause=CAUSE, subnet=taken))
        assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", True)
    await record(store, two, epoch, ReserveSubnet(cause=CAUSE, subnet="10.128.5.0/24"))
    assert dict(await store.subnets()) == {
        one.resource.uid: "10.128.4.0/24",
        two.resource.uid: "10.128.5.0/24",
    }
    await record(store, one, epoch, ReserveSubnet(cause=CAUSE, subnet="10.128.6.0/24"))
    await remove(store, two.key, epoch)
    assert dict(await store.subnets()) == {one.resource.uid: "10.128.6.0/24"}


async def test_a_volume_is_retained_and_adopted(store: Store, epoch: int) -> None:
    entry = await put(store, DATA, {})
    uid = entry.resource.uid
    found = await record(store, entry, epoch, RecordVolume(cause=CAUSE, engine_name="v1"))
    assert found
    assert (found.record.volume_created, found.record.volume_name) == (True, "v1")
    assert found.record.volume_label_uid is None
    retain = RetainVolume(cause=CAUSE, engine_name="v1", seconds=3600.0, label_uid=uid)
    with pytest.raises(UserError, match="not being deleted"):
        await record(store, entry, epoch, retain)
    assert await store.retained() == []
    await store.delete(DATA, source=None)
    assert await record(store, entry, epoch, retain) is None
    await store.record(uid, [retain, Finalize(cause=CAUSE)], epoch=epoch)  # a repeated pass
    (kept,) = await store.retained()
    assert (kept.uid, kept.engine_name, kept.organization) == (uid, "v1", "acme")
    assert kept.label_uid == ""
    assert kept.expires_at is not None

    other = await put(store, Key("Volume", "other", "data"), {"adopt": uid})
    adopt = AdoptVolume(cause=CAUSE, engine_name="v1", retained_uid=uid)
    with pytest.raises(UserError) as caught:
        await record(store, other, epoch, adopt)
    assert caught.value.code == "RESOURCE_CONFLICT"
    new = await put(store, DATA, {"adopt": uid})
    found = await record(store, new, epoch, adopt)
    assert found
    assert (found.record.volume_name, found.record.volume_label_uid) == ("v1", uid)
    assert await store.retained() == []
    with pytest.raises(UserError):
        await record(store, new, epoch, adopt)

    await store.delete(DATA, source=None)
    again = RetainVolume(cause=CAUSE, engine_name="v1", seconds=None, label_uid=uid)
    await record(store, new, epoch, again)
    (kept,) = await store.retained()
    assert (kept.uid, kept.label_uid, kept.expires_at) == (new.resource.uid, uid, None)
    assert kept.purged_by is None


async def test_purging_ends_the_window(store: Store, epoch: int) -> None:
    entry = await put(store, DATA, {})
    uid = entry.resource.uid
    await store.delete(DATA, source=None)
    await record(store, entry, epoch, RetainVolume(cause=CAUSE, engine_name="v1", seconds=None))
    async with store.changes() as changes:
        await store.expire_retained(uid, actor="user:1")
        assert (await anext(changes)).key is None
        await store.expire_retained(uid, actor="user:2")
    (kept,) = await store.retained()
    assert kept.purged_by == "user:1", "the first who asked"
    assert kept.expires_at is not None
    assert kept.expires_at <= datetime.now(UTC) + timedelta(seconds=1)
    new = await put(store, DATA, {})
    adopt = AdoptVolume(cause=CAUSE, engine_name="v1", retained_uid=uid)
    with pytest.raises(UserError):  # its removal may be under way
        await record(store, new, epoch, adopt)
    await store.release_retained(uid, epoch=epoch)
    assert await store.retained() == []
    with pytest.raises(UserError) as caught:
        await store.expire_retained(uid)
    assert caught.value.code == "RESOURCE_NOT_FOUND"
    assert "PurgeRequested" in reasons(await store.events(uid=uid))


async def test_an_organization_takes_its_members_along(store: Store, epoch: int) -> None:
    await put(store, ACME, {})
    await put(store)
    await put(store, DATA, {})
    await put(store, Key("Service", "other", "web"))
    await store.delete(ACME, source=None)
    acme = await get(store, ACME)
    await store.annotate(DATA, {"skypanel.io/protect": "yes"})
    with pytest.raises(UserError, match="still has resources"):
        await record(store, acme, epoch, Finalize(cause=CAUSE))
    assert await store.members("acme") == (2, 2)
    assert await store.members("nobody") == (0, 0)
    request = RequestDeletion(cause=CAUSE, organization="acme")
    await record(store, acme, epoch, request)
    assert await store.members("acme") == (2, 1)
    deleting = {e.key for e in await store.entries() if e.resource.deleting}
    assert deleting == {ACME, WEB}
    await store.annotate(DATA, {"skypanel.io/protect": None})
    await record(store, acme, epoch, request)
    for key in (WEB, DATA, ACME):
        await remove(store, key, epoch)
    assert [e.key for e in await store.entries()] == [Key("Service", "other", "web")]


async def test_a_row_that_is_gone(store: Store, epoch: int) -> None:
    entry = await accept(store, await put(store), epoch)
    uid = entry.resource.uid
    await remove(store, WEB, epoch)
    await store.record(uid, [Finalize(cause=CAUSE)], epoch=epoch)
    with pytest.raises(UserError) as caught:
        await store.record(uid, [Accept(cause=CAUSE, generation=1)], epoch=epoch)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_NOT_FOUND", True)
    assert not await store.write_status(uid, 1, {"phase": "Running"}, epoch=epoch)
    assert await store.revisions(uid) == []
    assert reasons(await store.events(uid=uid)) == ["DeletionRequested"]


async def test_the_guard_remembers(store: Store, epoch: int) -> None:
    held = await store.hold("manifest:a", ["Service/acme/web"], 9, "f1", epoch=epoch)
    assert (held.state, held.items, held.total) == ("held", ("Service/acme/web",), 9)
    same = await store.hold("manifest:a", ["other"], 1, "f1", epoch=epoch)
    assert same == held
    async with store.changes() as changes:
        decided = await store.decide(held.id, "approved", actor="user:1")
        assert (await anext(changes)).key is None
    assert decided == replace(held, state="approved")
    assert (await store.decide(held.id, "approved")).state == "approved"
    with pytest.raises(UserError) as caught:
        await store.decide(held.id, "discarded")
    assert caught.value.code == "RESOURCE_CONFLICT"
    with pytest.raises(UserError) as caught:
        await store.decide("no", "approved")
    assert caught.value.code == "RESOURCE_NOT_FOUND"
    assert (await store.hold("manifest:a", [], 0, "f1", epoch=epoch)).state == "approved"
    await store.hold("manifest:a", ["x"], 9, "f2", epoch=epoch)
    await store.hold("engine", ["y"], 9, "f1", epoch=epoch)
    await store.drop_held("manifest:a", keep="f2", epoch=epoch)
    assert [(h.source, h.fingerprint) for h in await store.held()] == [
        ("manifest:a", "f2"),
        ("engine", "f1"),
    ]
    await store.drop_held("manifest:a", keep=None, epoch=epoch)
    assert [h.source for h in await store.held()] == ["engine"]


async def test_identity(store: Store) -> None:
    assert await store.instance() == await store.instance()
    assert await store.engine_id() is None
    assert await store.bind_engine("ABCD:1") == "ABCD:1"
    assert await store.engine_id() == "ABCD:1"


async def test_only_one_of_two_engines_is_bound(store: Store) -> None:
    """Two processes find the store without an engine: the second learns of the first's."""
    found = await asyncio.gather(*(store.bind_engine(id_) for id_ in ("A", "B", "A")))
    assert len(set(found)) == 1
    assert await store.engine_id() == found[0]
    other = "B" if found[0] == "A" else "A"
    assert await store.bind_engine(other, adopt=True) == other
    assert await store.engine_id() == other


async def test_a_listing_is_larger_than_one_batch(store: Store) -> None:
    keys = [Key("Service", "acme", f"s{number}") for number in range(600)]
    for start in range(0, 600, 50):
        some = keys[start : start + 50]
        await asyncio.gather(*(store.apply(manifest(key), source="sql") for key in some))
    assert {e.key for e in await store.entries()} == set(keys)
