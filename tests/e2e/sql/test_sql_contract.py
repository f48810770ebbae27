"""CONTRACT.md's SQL, line by line, as a login that is a member of ``skyctl_backend``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from controller.store.postgres import PostgresStore
from resources.meta import Key
from resources.store_steps import Accept, Finalize
from tests.databases import PANEL, quick
from tests.e2e.sql.conftest import Site

pytestmark = pytest.mark.postgres

WEB = Key("Service", "acme", "web")
ACME = "INSERT INTO skyctl.resources (kind, name) VALUES ('Organization', 'acme')"
UPSERT = """
INSERT INTO skyctl.resources (kind, organization, name, spec)
  VALUES ('Service', 'acme', 'web', $1)
  ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec
  RETURNING uid, generation
"""
WHERE = " WHERE kind = 'Service' AND organization = 'acme' AND name = 'web'"
DELETE = "DELETE FROM skyctl.resources" + WHERE
REPLICAS = "UPDATE skyctl.resources SET spec = jsonb_set(spec, '{replicas}', '3')" + WHERE


async def refused(panel: Any, sql: str, *values: object) -> asyncpg.PostgresError:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await panel.execute(sql, *values)
    return caught.value


async def row(panel: Any) -> Any:
    return await panel.fetchrow("SELECT * FROM skyctl.resources" + WHERE)


async def view(panel: Any) -> Any:
    return await panel.fetchrow("SELECT * FROM skyctl.resource_view" + WHERE)


async def finalize(store: PostgresStore, uid: str, epoch: int) -> None:
    await store.record(uid, [Finalize(cause="test")], epoch=epoch)


async def test_the_four_statements(site: Site, panel: Any, epoch: int) -> None:
    created = await panel.fetchrow(UPSERT, {"image": "nginx:1.27"})
    assert created["generation"] == 1
    again = await panel.fetchrow(UPSERT, {"image": "nginx:1.28"})
    assert (again["uid"], again["generation"]) == (created["uid"], 2)
    assert await panel.execute(REPLICAS) == "UPDATE 1"
    assert (await row(panel))["spec"] == {"image": "nginx:1.28", "replicas": 3}
    assert await panel.execute(DELETE) == "DELETE 1"
    assert await panel.execute(DELETE) == "DELETE 1"
    assert (await row(panel))["deletion_requested_at"] is not None
    await finalize(site.store, created["uid"], epoch)
    assert await panel.execute(DELETE) == "DELETE 0"
    seen = await panel.fetchrow(UPSERT, {"image": "nginx:1.27"})
    assert seen["generation"] == 1
    assert seen["uid"] != created["uid"]


async def test_columns_of_resources(panel: Any) -> None:
    await panel.execute(
        "INSERT INTO skyctl.resources (kind, organization, name, labels, annotations, spec,"
        " created_by) VALUES ('Service', 'acme', 'web', $1, $2, $3, 'user:1')",
        {"a": "b"},
        {"c": "d"},
        {"image": "x"},
    )
    found = dict(await row(panel))
    assert (found["labels"], found["annotations"]) == ({"a": "b"}, {"c": "d"})
    assert (found["source"], found["owner"], found["created_by"]) == ("sql", None, "user:1")
    assert (found["api_version"], found["finalizers"]) == ("skypanel.io/v1", [])
    assert found["created_at"] == found["updated_at"]
    await panel.execute(ACME)
    assert (
        await panel.fetchval("SELECT organization FROM skyctl.resources WHERE name = 'acme'") == ""
    )


async def test_pending_deletion_refuses_with_55006_and_a_hint(panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"image": "a"})
    await panel.execute(DELETE)
    for sql, values in (
        (UPSERT, ({"image": "b"},)),
        (UPSERT, ({"image": "a"},)),
        (REPLICAS, ()),
        ("INSERT INTO skyctl.resources (kind, organization, name, spec)"
         " VALUES ('Service', 'acme', 'web', '{}') ON CONFLICT DO NOTHING", ()),
    ):  # fmt: skip
        error = await refused(panel, sql, *values)
        assert (error.sqlstate, error.hint) == (
            "55006",
            "wait until its row is gone, then insert it again",
        )
    note = """UPDATE skyctl.resources SET annotations = '{"skypanel.io/paused": "x"}'""" + WHERE
    assert await panel.execute(note) == "UPDATE 1"


async def test_truncate_is_refused(site: Site, panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"image": "a"})
    await refused(panel, "TRUNCATE skyctl.resources")
    await refused(panel, "TRUNCATE skyctl.resource_rows CASCADE")
    for table in ("resource_rows CASCADE", "revisions", "retained_volumes"):
        error = await refused(site.admin, f"TRUNCATE skyctl.{table}")
        assert error.sqlstate == "55000"
    assert await row(panel) is not None
    error = await refused(site.admin, "DELETE FROM skyctl.resource_rows")
    assert error.sqlstate == "55000"


async def test_protection(panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"image": "a"})
    await panel.execute(
        """UPDATE skyctl.resources SET annotations = '{"skypanel.io/protect": "yes"}'""" + WHERE
    )
    error = await refused(panel, DELETE)
    assert error.sqlstate == "55000"
    assert error.hint == (
        "remove its annotation skypanel.io/protect first: null in a manifest,"
        " annotations - 'skypanel.io/protect' in SQL"
    )
    without = """annotations || '{"skypanel.io/protect": null}'"""
    await panel.execute(f"UPDATE skyctl.resources SET annotations = {without}{WHERE}")
    assert (await row(panel))["annotations"] == {}
    assert await panel.execute(DELETE) == "DELETE 1"


async def test_resource_view_says_what_is_known(site: Site, panel: Any, epoch: int) -> None:
    uid = (await panel.fetchrow(UPSERT, {"image": "a"}))["uid"]
    await _status(site, uid, 1, "True", epoch)
    silent = await view(panel)
    assert (silent["phase"], silent["ready"], silent["settled"]) == ("Unknown", False, False)
    assert silent["reason"] == "ControllerSilent"
    await _heartbeat(site, epoch)
    seen = await view(panel)
    assert (seen["phase"], seen["ready"], seen["settled"]) == ("Running", True, True)
    assert (seen["reason"], seen["message"]) == ("AllReady", "2 of 2 replicas run")
    assert (seen["observed_generation"], seen["spec"]) == (1, {"image": "a"})
    await panel.execute(REPLICAS)
    behind = await view(panel)
    assert (behind["phase"], behind["ready"], behind["settled"]) == ("Running", False, False)
    await _status(site, uid, 2, "True", epoch, reconciling="True")
    assert (await view(panel))["settled"] is False
    await _status(site, uid, 2, "False", epoch)
    failed = await view(panel)
    assert (failed["ready"], failed["settled"]) == (False, True)
    await panel.execute(DELETE)
    assert (await view(panel))["settled"] is False
    await site.admin.execute(
        "UPDATE skyctl.controllers SET heartbeat_at = now() - interval '31 seconds'"
    )
    assert (await view(panel))["phase"] == "Unknown"


async def _status(
    site: Site, uid: str, generation: int, ready: str, epoch: int, reconciling: str = "False"
) -> None:
    status = {
        "phase": "Running",
        "message": "2 of 2 replicas run",
        "conditions": [
            {"type": "Ready", "status": ready, "reason": "AllReady"},
            {"type": "Reconciling", "status": reconciling, "reason": "x"},
        ],
    }
    assert await site.store.write_status(uid, generation, status, epoch=epoch)


async def _heartbeat(site: Site, epoch: int) -> None:
    await site.store.heartbeat(
        process="p", version="1", leader=True, epoch=epoch, engine_state="connected",
        engine_version="20",
    )  # fmt: skip


async def test_a_new_row_is_pending(site: Site, panel: Any, epoch: int) -> None:
    await _heartbeat(site, epoch)
    await panel.fetchrow(UPSERT, {"image": "a"})
    found = await view(panel)
    assert (found["phase"], found["ready"], found["settled"]) == ("Pending", False, False)


async def test_ownership_by_source(site: Site, panel: Any) -> None:
    uid = (
        await site.admin.fetchval("SELECT set_config('skyctl.source', 'manifest:prod', false)")
        and (await site.admin.fetchrow(UPSERT, {"image": "a"}))["uid"]
    )
    assert (await row(panel))["source"] == "manifest:prod"
    for sql, values in ((UPSERT, ({"image": "b"},)), (REPLICAS, ()), (DELETE, ())):
        error = await refused(panel, sql, *values)
        assert error.sqlstate == "55000"
        assert "skyctl adopt service/web --org acme --source sql" in error.hint
        assert "manifest:prod" in str(error)
    assert await panel.execute("UPDATE skyctl.resources SET labels = $1" + WHERE, {"a": "b"})
    await panel.fetchrow(UPSERT, {"image": "a"})  # changes nothing
    await site.store.adopt(WEB, source="sql")
    assert (await panel.fetchrow(UPSERT, {"image": "b"}))["generation"] == 2
    assert uid == (await row(panel))["uid"]


async def test_the_actor_is_recorded(site: Site, panel: Any) -> None:
    uid = (await panel.fetchrow(UPSERT, {"image": "a"}))["uid"]
    async with panel.transaction():
        await panel.execute("SET LOCAL skyctl.actor = 'user:42'")
        await panel.execute(REPLICAS)
    async with panel.transaction():
        await panel.execute("SET LOCAL skyctl.actor = 'user:43'")
        await panel.execute(DELETE)
    by = await panel.fetch(
        "SELECT by FROM skyctl.revisions WHERE uid = $1 ORDER BY generation", uid
    )
    assert [r["by"] for r in by] == [PANEL, "user:42"]
    event = await panel.fetchrow("SELECT * FROM skyctl.events WHERE uid = $1", uid)
    assert (event["reason"], event["message"]) == (
        "DeletionRequested",
        "deletion requested by user:43",
    )
    assert (event["type"], event["count"], event["name"]) == ("Normal", 1, "web")


async def test_revisions_and_acceptance_are_readable(site: Site, panel: Any, epoch: int) -> None:
    uid = (await panel.fetchrow(UPSERT, {"image": "a"}))["uid"]
    await panel.execute(REPLICAS)
    await panel.execute("UPDATE skyctl.resources SET labels = '{}'" + WHERE)
    await site.store.record(uid, [Accept(cause="t", generation=1)], epoch=epoch)
    found = await panel.fetch(
        "SELECT generation, spec, accepted FROM skyctl.revisions ORDER BY generation"
    )
    assert [tuple(r) for r in found] == [
        (1, {"image": "a"}, True),
        (2, {"image": "a", "replicas": 3}, False),
    ]


async def test_channels(site: Site, panel: Any, epoch: int) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    listener = await site.connect(PANEL, "panel")

    def hear(_: Any, __: int, channel: str, payload: str) -> None:
        heard.put_nowait((channel, payload))

    for channel in ("skyctl_resources", "skyctl_status"):
        await listener.add_listener(channel, hear)
    await panel.execute(ACME)
    uid = (await panel.fetchrow(UPSERT, {"image": "a"}))["uid"]
    await panel.fetchrow(UPSERT, {"image": "a"})  # no change, no news
    assert await site.store.write_status(uid, 1, {"phase": "Running"}, epoch=epoch)
    assert not await site.store.write_status(uid, 1, {"phase": "Running"}, epoch=epoch)
    await site.store.record(uid, [Accept(cause="t", generation=1)], epoch=epoch)
    await panel.execute(DELETE)
    await finalize(site.store, uid, epoch)
    await panel.execute("SELECT pg_notify('skyctl_status', 'end')")
    expected = [
        ("skyctl_resources", "Organization//acme"),
        ("skyctl_resources", "Service/acme/web"),
        ("skyctl_status", "Service/acme/web"),
        ("skyctl_resources", "Service/acme/web"),
        ("skyctl_resources", "Service/acme/web"),
        ("skyctl_status", "end"),
    ]
    async with asyncio.timeout(10):
        assert [await heard.get() for _ in expected] == expected
    listener.terminate()


async def test_no_foreign_key_leaves_the_schema(site: Site) -> None:
    foreign = await site.admin.fetchval(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
        " AND (connamespace = 'skyctl'::regnamespace"
        "      AND (SELECT relnamespace FROM pg_class WHERE oid = confrelid)"
        "          <> 'skyctl'::regnamespace)"
    )
    assert foreign == 0


WRONG = {
    "unknown kind": ("('Servce', 'acme', 'web', '{}')", "there is no kind 'Servce'"),
    "name": ("('Service', 'acme', 'My_Web', '{}')", "name 'My_Web' is not a DNS label"),
    "newline": ("('Service', 'acme', E'web\\n', '{}')", "is not a DNS label"),
    "no name": ("('Service', 'acme', NULL, '{}')", "name NULL is not a DNS label"),
    "organization": ("('Service', 'a.b', 'web', '{}')", "organization 'a.b' is not a DNS label"),
    "without": ("('Service', '', 'web', '{}')", "a Service needs an organization"),
    "null": ("('Service', NULL, 'web', '{}')", "a Service needs an organization"),
    "with": ("('Template', 'acme', 'web', '{}')", "a Template belongs to no organization"),
    "array": ("('Service', 'acme', 'web', '[]')", "spec must be a JSON object, not array"),
    "sql null": ("('Service', 'acme', 'web', NULL)", "spec must be a JSON object, not NULL"),
    "json null": ("('Service', 'acme', 'web', 'null')", "spec must be a JSON object, not null"),
    "secret": ("""('Secret', 'acme', 'web', '{"password": "x"}')""", "no other fields than data"),
    "unsealed": (
        """('Secret', 'acme', 'web', '{"sealedData": {"A": "x"}}')""",
        "has a value that is not sealed",
    ),
    "no text": ("""('Secret', 'acme', 'web', '{"data": {"A": 1}}')""", "strings as values"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_input_is_told_what_is_wrong(panel: Any, case: str) -> None:
    values, message = WRONG[case]
    sql = f"INSERT INTO skyctl.resources (kind, organization, name, spec) VALUES {values}"
    error = await refused(panel, sql)
    assert message in str(error)
    assert error.hint
    assert await panel.fetchval("SELECT count(*) FROM skyctl.resources") == 0


async def test_labels_and_annotations_are_texts(panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"image": "a"})
    for column in ("labels", "annotations"):
        for value in ({"a": 1}, {"a": ["b"]}, ["a"], "a", {"a": "x" * 70000}):
            error = await refused(
                panel, f"UPDATE skyctl.resources SET {column} = $1" + WHERE, value
            )
            assert (error.sqlstate, column in str(error)) == ("22023", True)
        assert await panel.execute(f"UPDATE skyctl.resources SET {column} = NULL" + WHERE)
        assert (await row(panel))[column] == {}


async def test_one_unreadable_spec_hides_no_other(site: Site, panel: Any) -> None:
    """jsonb holds numbers that no float can."""
    await panel.fetchrow(UPSERT, {"image": "a"})
    huge = json.dumps({"replicas": 7}).replace("7", "1" + "0" * 5000)
    await panel.execute(
        "INSERT INTO skyctl.resources (kind, organization, name, spec)"
        f" VALUES ('Service', 'acme', 'huge', '{huge}')"
    )
    entries = {e.key.name: e.resource.spec for e in await site.store.entries()}
    assert entries == {"web": {"image": "a"}, "huge": {"replicas": float("inf")}}


async def test_organization_deletion_and_a_concurrent_insert(site: Site, panel: Any) -> None:
    """An insert under way when the organization goes is seen by its deletion, or refused."""
    await panel.execute(ACME)
    other = await site.connect(PANEL, "panel")
    transaction = other.transaction()
    await transaction.start()
    await other.fetchrow(UPSERT, {"image": "a"})
    deleting = asyncio.create_task(
        panel.execute("DELETE FROM skyctl.resources WHERE kind = 'Organization'")
    )
    done, _ = await asyncio.wait({deleting}, timeout=0.3)
    assert not done  # it waits for the insert
    await transaction.commit()
    async with asyncio.timeout(10):
        assert await deleting == "DELETE 1"
    error = await refused(
        other,
        "INSERT INTO skyctl.resources (kind, organization, name) VALUES ('Volume', 'acme', 'v')",
    )
    assert error.sqlstate == "55006"
    other.terminate()


async def test_updated_at_never_goes_back(site: Site, panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"image": "a"})
    other = await site.connect(PANEL, "panel")
    early = other.transaction()
    await early.start()
    await other.fetchval("SELECT now()")
    await panel.execute(REPLICAS)
    between = (await row(panel))["updated_at"]
    await other.execute("UPDATE skyctl.resources SET labels = $1" + WHERE, {"a": "b"})
    await early.commit()
    assert (await row(panel))["updated_at"] > between
    other.terminate()


async def test_ten_thousand_rows_are_read_quickly(site: Site) -> None:
    await site.admin.execute(
        "INSERT INTO skyctl.resources (kind, organization, name, spec)"
        " SELECT 'Service', 'o' || n / 10, 's' || n, jsonb_build_object('image', 'nginx:1.27')"
        " FROM generate_series(1, 10000) AS n"
    )
    loop = asyncio.get_running_loop()
    best = quick().store_timeout
    for _ in range(3):
        started = loop.time()
        assert len(await site.store.entries()) == 10_000
        best = min(best, loop.time() - started)
    assert best < 2.0  # about 0.4 s on a quiet machine
