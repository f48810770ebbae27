"""What users write: apply, delete, annotate, adopt."""

from __future__ import annotations

import asyncio
import json

import pytest

from controller.store.base import Deposed, Store
from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.store_steps import Finalize
from tests.contract.store.making import ACME, CAUSE, DATA, WEB, get, manifest, put, remove


async def refused(awaitable: object) -> UserError:
    with pytest.raises(UserError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


async def test_a_new_row_has_generation_one_and_its_source(store: Store) -> None:
    applied = await store.apply(manifest(), source="manifest:prod", actor="user:1")
    resource = (await get(store)).resource
    assert (applied.action, applied.generation, applied.uid) == ("created", 1, resource.uid)
    assert (resource.source, resource.created_by) == ("manifest:prod", "user:1")
    assert (resource.generation, resource.finalizers, resource.deleting) == (1, (), False)
    assert resource.created_at is not None
    assert resource.created_at == resource.updated_at


async def test_only_a_changed_spec_bumps_the_generation(store: Store) -> None:
    await store.apply(manifest(), source="api")
    assert (await store.apply(manifest(), source="api")).action == "unchanged"
    before = (await get(store)).resource
    labelled = await store.apply(manifest(labels={"a": "b"}), source="api")
    assert (labelled.action, labelled.generation) == ("configured", 1)
    changed = await store.apply(manifest(spec={"image": "b"}, labels={"a": "b"}), source="api")
    assert (changed.action, changed.generation) == ("configured", 2)
    after = (await get(store)).resource
    assert after.uid == before.uid
    assert after.created_at == before.created_at
    assert before.updated_at
    assert after.updated_at
    assert after.updated_at > before.updated_at


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None}, {}, False),
    ],
)
async def test_specs_are_equal_as_json(
    store: Store, one: dict[str, object], other: dict[str, object], same: bool
) -> None:
    await store.apply(manifest(spec=one), source="api")
    applied = await store.apply(manifest(spec=other), source="api")
    assert (applied.action == "unchanged") is same


async def test_an_unchanged_entry_reads_equal(store: Store) -> None:
    first = await put(store)
    await put(store)
    assert await get(store) == first
    assert list(await store.entries()) == [first]


async def test_dry_run_writes_nothing(store: Store) -> None:
    assert (await store.apply(manifest(), source="api", dry_run=True)).action == "created"
    assert await store.entry(WEB) is None
    await store.apply(manifest(), source="api")
    tried = await store.apply(manifest(spec={"image": "b"}), source="api", dry_run=True)
    assert (tried.action, tried.generation) == ("configured", 2)
    assert (await get(store)).resource.generation == 1
    error = await refused(
        store.apply(manifest(Key("Service", "acme", "Web")), source="api", dry_run=True)
    )
    assert error.code == "CONFIGURATION_INVALID_SPEC"


async def test_a_spec_belongs_to_its_source(store: Store) -> None:
    await store.apply(manifest(), source="sql")
    error = await refused(store.apply(manifest(spec={"image": "b"}), source="manifest:prod"))
    assert error.code == "RESOURCE_OWNED_ELSEWHERE"
    assert error.details == {"source": "sql", "writer": "manifest:prod"}
    assert "skyctl adopt service/web --org acme --source manifest:prod" in error.suggestions[0]
    assert (await refused(store.apply(manifest(), source="api"))).code == error.code
    deleting = await refused(store.delete(WEB, source="manifest:prod"))
    assert deleting.code == error.code
    assert not (await get(store)).resource.deleting
    await store.adopt(WEB, source="manifest:prod", actor="user:1")
    applied = await store.apply(manifest(spec={"image": "b"}), source="manifest:prod")
    assert applied.action == "configured"
    adopted = (await store.events())[-1]
    assert (adopted.reason, adopted.key) == ("Adopted", WEB)


async def test_the_controllers_annotations_survive_a_manifest(store: Store) -> None:
    await store.apply(manifest(annotations={"mine": "1"}), source="api")
    await store.annotate(WEB, {"skypanel.io/paused": "because", "skypanel.io/restartedAt": "x"})
    assert (await store.apply(manifest(), source="api")).action == "configured"
    assert (await get(store)).resource.annotations == {
        "skypanel.io/paused": "because",
        "skypanel.io/restartedAt": "x",
    }
    await store.annotate(WEB, {"skypanel.io/paused": None})
    assert (await get(store)).resource.annotations == {"skypanel.io/restartedAt": "x"}
    assert (await get(store)).resource.generation == 1
    missing = store.annotate(Key("Service", "acme", "no"), {"a": "b"})
    assert (await refused(missing)).code == "RESOURCE_NOT_FOUND"


async def test_deletion_is_a_request(store: Store, epoch: int) -> None:
    entry = await put(store)
    assert await store.delete(WEB, source="sql", actor="user:9")
    first = (await get(store)).resource.deletion_requested_at
    assert first is not None
    assert await store.delete(WEB, source="sql")
    assert (await get(store)).resource.deletion_requested_at == first
    event = (await store.events(uid=entry.resource.uid))[-1]
    assert (event.reason, event.message) == ("DeletionRequested", "deletion requested by user:9")
    assert event.count == 1
    error = await refused(store.apply(manifest(spec={"image": "b"}), source="sql"))
    assert (error.code, error.retryable) == ("RESOURCE_BEING_DELETED", True)
    assert error.suggestions
    await store.record(entry.resource.uid, [Finalize(cause=CAUSE)], epoch=epoch)
    assert await store.entry(WEB) is None
    assert not await store.delete(WEB, source="sql")
    again = await put(store)
    assert again.resource.uid != entry.resource.uid
    assert again.resource.generation == 1


async def test_protection_refuses_deletion(store: Store) -> None:
    await put(store)
    await put(store, ACME, {})
    await store.annotate(WEB, {"skypanel.io/protect": "customer data"})
    assert (await refused(store.delete(WEB, source=None))).code == "RESOURCE_PROTECTED"
    whole = await refused(store.delete(ACME, source=None))
    assert whole.code == "RESOURCE_PROTECTED"
    assert "Service/web" in whole.message
    await store.annotate(WEB, {"skypanel.io/protect": "false"})
    assert await store.delete(ACME, source=None)
    assert await store.delete(WEB, source=None)


PROTECT, PAUSED = "skypanel.io/protect", "skypanel.io/paused"


async def annotations(store: Store) -> dict[str, str]:
    return dict((await get(store)).resource.annotations)


async def test_an_annotation_goes_with_the_manifest_that_had_set_it(store: Store) -> None:
    protected = manifest(annotations={PROTECT: "yes"})
    await store.apply(protected, source="api")
    await store.annotate(WEB, {PAUSED: "by hand"})
    applied = await store.apply(manifest(), source="api")
    assert applied.action == "configured"
    assert await annotations(store) == {PAUSED: "by hand"}
    # What was there already is the manifest's once it says so.
    assert (await store.apply(manifest(annotations={PAUSED: "by hand"}), source="api")).action == (
        "unchanged"
    )
    assert (await get(store)).resource.applied_annotations == (PAUSED,)
    assert (await store.apply(manifest(), source="api")).action == "configured"
    assert await annotations(store) == {}


async def test_null_takes_an_annotation_away_whoever_set_it(store: Store) -> None:
    await store.apply(manifest(), source="api")
    await store.annotate(WEB, {PAUSED: "by hand"})
    gone = manifest(removed=frozenset({PAUSED}))
    assert (await store.apply(gone, source="api")).action == "configured"
    assert await annotations(store) == {}
    assert (await store.apply(gone, source="api")).action == "unchanged"


async def test_a_new_source_takes_nothing_away_that_the_former_one_set(store: Store) -> None:
    await store.apply(manifest(annotations={PROTECT: "yes"}), source="api")
    await store.adopt(WEB, source="manifest:prod")
    await store.apply(manifest(), source="manifest:prod")
    assert await annotations(store) == {PROTECT: "yes"}


async def test_nothing_new_in_an_organization_that_goes(store: Store, epoch: int) -> None:
    await put(store, ACME, {})
    await put(store)
    await store.delete(ACME, source=None)
    for attempt in (manifest(DATA, {}), manifest(WEB, {"image": "b"})):
        assert (await refused(store.apply(attempt, source="sql"))).code == "RESOURCE_BEING_DELETED"
    await put(store, Key("Volume", "other", "data"), {})
    await remove(store, WEB, epoch)
    await remove(store, ACME, epoch)
    await put(store, DATA, {})


BAD = {
    "kind": (Key("Servce", "acme", "web"), {}),
    "name": (Key("Service", "acme", "Web_1"), {}),
    "long name": (Key("Service", "acme", "a" * 64), {}),
    "newline": (Key("Service", "acme", "web\n"), {}),
    "no organization": (Key("Service", "", "web"), {}),
    "organization of an Organization": (Key("Organization", "acme", "acme"), {}),
    "organization's name": (Key("Service", "a/b", "web"), {}),
    "too large": (WEB, {"a": "x" * 262144}),
    "too deep": (WEB, {"a": json.loads("[" * 65 + "]" * 65)}),
    "NUL": (WEB, {"a": ["x\0"]}),
    "half a character": (WEB, {"a": "\ud800"}),
    "a number beyond 64 bits": (WEB, {"a": 10**30}),
    "no JSON at all": (WEB, {"a": {1, 2}}),
    "a value in the clear": (Key("Secret", "acme", "s"), {"sealedData": {"A": "b"}}),
    "a sealed list": (Key("Secret", "acme", "s"), {"sealedData": ["b"]}),
    "a sealed number": (Key("Secret", "acme", "s"), {"sealedData": {"A": 1}}),
    "another field of a Secret": (Key("Secret", "acme", "s"), {"password": "b"}),
    "a plain number": (Key("Secret", "acme", "s"), {"data": {"A": 1}}),
    "a plain list": (Key("Secret", "acme", "s"), {"data": ["b"]}),
    "a plain key": (Key("Secret", "acme", "s"), {"data": {"A B": "b"}}),
    "plain and too large": (Key("Secret", "acme", "s"), {"data": {"A": "x" * 262144}}),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_shapes_are_refused_with_advice(store: Store, case: str) -> None:
    key, spec = BAD[case]
    error = await refused(store.apply(Manifest(key, spec), source="api"))
    unsealed = case in ("a value in the clear", "a sealed list", "a sealed number")
    assert error.code == ("SECRET_NOT_SEALED" if unsealed else "CONFIGURATION_INVALID_SPEC")
    assert error.message
    assert error.suggestions
    assert not error.retryable
    assert list(await store.entries()) == []


async def test_what_looks_like_an_escape_is_none(store: Store) -> None:
    await put(store, WEB, {"a": "\\u0000"})
    assert (await get(store)).resource.spec == {"a": "\\u0000"}


async def test_annotations_are_texts(store: Store) -> None:
    await put(store)
    for changes in ({"a": 1}, {"a": "x\0"}, {"a": "x" * 70000}):
        error = await refused(store.annotate(WEB, changes))  # type: ignore[arg-type]
        assert error.code == "CONFIGURATION_INVALID_SPEC"


async def test_the_limits_themselves_are_allowed(store: Store) -> None:
    deep: object = []
    for _ in range(62):
        deep = [deep]
    await put(store, Key("Service", "acme", "a" * 63), {"a": deep})
    await put(store, WEB, {"a": "x" * (262144 - len('{"a": ""}'))})
    await put(store, Key("Secret", "", "platform"), {"sealedData": {}})


async def test_concurrent_applies_of_one_key_make_one_row(store: Store) -> None:
    applied = await asyncio.gather(
        *(store.apply(manifest(spec={"image": str(i)}), source="api") for i in range(8))
    )
    assert len({a.uid for a in applied}) == 1
    assert sorted(a.generation for a in applied) == list(range(1, 9))
    assert (await get(store)).resource.generation == 8
    uid = applied[0].uid
    assert [r.generation for r in await store.revisions(uid)] == list(range(1, 9))


async def test_owner_and_actor_are_kept(store: Store) -> None:
    parent = (await put(store, ACME, {})).resource.uid
    source = f"instance:{parent}"
    applied = await store.apply(manifest(), source=source, actor="user:1", owner=parent)
    assert (await get(store)).resource.owner == parent
    await store.apply(manifest(spec={"image": "b"}), source=source, actor="user:2")
    assert [r.by for r in await store.revisions(applied.uid)] == ["user:1", "user:2"]


async def test_a_leader_that_was_replaced_neither_applies_nor_deletes(
    store: Store, epoch: int
) -> None:
    await store.apply(manifest(), source="manifest:x", epoch=epoch)
    changed = manifest(WEB, {"image": "nginx:2"})
    with pytest.raises(Deposed):
        await store.apply(changed, source="manifest:x", epoch=epoch - 1)
    with pytest.raises(Deposed):
        await store.delete(WEB, source="manifest:x", epoch=epoch - 1)
    resource = (await get(store)).resource
    assert (resource.generation, resource.deleting) == (1, False)
    assert await store.delete(WEB, source="manifest:x", epoch=epoch)
