"""What the store keeps so that a rollout that failed can go back to what was Ready."""

from __future__ import annotations

from controller.store.base import Store
from resources.errors import UserError
from resources.meta import Entry
from resources.store_steps import BeginRollout, EndRollout
from tests.contract.store.making import CAUSE, WEB, accept, get, put, record

FAILURE = UserError("DEPLOYMENT_CRASH_LOOP", "it ends", details={"logTail": "a\0b"}).to_dict()


async def ready(store: Store, epoch: int, restarted_at: str = "") -> Entry:
    entry = await accept(store, await put(store), epoch)
    found = await record(
        store,
        entry,
        epoch,
        BeginRollout(cause=CAUSE, generation=1, revision="v1:a"),
        EndRollout(cause=CAUSE, generation=1, outcome="ready", restarted_at=restarted_at),
    )
    assert found
    return found


async def failed(store: Store, epoch: int, generation: int = 2) -> Entry:
    entry = await accept(store, await put(store, WEB, {"image": "nginx:bad"}), epoch)
    found = await record(
        store,
        entry,
        epoch,
        BeginRollout(cause=CAUSE, generation=generation, revision="v1:b"),
        EndRollout(
            cause=CAUSE, generation=generation, outcome="failed", reason="x", failure=FAILURE
        ),
    )
    assert found
    return found


async def test_what_was_ready_is_told_only_when_it_is_needed(store: Store, epoch: int) -> None:
    entry = await ready(store, epoch, "yesterday")
    assert entry.record.ready_spec is None
    assert entry.record.ready_restarted_at == "yesterday"
    found = await failed(store, epoch)
    assert found.record.ready_generation == 1
    assert found.record.ready_spec == {"image": "nginx:1.27"}
    assert found.record.fallback == {"image": "nginx:1.27"}
    assert found == await get(store)
    assert found.record.rollout
    assert found.record.rollout.failure
    assert found.record.rollout.failure["code"] == "DEPLOYMENT_CRASH_LOOP"
    assert found.record.rollout.failure["details"] == {"logTail": "ab"}


async def test_rolled_back_keeps_why(store: Store, epoch: int) -> None:
    await ready(store, epoch)
    entry = await failed(store, epoch)
    found = await record(
        store,
        entry,
        epoch,
        EndRollout(cause=CAUSE, generation=2, outcome="rolledBack", reason="x"),
    )
    assert found
    assert found.record.rollout
    assert found.record.rollout.outcome == "rolledBack"
    assert found.record.rollout.failure == entry.record.rollout.failure  # type: ignore[union-attr]
    assert found.record.fallback == {"image": "nginx:1.27"}
    kept = await store.revisions(entry.resource.uid)
    assert [(r.outcome, r.was_ready) for r in kept] == [("ready", True), ("rolledBack", False)]


async def test_another_attempt_begins_anew(store: Store, epoch: int) -> None:
    await ready(store, epoch)
    entry = await failed(store, epoch)
    found = await record(
        store, entry, epoch, BeginRollout(cause=CAUSE, generation=2, revision="v1:c")
    )
    assert found
    assert found.record.rollout
    assert found.record.rollout.failure is None
    assert found.record.fallback is None


async def test_a_restart_that_failed_does_not_forget_which_was_ready(
    store: Store, epoch: int
) -> None:
    entry = await ready(store, epoch, "first")
    found = await record(
        store,
        entry,
        epoch,
        BeginRollout(cause=CAUSE, generation=1, revision="v1:b"),
        EndRollout(cause=CAUSE, generation=1, outcome="failed", restarted_at="", failure=FAILURE),
    )
    assert found
    assert (found.record.ready_generation, found.record.ready_restarted_at) == (1, "first")
    assert found.record.fallback == {"image": "nginx:1.27"}


async def seemed_ready(store: Store, epoch: int, generation: int) -> Entry:
    entry = await get(store)
    assert entry is not None
    found = await record(
        store,
        entry,
        epoch,
        BeginRollout(cause=CAUSE, generation=generation, revision="v1:b"),
        EndRollout(cause=CAUSE, generation=generation, outcome="ready"),
        EndRollout(cause=CAUSE, generation=generation, outcome="failed", failure=FAILURE),
    )
    assert found
    return found


async def test_what_fails_right_after_it_was_ready_never_was(store: Store, epoch: int) -> None:
    await ready(store, epoch)
    await accept(store, await put(store, WEB, {"image": "nginx:bad"}), epoch)
    found = await seemed_ready(store, epoch, 2)
    assert found.record.ready_generation == 1
    assert found.record.fallback == {"image": "nginx:1.27"}
    kept = await store.revisions(found.resource.uid)
    assert [r.was_ready for r in kept] == [True, False]


async def test_unless_there_is_nothing_better(store: Store, epoch: int) -> None:
    await accept(store, await put(store), epoch)
    found = await seemed_ready(store, epoch, 1)
    assert found.record.ready_generation == 1
