"""What a store keeps of what was observed: status, events, signs of life, pulls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.store.base import Deposed, Event, Store
from resources.store_steps import (
    Accept,
    EndRollout,
)
from tests.contract.store.conftest import Shared
from tests.contract.store.making import (
    ACME,
    CAUSE,
    WEB,
    accept,
    get,
    put,
    record,
)


async def test_status_is_written_when_it_differs(store: Store, epoch: int) -> None:
    entry = await put(store)
    uid = entry.resource.uid
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "n": 1}
    assert await store.write_status(uid, 1, status, epoch=epoch)
    assert not await store.write_status(uid, 1, {**status, "n": 1.0}, epoch=epoch)
    found = await get(store)
    assert (found.status, found.observed_generation) == (status, 1)
    assert found.resource == entry.resource
    assert await store.write_status(uid, 2, status, epoch=epoch)
    assert await store.write_status(uid, 2, {**status, "n": True}, epoch=epoch)
    assert (await get(store)).observed_generation == 2


async def test_status_quotes_whatever_containers_print(store: Store, epoch: int) -> None:
    uid = (await put(store)).resource.uid
    status = {"restarts": [{"logTail": "a\0b\ud800c"}], "phase": "Running"}
    assert await store.write_status(uid, 1, status, epoch=epoch)
    assert not await store.write_status(uid, 1, status, epoch=epoch)
    kept = {"restarts": [{"logTail": "ab?c"}], "phase": "Running"}
    assert (await get(store)).status == kept
    await store.emit([Event(uid, WEB, "Warning", "Crashed", "a\0b\ud800c")], epoch=epoch)
    assert [e.message for e in await store.events(uid=uid)] == ["ab?c"]


async def test_an_older_epoch_writes_nothing(store: Store, epoch: int) -> None:
    entry = await put(store)
    uid, old = entry.resource.uid, epoch - 1
    event = Event(uid, WEB, "Normal", "Tested", "x")
    for attempt in (
        lambda: store.record(uid, [Accept(cause=CAUSE, generation=1)], epoch=old),
        lambda: store.write_status(uid, 1, {}, epoch=old),
        lambda: store.emit([event], epoch=old),
        lambda: store.hold("engine", ["a"], 1, "f", epoch=old),
        lambda: store.drop_held("engine", keep=None, epoch=old),
        lambda: store.release_retained(uid, epoch=old),
        lambda: store.housekeeping(epoch=old),
        lambda: store.record(uid, [Accept(cause=CAUSE, generation=1)], epoch=epoch + 1),
    ):
        with pytest.raises(Deposed):
            await attempt()
    assert await get(store) == entry
    assert list(await store.events()) == []


async def test_equal_events_are_counted(store: Store, epoch: int) -> None:
    uid = (await put(store)).resource.uid
    pulled = Event(uid, WEB, "Normal", "Pulled", "nginx")
    failed = replace(pulled, type="Warning", reason="Failed")
    await store.emit([pulled, failed, pulled], epoch=epoch)
    await store.emit([pulled, Event("", ACME, "Normal", "Seen", "m\0n")], epoch=epoch)
    events = await store.events()
    assert {(e.reason, e.count, e.message) for e in events} == {
        ("Failed", 1, "nginx"),
        ("Pulled", 3, "nginx"),
        ("Seen", 1, "mn"),
    }
    assert [e.reason for e in events] == ["Failed", "Pulled", "Seen"], "as they were told"
    (told, again, _) = events
    assert again.first_at
    assert again.at
    assert again.first_at < again.at
    assert {e.reason for e in await store.events(organization="acme")} == {
        "Failed",
        "Pulled",
        "Seen",
    }
    assert {e.reason for e in await store.events(uid=uid)} == {"Failed", "Pulled"}
    assert {e.reason for e in await store.events(since=told.at)} == {"Pulled", "Seen"}
    assert len(await store.events(limit=1)) == 1


async def test_events_written_crosswise_are_all_written(shared: Shared, epoch: int) -> None:
    """Each waits for a row that the other has locked."""
    one, two = await shared.open(), await shared.open()
    events = [Event("", ACME, "Normal", "Seen", str(number)) for number in range(200)]
    await one.emit(events, epoch=epoch)
    for _ in range(3):
        await asyncio.gather(
            one.emit(events, epoch=epoch), two.emit(list(reversed(events)), epoch=epoch)
        )
    assert {event.count for event in await one.events()} == {7}


async def test_housekeeping_keeps_what_is_needed(store: Store, epoch: int) -> None:
    entry = await put(store, WEB, {"n": 1})
    await record(store, entry, epoch, EndRollout(cause=CAUSE, generation=1, outcome="ready"))
    entry = await put(store, WEB, {"n": 2})
    await accept(store, entry, epoch)
    for number in range(3, 31):
        entry = await put(store, WEB, {"n": number})
    uid = entry.resource.uid
    status = {"containers": [{"generation": 5}, {"generation": 6}]}
    await store.write_status(uid, 30, status, epoch=epoch)
    many = [Event(uid, WEB, "Normal", "Tested", str(i)) for i in range(205)]
    await store.emit(many, epoch=epoch)
    await store.housekeeping(epoch=epoch)
    kept = [r.generation for r in await store.revisions(uid)]
    assert kept == [1, 2, 5, 6, *range(11, 31)]
    found = await get(store)
    assert (found.record.accepted_generation, found.record.ready_generation) == (2, 1)
    assert len(await store.events(uid=uid)) == 200


async def test_signs_of_life(store: Store, epoch: int) -> None:
    for process, leader in (("a", True), ("b", False), ("a", True)):
        await store.heartbeat(
            process=process,
            version="1",
            leader=leader,
            epoch=epoch,
            engine_state="connected",
            engine_version="20.10",
        )
    assert await store.epoch() == epoch


async def test_how_far_a_pull_is_gets_renewed_in_place(store: Store, epoch: int) -> None:
    await put(store, WEB, {"image": "app:1"})
    uid = (await get(store, WEB)).resource.uid
    for message in ("1 of 2", "1 of 2", "2 of 2"):
        await store.emit([Event(uid, WEB, "Normal", "Pulling", message)], epoch=epoch)
    await store.emit([Event(uid, WEB, "Normal", "Pulled", "app:1")], epoch=epoch)
    found = [(e.reason, e.message) for e in await store.events(uid=uid)]
    assert [each for each in found if each[0] == "Pulling"] == [("Pulling", "2 of 2")]
    assert ("Pulled", "app:1") in found
