"""When keys are made, when not, and what of a Secret stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.sealing import Vault
from resources.errors import UserError
from resources.meta import Entry, Key, Manifest
from resources.sealed import Sealed
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.store import FakeStore

DB = Key("Secret", "acme", "db")


class Bank:
    """A store, its keyring, and the vault of a controller that leads."""

    def __init__(self, *seeds: int) -> None:
        self.store = FakeStore()
        self.keyring = MemoryKeyring(*seeds)
        self.vault = Vault(self.store, self.keyring)

    async def restarted(self) -> Vault:
        self.vault = Vault(self.store, self.keyring)
        await self.vault.prepare()
        return self.vault

    async def write(self, **data: str) -> Entry:
        """Through YAML or HTTP."""
        before = await self.store.entry(DB)
        manifest = await self.vault.sealed(
            Manifest(DB, {"data": data}), before.resource if before else None
        )
        await self.store.apply(manifest, source="api")
        entry = await self.store.entry(DB)
        assert entry is not None
        return entry

    def value(self, entry: Entry, key: str) -> str:
        return self.vault.open(Sealed("acme", "db", key, entry.resource.spec["sealedData"][key]))


async def bank(*seeds: int) -> Bank:
    made = Bank(*seeds)
    await made.vault.prepare()
    return made


async def test_the_first_leader_makes_the_key() -> None:
    found = await bank()
    assert found.keyring.made == 1
    bound = await found.store.sealing_key()
    assert bound is not None
    assert found.vault.keys == {bound.id}
    await found.restarted()
    assert found.keyring.made == 1


async def test_a_key_that_is_there_is_taken() -> None:
    found = await bank(7)
    assert found.keyring.made == 0
    assert found.vault.problem is None
    assert (await found.vault.sealing_key()).id == found.keyring.keys[0].id


async def test_no_new_key_where_values_are_sealed() -> None:
    found = await bank()
    await found.write(PASSWORD="hush")
    bound = await found.store.sealing_key()
    found.keyring.lose()
    vault = await found.restarted()
    assert found.keyring.made == 1
    assert vault.problem is not None
    assert vault.problem.code == "SECRET_KEY_MISSING"
    assert any("bring the key file back" in s for s in vault.problem.suggestions)
    assert await found.store.sealing_key() == bound


async def test_a_lost_key_is_replaced_where_nothing_is_sealed() -> None:
    found = await bank()
    found.keyring.lose()
    vault = await found.restarted()
    assert found.keyring.made == 2
    assert vault.problem is None
    assert await found.store.sealing_key() == found.keyring.keys[0].public


async def test_another_key_only_on_a_persons_word() -> None:
    found = await bank()
    entry = await found.write(PASSWORD="hush")
    found.keyring.lose()
    vault = await found.restarted()
    await vault.renew()
    assert vault.problem is None
    assert set(vault.unreadable(entry)) == {"PASSWORD"}
    entry = await found.write(PASSWORD="hush again")
    assert not vault.unreadable(entry)
    assert found.value(entry, "PASSWORD") == "hush again"


async def test_a_key_file_that_comes_back_is_used() -> None:
    found = await bank()
    entry = await found.write(PASSWORD="hush")
    kept = list(found.keyring.keys)
    found.keyring.lose()
    vault = await found.restarted()
    assert vault.unreadable(entry)
    assert not vault.refresh()
    found.keyring.keys[:] = kept
    assert vault.refresh()
    assert vault.problem is None
    assert not vault.unreadable(entry)


async def test_a_key_file_that_goes_cuts_nobody_off() -> None:
    found = await bank()
    entry = await found.write(PASSWORD="hush")
    found.keyring.lose()
    assert not found.vault.refresh()
    assert found.vault.problem is not None
    assert found.value(entry, "PASSWORD") == "hush"


async def test_plain_values_are_sealed_and_gone() -> None:
    found = await bank()
    entry = await found.write(PASSWORD="hush", USER="app")
    assert set(entry.resource.spec) == {"sealedData"}
    assert "hush" not in repr(found.store.database.__dict__)
    assert found.value(entry, "PASSWORD") == "hush"
    assert found.value(entry, "USER") == "app"


async def test_the_same_value_stays_as_it_is_sealed() -> None:
    found = await bank()
    first = await found.write(PASSWORD="hush", USER="app")
    again = await found.write(PASSWORD="hush", USER="app")
    assert again.resource == first.resource
    other = await found.write(PASSWORD="other", USER="app")
    before, after = first.resource.spec["sealedData"], other.resource.spec["sealedData"]
    assert after["USER"] == before["USER"]
    assert after["PASSWORD"] != before["PASSWORD"]
    less = await found.write(USER="app")
    assert set(less.resource.spec["sealedData"]) == {"USER"}


async def test_sealed_and_plain_together() -> None:
    found = await bank()
    entry = await found.write(A="1")
    spec = {"sealedData": dict(entry.resource.spec["sealedData"]), "data": {"B": "2"}}
    manifest = await found.vault.sealed(Manifest(DB, spec), entry.resource)
    assert set(manifest.spec) == {"sealedData"}
    assert set(manifest.spec["sealedData"]) == {"A", "B"}


@pytest.mark.parametrize(
    "spec",
    [
        {"data": {"PASSWORD": 4711}},
        {"data": "hush"},
        {"stringData": {"PASSWORD": "hush"}},
        {"sealedData": {"PASSWORD": "hush"}},
        {"data": {"PASS WORD": "hush"}},
    ],
)
async def test_what_is_not_valid_is_refused_and_not_quoted(spec: dict[str, Any]) -> None:
    found = await bank()
    with pytest.raises(UserError) as caught:
        await found.vault.sealed(Manifest(DB, spec), None)
    assert caught.value.code == "CONFIGURATION_INVALID_SPEC"
    assert "hush" not in repr(caught.value.to_dict())
    assert "4711" not in repr(caught.value.to_dict())


async def test_nothing_is_sealed_before_there_is_a_key() -> None:
    found = Bank()
    with pytest.raises(UserError) as caught:
        await found.write(PASSWORD="hush")
    assert caught.value.code == "SECRET_KEY_MISSING"
    assert caught.value.retryable


async def test_faults_name_their_place() -> None:
    found = await bank()
    entry = await found.write(A="1", B="2", C="3")
    values = dict(entry.resource.spec["sealedData"])
    spec = {"sealedData": {"A": values["A"], "B": values["A"], "C": values["C"][:-8] + "AAAAAAA="}}
    broken = replace(entry, resource=replace(entry.resource, spec=spec))
    faults = found.vault.unreadable(broken)
    assert {key: e.details["pointer"] for key, e in faults.items()} == {
        "B": "/spec/sealedData/B",
        "C": "/spec/sealedData/C",
    }
    assert {e.code for e in faults.values()} == {"SECRET_UNREADABLE"}
