"""Secrets in a directory: sealed before they are compared, and never stored as they are wrong."""

from __future__ import annotations

from resources.meta import Key
from tests.unit.manifests.directory import Desk, organization, passes, until

DB = Key("Secret", "acme", "db")


def secret(fields: str, organization: str = "acme") -> str:
    return (
        "apiVersion: skypanel.io/v1\nkind: Secret\n"
        f"metadata:\n  name: db\n  organization: {organization}\nspec:\n{fields}"
    )


def plain(value: str) -> str:
    return secret(f"  data:\n    PASSWORD: {value}\n")


async def test_plain_values_are_sealed_once(desk: Desk) -> None:
    desk.write("org.yaml", organization())
    desk.write("db.yaml", plain("hush"))
    async with desk.running() as source:
        await until(lambda: DB in desk.resources)
        first = desk.resources[DB]
        assert set(first.spec) == {"sealedData"}
        writes = desk.operations["apply"]
        await passes(desk, source, 5)
        assert desk.operations["apply"] == writes
        desk.write("db.yaml", plain("other"))
        await until(lambda: desk.resources[DB].generation == 2)
        assert desk.resources[DB].spec != first.spec
        assert source.problems == ()
    assert "hush" not in repr(vars(desk.store.database))


async def test_sealed_ones_are_taken_as_they_are(desk: Desk) -> None:
    text = f"v1:{desk.keyring.keys[0].id}:{'a' * 64}"
    desk.write("db.yaml", secret(f"  sealedData:\n    PASSWORD: {text}\n"))
    async with desk.running():
        await until(lambda: DB in desk.resources)
        assert desk.resources[DB].spec == {"sealedData": {"PASSWORD": text}}


async def test_what_is_wrong_is_not_stored_and_its_row_stays(desk: Desk) -> None:
    desk.write("org.yaml", organization())
    desk.write("db.yaml", plain("good"))
    async with desk.running() as source:
        await until(lambda: DB in desk.resources)
        before = desk.resources[DB]
        for wrong in (
            "  password: hush\n",
            "  sealedData:\n    PASSWORD: hush\n",
            "  data: hush\n",
        ):
            desk.write("db.yaml", secret(wrong))
            await until(lambda: "CONFIGURATION_INVALID_SPEC" in desk.codes(source))
            await passes(desk, source, 3)
            assert desk.resources[DB] == before
            assert len(source.problems) == 1
            assert "hush" not in repr([p.error.to_dict() for p in source.problems])
            desk.write("db.yaml", plain("good"))
            await until(lambda: source.problems == ())
        assert desk.resources[DB] == before


async def test_without_a_key_it_waits(desk: Desk) -> None:
    desk.store.database.sealing_key_id = None
    desk.write("org.yaml", organization())
    desk.write("db.yaml", plain("hush"))
    async with desk.running() as source:
        await until(lambda: "SECRET_KEY_MISSING" in desk.codes(source))
        assert desk.rows == {"acme"}
        desk.store.database.sealing_key_id = desk.keyring.keys[0].id
        await until(lambda: DB in desk.resources)
