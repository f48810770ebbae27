"""The inbox: plain values by SQL pass through it, sealed ones come out, and nothing stays in it."""

from __future__ import annotations

from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from controller.store.base import Deposed, Store
from resources.errors import UserError
from resources.meta import Entry, Key, Manifest
from resources.sealed import Sealed, SealingKey, is_ticket
from tests.contract.store.conftest import Shared
from tests.contract.store.making import accept, get, put, remove

DB = Key("Secret", "acme", "db")
FIRST, SECOND = SealingKey("a" * 16, "Zmlyc3Q="), SealingKey("b" * 16, "c2Vjb25k")


def box(value: str) -> str:
    """Stands for a sealed value."""
    return f"v1:{'a' * 16}:{value.encode().hex().ljust(64, '0')}"


def seal(key: str, value: str, current: Sealed | None) -> str:
    sealed = box(value)
    return current.text if current is not None and current.text == sealed else sealed


async def write(store: Store, spec: dict[str, Any], key: Key = DB) -> Entry:
    await store.apply(Manifest(key, spec), source="sql")
    return await get(store, key)


async def inbox(shared: Shared) -> list[str]:
    """The plain values in it."""
    if shared.fake is not None:
        return sorted(value for _, _, value in shared.fake.inbox.values())
    connection = await asyncpg.connect(shared.url)
    try:
        rows = await connection.fetch("SELECT value FROM skyctl.secret_inbox ORDER BY value")
    finally:
        await connection.close()
    return [row["value"] for row in rows]


def values(entry: Entry) -> dict[str, str]:
    return dict(entry.resource.spec["sealedData"])


async def test_a_plain_value_waits_in_the_inbox(shared: Shared, store: Store, epoch: int) -> None:
    entry = await write(store, {"data": {"A": "one", "B": "two"}})
    assert set(entry.resource.spec) == {"sealedData"}
    assert all(map(is_ticket, values(entry).values()))
    assert await inbox(shared) == ["one", "two"]
    sealed = await store.seal_inbox(entry.resource.uid, seal, epoch=epoch)
    assert sealed == await get(store, DB)
    assert values(sealed) == {"A": box("one"), "B": box("two")}
    assert sealed.resource.generation == 2
    assert sealed.resource.source == "sql"
    assert await inbox(shared) == []
    for revision in await store.revisions(entry.resource.uid):
        assert "one" not in repr(revision.spec)


async def test_what_is_sealed_already_is_handed_to_who_seals(store: Store, epoch: int) -> None:
    entry = await write(store, {"data": {"A": "one"}})
    sealed = await store.seal_inbox(entry.resource.uid, seal, epoch=epoch)
    assert sealed is not None
    await accept(store, sealed, epoch)
    entry = await write(store, {"data": {"A": "one", "B": "two"}})
    asked: list[tuple[str, str, Sealed | None]] = []

    def noted(key: str, value: str, current: Sealed | None) -> str:
        asked.append((key, value, current))
        return seal(key, value, current)

    await store.seal_inbox(entry.resource.uid, noted, epoch=epoch)
    assert sorted(asked, key=lambda a: a[0]) == [
        ("A", "one", Sealed("acme", "db", "A", box("one"))),
        ("B", "two", None),
    ]


async def test_values_are_merged_as_they_are_written(
    shared: Shared, store: Store, epoch: int
) -> None:
    entry = await write(store, {"sealedData": {"A": box("a"), "B": box("b")}, "data": {"B": "x"}})
    assert values(entry)["A"] == box("a")
    sealed = await store.seal_inbox(entry.resource.uid, seal, epoch=epoch)
    assert sealed is not None
    assert values(sealed) == {"A": box("a"), "B": box("x")}


async def test_only_the_newest_is_kept(shared: Shared, store: Store, epoch: int) -> None:
    await write(store, {"data": {"A": "one", "B": "two"}})
    await write(store, {"data": {"A": "three"}})
    assert await inbox(shared) == ["three"]
    await write(store, {"sealedData": {"A": box("a")}})
    assert await inbox(shared) == []


async def test_it_goes_with_its_secret(shared: Shared, store: Store, epoch: int) -> None:
    await write(store, {"data": {"A": "one"}})
    await remove(store, DB, epoch)
    assert await inbox(shared) == []


async def test_a_ticket_copied_elsewhere_opens_nothing(
    shared: Shared, store: Store, epoch: int
) -> None:
    entry = await write(store, {"data": {"A": "one"}})
    ticket = values(entry)["A"]
    thief = await write(store, {"sealedData": {"A": ticket}}, Key("Secret", "beta", "db"))
    other = await write(store, {"sealedData": {"A": ticket}}, Key("Secret", "acme", "other"))
    for entry in (thief, other):
        with pytest.raises(UserError) as caught:
            await store.seal_inbox(entry.resource.uid, seal, epoch=epoch)
        assert caught.value.code == "SECRET_VALUE_GONE"
    key = await write(store, {"sealedData": {"B": ticket}, "data": {}})
    with pytest.raises(UserError):
        await store.seal_inbox(key.resource.uid, seal, epoch=epoch)


async def test_only_the_leader_seals(shared: Shared, store: Store, epoch: int) -> None:
    entry = await write(store, {"data": {"A": "one"}})
    with pytest.raises(Deposed):
        await store.seal_inbox(entry.resource.uid, seal, epoch=epoch - 1)
    assert await inbox(shared) == ["one"]


async def test_who_seals_may_fail_and_nothing_is_lost(
    shared: Shared, store: Store, epoch: int
) -> None:
    entry = await write(store, {"data": {"A": "one"}})

    def fails(key: str, value: str, current: Sealed | None) -> str:
        raise UserError("SECRET_KEY_MISSING", "no key")

    with pytest.raises(UserError):
        await store.seal_inbox(entry.resource.uid, fails, epoch=epoch)
    assert await inbox(shared) == ["one"]
    assert await get(store, DB) == entry


async def test_nothing_to_seal_is_no_write(store: Store, epoch: int) -> None:
    entry = await put(store, DB, {"sealedData": {"A": box("a")}})
    assert await store.seal_inbox(entry.resource.uid, seal, epoch=epoch) == entry


async def test_of_a_row_that_is_gone(store: Store, epoch: int) -> None:
    entry = await write(store, {"data": {"A": "one"}})
    await remove(store, DB, epoch)
    with pytest.raises(UserError) as caught:
        await store.seal_inbox(entry.resource.uid, seal, epoch=epoch)
    assert caught.value.code == "RESOURCE_NOT_FOUND"


async def test_a_dry_run_leaves_nothing(shared: Shared, store: Store, epoch: int) -> None:
    if shared.fake is None:
        await store.apply(Manifest(DB, {"data": {"A": "one"}}), source="sql", dry_run=True)
        assert await inbox(shared) == []


async def test_housekeeping_empties_what_no_row_means(
    shared: Shared, store: Store, epoch: int
) -> None:
    """A write that was given up (ON CONFLICT DO NOTHING) leaves its value behind."""
    await write(store, {"data": {"A": "one"}})
    if shared.fake is None:
        connection = await asyncpg.connect(shared.url)
        try:
            await connection.execute(
                "INSERT INTO skyctl.resources (kind, organization, name, spec)"
                " VALUES ('Secret', 'acme', 'db', '{\"data\": {\"A\": \"left\"}}')"
                " ON CONFLICT DO NOTHING"
            )
        finally:
            await connection.close()
        assert await inbox(shared) == ["left", "one"]
    await store.housekeeping(epoch=epoch)
    assert await inbox(shared) == ["one"]


async def test_the_key_that_values_are_sealed_for(store: Store, epoch: int) -> None:
    assert await store.sealing_key() is None
    assert not await store.anything_sealed()
    assert await store.bind_sealing_key(FIRST) == FIRST
    assert await store.sealing_key() == FIRST
    assert await store.bind_sealing_key(SECOND) == SECOND  # nothing was lost by it
    await put(store, DB, {"sealedData": {"A": box("a")}})
    assert await store.anything_sealed()
    assert await store.bind_sealing_key(FIRST) == SECOND
    assert await store.bind_sealing_key(FIRST, adopt=True) == FIRST
    assert await store.sealing_key() == FIRST
