"""What the backend may not do, and what it cannot pretend."""

from __future__ import annotations

from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.e2e.sql.conftest import Site

pytestmark = pytest.mark.postgres

INSERT = (
    "INSERT INTO skyctl.resources (kind, organization, name, spec{c})"
    " VALUES ('Service', 'acme', 'web', '{{}}'{v})"
)
FORGED = {
    "uid": "gen_random_uuid()",
    "api_version": "'x'",
    "generation": "99",
    "source": "'api'",
    "owner": "gen_random_uuid()",
    "created_at": "now()",
    "updated_at": "now()",
    "deletion_requested_at": "now()",
    "finalizers": "'{x}'",
}
WRITES = (
    "UPDATE skyctl.resource_status SET status = '{}'",
    "INSERT INTO skyctl.resource_status VALUES (gen_random_uuid(), 1, '{}')",
    "DELETE FROM skyctl.resource_status",
    "INSERT INTO skyctl.resource_rows (kind, name) VALUES ('Organization', 'x')",
    "UPDATE skyctl.resource_rows SET source = 'api'",
    "DELETE FROM skyctl.resource_rows",
    "UPDATE skyctl.resource_view SET phase = 'x'",
    "DELETE FROM skyctl.revisions",
    "UPDATE skyctl.revisions SET accepted = true",
    "DELETE FROM skyctl.rollouts",
    "DELETE FROM skyctl.admissions",
    "DELETE FROM skyctl.events",
    "DELETE FROM skyctl.retained_volumes",
    "DELETE FROM skyctl.volume_records",
    "DELETE FROM skyctl.subnets",
    "UPDATE skyctl.guard_batches SET state = 'approved'",
    "UPDATE skyctl.controllers SET leader = true",
    "UPDATE skyctl.identity SET epoch = 99",
    "INSERT INTO skyctl.sealing_keys (id, public_key) VALUES ('mine', 'mine')",
    "INSERT INTO skyctl.secret_inbox (organization, name, key, value) VALUES ('a', 'b', 'c', 'd')",
    "UPDATE skyctl.secret_inbox SET organization = 'acme'",
    "DELETE FROM skyctl.secret_inbox",
    "SELECT skyctl.bind_sealing_key('mine', 'mine', true)",
    "SELECT skyctl.anything_sealed()",
    "DELETE FROM skyctl.schema_versions",
    "UPDATE skyctl.resources SET kind = 'Volume'",
    "SELECT skyctl.write_status(gen_random_uuid(), 1, '{}', 0)",
    "SELECT skyctl.raise_epoch()",
    "SELECT skyctl.record_event(gen_random_uuid(), 'a', 'b', 'c', 'Normal', 'd', 'e')",
    "CREATE TABLE skyctl.mine (a int)",
    "DROP VIEW skyctl.resources",
    "ALTER TABLE skyctl.resource_rows DISABLE TRIGGER ALL",
    "SET ROLE skyctl_controller",
    "SET ROLE skyctl_owner",
)
READS = (
    "resources",
    "resource_view",
    "resource_status",
    "revisions",
    "rollouts",
    "admissions",
    "events",
    "retained_volumes",
    "controllers",
    "sealing_keys",
    "guard_batches",
)


async def denied(panel: Any, sql: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await panel.execute(sql)
    assert caught.value.sqlstate in ("42501", "55000"), caught.value


async def test_it_reads_everything_that_is_no_secret(panel: Any) -> None:
    for table in READS:
        await panel.fetch(f"SELECT * FROM skyctl.{table}")


@pytest.mark.parametrize("sql", WRITES)
async def test_no_other_write(site: Site, panel: Any, sql: str) -> None:
    await panel.execute(INSERT.format(c="", v=""))
    await denied(panel, sql)
    found = await site.admin.fetchrow("SELECT * FROM skyctl.resources")
    assert (found["source"], found["generation"]) == ("sql", 1)


@pytest.mark.parametrize("column", FORGED)
async def test_no_column_can_be_forged(panel: Any, column: str) -> None:
    value = FORGED[column]
    await denied(panel, INSERT.format(c=f", {column}", v=f", {value}"))
    await panel.execute(INSERT.format(c="", v=""))
    await denied(panel, f"UPDATE skyctl.resources SET {column} = {value}")
    upsert = INSERT.format(c="", v="") + " ON CONFLICT (kind, organization, name) DO UPDATE"
    await denied(panel, f"{upsert} SET {column} = EXCLUDED.{column}")


@pytest.mark.parametrize("column", ["uid", "generation", "created_at", "updated_at"])
async def test_even_the_owner_cannot_forge_what_triggers_keep(site: Site, column: str) -> None:
    await site.admin.execute(INSERT.format(c=f", {column}", v=f", {FORGED[column]}"))
    before = await site.admin.fetchrow("SELECT * FROM skyctl.resources")
    assert (before["generation"], before["source"]) == (1, "sql")
    assert before["created_at"] == before["updated_at"]
    await site.admin.execute(f"UPDATE skyctl.resource_rows SET {column} = {FORGED[column]}")
    after = await site.admin.fetchrow("SELECT * FROM skyctl.resources")
    assert dict(after) == dict(before)


async def test_a_source_cannot_be_pretended(site: Site, panel: Any) -> None:
    for how in ("SET skyctl.source = 'manifest:prod'", "SET skyctl.source = '*'"):
        await panel.execute(how)
        name = f"n{len(how)}"
        await panel.execute(
            "INSERT INTO skyctl.resources (kind, organization, name, spec)"
            f" VALUES ('Service', 'acme', '{name}', '{{}}')"
        )
        source = await panel.fetchval("SELECT source FROM skyctl.resources WHERE name = $1", name)
        assert source == "sql"
    await site.admin.execute("SET skyctl.source = 'manifest:prod'")
    await site.admin.execute(INSERT.format(c="", v=""))
    for sql in (
        "UPDATE skyctl.resources SET spec = '{\"a\": 1}' WHERE name = 'web'",
        "DELETE FROM skyctl.resources WHERE name = 'web'",
    ):
        with pytest.raises(asyncpg.PostgresError) as caught:
            await panel.execute(sql)
        assert caught.value.sqlstate == "55000"


async def test_a_function_of_theirs_does_not_lend_our_rights(site: Site, panel: Any) -> None:
    """session_user counts, whoever's SECURITY DEFINER function they call."""
    await site.admin.execute("SET skyctl.source = 'manifest:prod'")
    await site.admin.execute(INSERT.format(c="", v=""))
    await site.admin.execute(
        "CREATE OR REPLACE FUNCTION public.lend() RETURNS void LANGUAGE sql SECURITY DEFINER"
        " AS $$UPDATE skyctl.resources SET spec = '{\"a\": 1}'$$"
    )
    await panel.execute("SET skyctl.source = 'manifest:prod'")
    with pytest.raises(asyncpg.PostgresError) as caught:
        await panel.execute("SELECT public.lend()")
    assert caught.value.sqlstate == "55000"
    await site.admin.execute("DROP FUNCTION public.lend()")


async def test_as_the_role_itself(site: Site) -> None:
    """SET ROLE from a login that may; and a session that is the role."""
    for become in ("SET ROLE skyctl_backend", "SET SESSION AUTHORIZATION skyctl_backend"):
        connection = await site.connect()
        await connection.execute(become)
        name = become.split()[1].lower()
        await connection.execute(
            "INSERT INTO skyctl.resources (kind, organization, name, spec)"
            f" VALUES ('Service', 'acme', '{name}', '{{}}')"
        )
        await denied(connection, "UPDATE skyctl.resource_status SET status = '{}'")
        assert (
            await connection.execute(f"DELETE FROM skyctl.resources WHERE name = '{name}'")
            == "DELETE 1"
        )
        connection.terminate()


async def test_an_outsider_sees_nothing(site: Site) -> None:
    await site.admin.execute("DROP ROLE IF EXISTS outsider")
    await site.admin.execute("CREATE ROLE outsider LOGIN PASSWORD 'x'")
    outsider = await site.connect("outsider", "x")
    for table in (*READS, "resource_rows", "identity", "subnets"):
        await denied(outsider, f"SELECT * FROM skyctl.{table}")
    outsider.terminate()
    await site.admin.execute("DROP ROLE outsider")
