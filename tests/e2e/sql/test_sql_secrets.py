"""Plain values by the backend's SQL: they pass, and nobody of its role sees them again."""

from __future__ import annotations

import json
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.e2e.sql.conftest import Site

pytestmark = pytest.mark.postgres

UPSERT = (
    "INSERT INTO skyctl.resources (kind, organization, name, spec)"
    " VALUES ('Secret', 'acme', 'db', $1)"
    " ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec"
    " RETURNING uid, generation, spec"
)
READABLE = ("resources", "resource_view", "revisions", "events", "resource_status")
HUSH = "hush-hush-hush"


async def seen(panel: Any) -> str:
    """All that the backend may read."""
    tables = [await panel.fetch(f"SELECT * FROM skyctl.{table}") for table in READABLE]
    return json.dumps([[dict(row) for row in rows] for rows in tables], default=str)


async def inbox(site: Site) -> list[tuple[str, str]]:
    rows = await site.admin.fetch("SELECT key, value FROM skyctl.secret_inbox ORDER BY key, value")
    return [(row["key"], row["value"]) for row in rows]


async def denied(panel: Any, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await panel.fetch(sql)


async def test_it_passes_through_and_is_not_seen_again(site: Site, panel: Any) -> None:
    for value in (HUSH, HUSH + "-again"):
        row = await panel.fetchrow(UPSERT, {"data": {"PASSWORD": value}})
        assert HUSH not in str(row["spec"])
        assert HUSH not in await seen(panel)
    assert await inbox(site) == [("PASSWORD", HUSH + "-again")]
    for sql in (
        "SELECT * FROM skyctl.secret_inbox",
        "SELECT count(*) FROM skyctl.secret_inbox",
        "SELECT 1 FROM skyctl.secret_inbox WHERE value LIKE 'hush%'",
        "TABLE skyctl.secret_inbox",
    ):
        await denied(panel, sql)


async def test_a_value_may_be_changed_by_its_path(site: Site, panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"data": {"A": "a", "B": "b"}})
    await panel.execute(
        "UPDATE skyctl.resources SET spec = jsonb_set(spec, '{data}', $1)"
        " WHERE kind = 'Secret' AND name = 'db'",
        {"B": "b2"},
    )
    assert await inbox(site) == [("A", "a"), ("B", "b2")]
    spec = await panel.fetchval("SELECT spec FROM skyctl.resources WHERE name = 'db'")
    assert set(spec["sealedData"]) == {"A", "B"}


async def test_several_secrets_in_one_statement(site: Site, panel: Any) -> None:
    await panel.execute(
        "INSERT INTO skyctl.resources (kind, organization, name, spec)"
        " SELECT 'Secret', 'acme', 's' || n,"
        " jsonb_build_object('data', jsonb_build_object('K', n::text))"
        " FROM generate_series(1, 50) AS n"
    )
    assert len(await inbox(site)) == 50


@pytest.mark.parametrize(
    "spec",
    [
        {"data": {"A": 1}},
        {"data": ["a"]},
        {"data": None},
        {"data": {"A": "a"}, "sealedData": "b"},
        {"data": {"A": "a"}, "more": "b"},
        {"data": {"A/B": "a"}},
        {"sealedData": {"A": HUSH}},
        {"sealedData": {"A": [HUSH]}},
        {"sealedData": [HUSH]},
        {"password": HUSH},
    ],
)
async def test_what_could_be_a_value_in_a_wrong_place_is_refused(
    site: Site, panel: Any, spec: dict[str, Any]
) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await panel.fetchrow(UPSERT, spec)
    assert caught.value.sqlstate == "22023"
    assert caught.value.hint
    assert HUSH not in repr(caught.value.as_dict())
    assert await inbox(site) == []


async def test_a_refused_write_leaves_nothing(site: Site, panel: Any) -> None:
    await site.admin.execute("SET skyctl.source = 'manifest:prod'")
    await site.admin.fetchrow(UPSERT, {"sealedData": {}})
    with pytest.raises(asyncpg.PostgresError) as caught:
        await panel.fetchrow(UPSERT, {"data": {"A": HUSH}})
    assert caught.value.sqlstate == "55000"
    assert await inbox(site) == []


async def test_what_is_given_up_leaves_only_what_nobody_may_read(site: Site, panel: Any) -> None:
    await panel.fetchrow(UPSERT, {"data": {"A": "first"}})
    nothing = UPSERT.split(" ON CONFLICT")[0] + " ON CONFLICT DO NOTHING"
    assert await panel.execute(nothing, {"data": {"A": "second"}}) == "INSERT 0 0"
    assert await inbox(site) == [("A", "first"), ("A", "second")]
    await panel.fetchrow(UPSERT, {"data": {"A": "third"}})
    assert await inbox(site) == [("A", "third")]


async def test_a_row_of_another_kind_keeps_its_data(site: Site, panel: Any) -> None:
    await panel.execute(
        "INSERT INTO skyctl.resources (kind, organization, name, spec)"
        " VALUES ('Service', 'acme', 'web', '{\"data\": {\"A\": \"a\"}}')"
    )
    assert await inbox(site) == []
    spec = await panel.fetchval("SELECT spec FROM skyctl.resources WHERE name = 'web'")
    assert spec == {"data": {"A": "a"}}
