"""Installing and migrating: by whom, beside what, and twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from controller.store.base import Event
from controller.store.postgres import open_store, schema_sql
from controller.store.postgres.migrations import REPEATED, schema_files
from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.store_steps import Accept, BeginRollout, EndRollout, Finalize, RecordPreDeploy
from tests.databases import TestServer, postgres_server, quick

pytestmark = pytest.mark.postgres
WEB = Key("Service", "acme", "web")

# The panel's tables, and those that its migrations drop (research of its history).
PANEL_TABLES = ("users", "organizations", "wallets", "activity_logs", "schema_migrations")
DROPPED = (
    "container_services", "container_projects", "container_plans", "container_subscriptions",
    "container_billing_cycles", "caas_config", "caas_templates", "caas_deployments",
    "paas_apps", "paas_deployments", "paas_domains",
)  # fmt: skip
EVERYTHING_ELSE = """
SELECT 'relation', n.nspname || '.' || c.relname, c.relowner::text, c.relacl::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('skyctl', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_%temp%'
UNION ALL SELECT 'function', oid::regprocedure::text, proowner::text, proacl::text
  FROM pg_proc WHERE pronamespace <> 'skyctl'::regnamespace
UNION ALL SELECT 'trigger', t.tgname || ' on ' || c.relname, '', '' FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace <> 'skyctl'::regnamespace
UNION ALL SELECT 'schema', nspname, nspowner::text, nspacl::text
  FROM pg_namespace WHERE nspname <> 'skyctl' AND nspname NOT LIKE 'pg\\_%temp%'
ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[TestServer]:
    """A server that has never heard of us: no roles, no template."""
    with postgres_server(prepared=False) as server:
        yield server


@pytest.fixture
async def admin(bare: TestServer) -> AsyncIterator[Any]:
    """On an empty database; the roles are removed afterwards."""
    name = await bare.database("template1")
    connection = await asyncpg.connect(bare.url(name))
    yield connection
    await connection.close()
    await bare.drop(name)
    cleaner = await asyncpg.connect(bare.url("postgres"))
    for role in ("skyctl_owner", "skyctl_controller", "skyctl_backend", "plain"):
        await cleaner.execute(f"DROP ROLE IF EXISTS {role}")
    await cleaner.close()


async def login(admin: Any, bare: TestServer, *grants: str, attributes: str = "") -> str:
    """The URL of a new login ``plain`` on the admin's database."""
    database = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"CREATE ROLE plain LOGIN PASSWORD 'x' {attributes}")
    for grant in grants:
        await admin.execute(grant.format(database=database))
    return bare.url(database, "plain", "x")


async def here(admin: Any, bare: TestServer) -> str:
    return bare.url(await admin.fetchval("SELECT current_database()"))


async def refused(url: str) -> UserError:
    with pytest.raises(UserError) as caught:
        await open_store(quick(), url)
    return caught.value


async def test_every_file_may_run_again(admin: Any) -> None:
    for _ in range(2):
        for file in schema_files():
            await admin.execute(file.sql)


async def test_the_printed_schema_is_current(admin: Any, bare: TestServer) -> None:
    for _ in range(2):
        await admin.execute(schema_sql())
    versions = "SELECT version, applied_at FROM skyctl.schema_versions ORDER BY version"
    before = await admin.fetch(versions)
    assert [r["version"] for r in before] == [f.version for f in schema_files()]
    store = await open_store(quick(), await here(admin, bare))
    await store.close()
    assert await admin.fetch(versions) == before


async def test_psql_runs_it_and_stops_at_an_error(admin: Any, bare: TestServer) -> None:
    url = await here(admin, bare)
    psql = str(bare.cluster.programs.bin / "psql")

    async def run(sql: str) -> str:
        process = await asyncio.create_subprocess_exec(
            psql, "-X", "-q", url, stdin=-1, stdout=-1, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate(sql.encode())
        return output.decode()

    broken = schema_sql().replace("CREATE OR REPLACE VIEW skyctl.resources", "CREATE OOPS")
    assert "syntax error" in await run(broken)
    assert await admin.fetchval("SELECT to_regnamespace('skyctl')") is None
    assert "ERROR" not in await run(schema_sql())
    assert await admin.fetchval("SELECT count(*) FROM skyctl.resources") == 0


async def test_two_controllers_start_on_an_empty_database(admin: Any, bare: TestServer) -> None:
    url = await here(admin, bare)
    stores = await asyncio.gather(*(open_store(quick(), url) for _ in range(4)))
    assert len({await store.instance() for store in stores}) == 1
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused(admin: Any, bare: TestServer) -> None:
    await admin.execute(schema_sql())
    await admin.execute(
        "INSERT INTO skyctl.schema_versions (version, name, checksum) VALUES (899, 'x', 'x')"
    )
    error = await refused(await here(admin, bare))
    assert error.code == "CONFIGURATION_SCHEMA_NEWER"
    assert error.suggestions


async def test_an_older_schema_is_brought_up_to_date(admin: Any, bare: TestServer) -> None:
    first = schema_files()[:2]
    for file in first:
        await admin.execute(file.sql + file.recorded)
    store = await open_store(quick(), await here(admin, bare))
    assert await store.entries() == []
    await store.close()
    applied = await admin.fetch("SELECT version FROM skyctl.schema_versions ORDER BY version")
    assert applied[-1]["version"] == REPEATED


async def test_without_the_right_to_make_roles(admin: Any, bare: TestServer) -> None:
    """It runs; an administrator makes the roles later, and everything moves over."""
    url = await login(admin, bare, "GRANT CREATE ON DATABASE {database} TO plain")
    store = await open_store(quick(), url)
    await store.apply(Manifest(WEB, {"image": "a"}), source="manifest:prod")
    entry = await store.entry(WEB)
    assert entry
    assert entry.resource.source == "manifest:prod"
    assert await admin.fetchval("SELECT to_regrole('skyctl_owner')") is None
    await admin.execute(schema_sql())
    owners = await admin.fetch(
        "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class"
        " WHERE relnamespace = 'skyctl'::regnamespace AND relkind IN ('r', 'v')"
    )
    assert [r["owner"] for r in owners] == ["skyctl_owner"]
    await store.close()
    error = await refused(url)  # no longer the owner, and not a member yet
    assert error.code == "CONFIGURATION_SCHEMA_ACCESS"
    assert "GRANT skyctl_controller" in error.suggestions[0]
    await admin.execute("GRANT skyctl_controller TO plain")
    store = await open_store(quick(), url)
    assert len(await store.entries()) == 1
    await store.close()


async def test_without_any_right(admin: Any, bare: TestServer) -> None:
    error = await refused(await login(admin, bare))
    assert error.code == "CONFIGURATION_SCHEMA_ACCESS"
    assert "skyctl schema sql" in error.suggestions[0]


async def test_with_the_right_to_make_roles(admin: Any, bare: TestServer) -> None:
    url = await login(
        admin, bare, "GRANT CREATE ON DATABASE {database} TO plain", attributes="CREATEROLE"
    )
    for _ in range(2):
        store = await open_store(quick(), url)
        await store.apply(Manifest(WEB, {"image": "a"}), source="api")
        await store.close()
    granted = "SELECT has_table_privilege('skyctl_backend', 'skyctl.resources', 'SELECT')"
    assert await admin.fetchval(granted)


async def test_a_controller_needs_no_more_than_its_role(admin: Any, bare: TestServer) -> None:
    await admin.execute(schema_sql())
    url = await login(admin, bare, "GRANT skyctl_controller TO plain")
    store = await open_store(quick(), url)
    lease = store.leadership("p")
    epoch = await lease.acquire()
    async with store.changes() as changes:
        await store.apply(Manifest(WEB, {"image": "a"}), source="manifest:prod")
        assert (await anext(changes)).key == WEB
    (entry,) = await store.entries()
    uid = entry.resource.uid
    await store.record(
        uid,
        [
            Accept(cause="t", generation=1),
            BeginRollout(cause="t", generation=1, revision="v1:a"),
            RecordPreDeploy(cause="t", generation=1, result="succeeded"),
            EndRollout(cause="t", generation=1, outcome="ready"),
        ],
        epoch=epoch,
    )
    assert await store.write_status(uid, 1, {"phase": "Running"}, epoch=epoch)
    await store.emit([Event(uid, WEB, "Normal", "Tested", "x")], epoch=epoch)
    held = await store.hold("engine", ["x"], 1, "f", epoch=epoch)
    await store.decide(held.id, "approved")
    await store.bind_engine("e")
    await store.housekeeping(epoch=epoch)
    await store.annotate(WEB, {"a": "b"})
    await store.adopt(WEB, source="api")
    await store.delete(WEB, source="api")
    await store.record(uid, [Finalize(cause="t")], epoch=epoch)
    assert await store.entries() == []
    await lease.release()
    await store.close()


async def test_nothing_outside_the_schema_is_touched(admin: Any, bare: TestServer) -> None:
    for table in (*PANEL_TABLES, *DROPPED):
        await admin.execute(f"CREATE TABLE {table} (id uuid PRIMARY KEY, organization_id uuid)")
    await admin.execute("CREATE SCHEMA skyctl")  # so that both readings can name it
    before = [tuple(r) for r in await admin.fetch(EVERYTHING_ELSE)]
    await admin.execute("DROP SCHEMA skyctl")
    store = await open_store(quick(), await here(admin, bare))
    await store.apply(Manifest(WEB, {"image": "a"}), source="sql")
    assert [tuple(r) for r in await admin.fetch(EVERYTHING_ELSE)] == before
    for table in DROPPED:
        await admin.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
    for table in PANEL_TABLES:
        await admin.execute(f"TRUNCATE {table} CASCADE")
    (entry,) = await store.entries()
    assert entry.key == WEB
    assert [r.generation for r in await store.revisions(entry.resource.uid)] == [1]
    await store.close()
