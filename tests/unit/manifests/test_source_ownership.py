"""Who owns a row: two files, another source, nobody."""

from __future__ import annotations

from pathlib import Path

from resources.errors import UserError
from resources.meta import Key, Manifest
from tests.unit.manifests.directory import (
    Desk,
    key,
    organization,
    outlast,
    passes,
    service,
    services,
    until,
)


async def test_two_files_that_declare_the_same(desk: Desk) -> None:
    desk.write("a.yaml", service("web"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web"})
        desk.write("b.yaml", "# later\n" + service("web", "nginx:2") + "---\n" + service("db"))
        await until(lambda: "RESOURCE_DECLARED_TWICE" in desk.codes())
        (problem,) = source.problems
        d = desk.directory
        assert f"Service/web of acme is declared twice: {d}/a.yaml:1 and {d}/b.yaml:2" in str(
            problem.error
        )
        await until(lambda: desk.rows == {"web", "db"})
        await outlast(desk, source)
        assert desk.image("web") == "nginx:1"
        events = await desk.store.events(uid=desk.resources[key("web")].uid)
        assert [e.reason for e in events if e.type == "Warning"] == ["DeclaredTwice"]
        (d / "a.yaml").unlink()
        await until(lambda: desk.image("web") == "nginx:2" and source.problems == ())


async def test_a_row_that_another_source_owns(desk: Desk) -> None:
    await desk.store.apply(Manifest(key("web"), {"image": "sql:1"}), source="sql")
    desk.write("web.yaml", services("web", "db"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web", "db"} and desk.codes() != set())
        (problem,) = source.problems
        assert problem.error.code == "RESOURCE_OWNED_ELSEWHERE"
        assert problem.place.endswith("web.yaml:1")
        assert (
            "skyctl adopt service/web --org acme --source manifest:main"
            in problem.error.suggestions[0]
        )
        assert desk.image("web") == "sql:1"
        await passes(desk, source)
        events = await desk.store.events(uid=desk.resources[key("web")].uid)
        assert [(e.reason, e.count) for e in events] == [("OwnedElsewhere", 1)]
        await desk.store.adopt(key("web"), source="manifest:main")
        source.wake()
        await until(lambda: desk.image("web") == "nginx:1" and source.problems == ())


async def test_a_file_never_deletes_what_another_source_owns(desk: Desk) -> None:
    await desk.store.apply(Manifest(key("web"), {"image": "sql:1"}), source="sql")
    path = desk.write("web.yaml", services("web", "db"))
    await desk.source.sync_once()
    path.write_text(service("db"))
    await desk.source.sync_once()
    assert desk.rows == {"web", "db"}


async def test_two_sources_with_the_same_resource(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    desk.write("web.yaml", service("web"))
    (other / "web.yaml").write_text(service("web", "nginx:2"))
    await desk.source.sync_once()
    report = await desk.another("other", other).sync_once()
    assert [p.error.code for p in report.problems] == ["RESOURCE_OWNED_ELSEWHERE"]
    assert desk.image("web") == "nginx:1"


async def test_a_refusal_stops_no_other(desk: Desk) -> None:
    desk.write("all.yaml", services("a", "b", "c"))
    desk.faults["apply"] = UserError("CONFIGURATION_INVALID_SPEC", "no")
    report = await desk.source.sync_once()
    assert len(report.problems) == 3
    del desk.faults["apply"]
    assert len((await desk.source.sync_once()).applied) == 3


async def test_an_organization_goes_last(desk: Desk) -> None:
    desk.write("org.yaml", organization())
    path = desk.write("web.yaml", service("web"))
    desk.write("keep.yaml", organization("other"))
    await desk.source.sync_once()
    path.unlink()
    (desk.directory / "org.yaml").unlink()
    report = await desk.source.sync_once()
    assert report.deleted == (key("web"), Key("Organization", "", "acme"))
