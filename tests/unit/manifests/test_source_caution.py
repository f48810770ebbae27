"""What is not certainly gone is not deleted; what is too much at once waits for a person."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.sources.manifests import ManifestSource
from resources.errors import UserError
from resources.meta import ANNOTATION_PROTECT, Key, Manifest
from tests.unit.manifests.directory import (
    EPOCH,
    Desk,
    key,
    organization,
    outlast,
    passes,
    service,
    services,
    until,
)

NAMES = tuple(f"s{number}" for number in range(10))
BROKEN = "kind: [\n"


def ten_files(desk: Desk) -> None:
    for name in NAMES:
        desk.write(f"{name}.yaml", service(name))


def remove(desk: Desk, *names: str) -> None:
    for name in names:
        (desk.directory / f"{name}.yaml").unlink()


async def held(desk: Desk, source: ManifestSource) -> str:
    await until(lambda: source.held is not None, "a batch is held")
    assert source.held is not None
    return source.held.id


# ---------------------------------------------------------------- files with problems


async def test_a_half_written_file_keeps_what_it_declared(desk: Desk) -> None:
    desk.write("web.yaml", services("web", "db"))
    desk.write("job.yaml", services("job", "other"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web", "db", "job", "other"})
        desk.write("web.yaml", service("web")[:70] + "\n  bad: [")
        await until(lambda: "CONFIGURATION_INVALID_MANIFEST" in desk.codes())
        desk.write("job.yaml", service("job"))
        await until(lambda: desk.leaving == {"other"}, "other files go on")
        await outlast(desk, source)
        assert desk.rows == {"web", "db", "job"}
        assert [p.place for p in source.problems] == [f"{desk.directory}/web.yaml:6"]
        desk.write("web.yaml", service("web", "nginx:2"))
        await until(lambda: desk.image("web") == "nginx:2" and "db" in desk.leaving)
        await until(lambda: source.problems == ())


async def test_after_a_restart_an_unparsable_file_keeps_everything(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    desk.write("db.yaml", services("db", "other"))
    await desk.source.sync_once()
    desk.write("web.yaml", BROKEN)
    desk.write("db.yaml", service("db"))
    again = desk.another()
    async with desk.running(again):
        await until(lambda: again.problems != ())
        await outlast(desk, again)
        assert (desk.rows, desk.leaving) == ({"web", "db", "other"}, set())
        desk.write("web.yaml", service("web"))
        await until(lambda: desk.leaving == {"other"})


async def test_another_leader_in_between_counts_as_a_restart(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    await desk.source.sync_once()
    desk.write("web.yaml", BROKEN)
    await desk.store.apply(
        Manifest(key("late"), {"image": "x"}), source="manifest:main"
    )  # another leader read a later version of the file
    desk.leading = desk.store.database.epoch = EPOCH + 2
    await desk.source.sync_once()
    assert desk.rows == {"web", "late"}


async def test_a_document_moved_into_a_file_that_does_not_parse(desk: Desk) -> None:
    desk.write("a.yaml", service("web"))
    desk.write("b.yaml", services("db", "moved"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web", "db", "moved"})
        desk.write("a.yaml", services("web", "moved") + "  oops: [\n")
        desk.write("b.yaml", service("db"))
        await until(lambda: source.problems != ())
        await outlast(desk, source)
        assert desk.rows == {"web", "db", "moved"}
        desk.write("a.yaml", services("web", "moved"))
        await until(lambda: source.problems == ())
        await outlast(desk, source)
        assert desk.rows == {"web", "db", "moved"}


async def test_a_renamed_file_that_does_not_parse_keeps_everything(desk: Desk) -> None:
    path = desk.write("a.yaml", service("web"))
    desk.write("b.yaml", service("db"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web", "db"})
        path.unlink()
        desk.write("c.yaml", BROKEN)
        await until(lambda: source.problems != ())
        await outlast(desk, source)
        assert desk.rows == {"web", "db"}


async def test_a_wrong_document_keeps_its_row_and_delays_nobody(desk: Desk) -> None:
    desk.write("all.yaml", services("web", "db", "other"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web", "db", "other"})
        wrong = service("web", "nginx:2").replace("spec:", "sepc:")
        desk.write("all.yaml", wrong + "---\n" + service("db", "nginx:2"))
        await until(lambda: desk.image("db") == "nginx:2")
        await outlast(desk, source)
        assert desk.rows == {"web", "db", "other"}, "a file with problems keeps what it declared"
        assert desk.image("web") == "nginx:1"
        again = desk.another()
        await again.sync_once()
        assert desk.leaving == {"other"}, "all names of the file are known"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read(desk: Desk) -> None:
    path = desk.write("web.yaml", service("web"))
    await desk.source.sync_once()
    path.chmod(0)
    report = await desk.source.sync_once()
    assert [p.error.code for p in report.problems] == ["CONFIGURATION_MANIFESTS_UNREADABLE"]
    assert desk.rows == {"web"}


async def test_what_cannot_be_read_is_not_absent(desk: Desk) -> None:
    web = desk.write("web.yaml", service("web"))
    desk.write("db.yaml", service("db"))
    await desk.source.sync_once()
    web.unlink()
    web.symlink_to("nowhere")
    os.mkfifo(desk.directory / "pipe.yaml")
    report = await desk.source.sync_once()
    assert sorted(str(p.error.message).split("/")[-1] for p in report.problems) == [
        "pipe.yaml is not a regular file",
        "web.yaml does not exist",
    ]
    assert desk.rows == {"web", "db"}


async def test_a_file_that_never_stands_still(desk: Desk) -> None:
    """Others are applied meanwhile; nothing is deleted."""
    desk.write("web.yaml", service("web"))
    await desk.source.sync_once()
    restless = desk.another()
    number = 0
    original = restless._reader._tree  # the disk changes between any two readings

    async def changing() -> object:
        nonlocal number
        number += 1
        desk.write("busy.yaml", f"# {number}\n")
        return await original()

    restless._reader._tree = changing  # type: ignore[method-assign, assignment]
    (desk.directory / "web.yaml").unlink()
    desk.write("db.yaml", service("db"))
    report = await restless.sync_once()
    assert desk.rows == {"web", "db"}
    assert any("does not stand still" in p.error.message for p in report.problems)


# ---------------------------------------------------------------- the directory


async def test_a_directory_that_vanishes_deletes_nothing_and_comes_back(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        away = desk.directory.rename(desk.directory.with_name("away"))
        await until(lambda: not source.connected)
        await until(lambda: desk.codes() == {"CONFIGURATION_MANIFESTS_UNREADABLE"})
        assert (desk.rows, desk.operations["hold"]) == (set(NAMES), 0)
        await until(lambda: desk.told(source) == [f"{desk.directory} does not exist"])
        (away / "s0.yaml").write_text(service("s0", "nginx:2"))
        away.rename(desk.directory)
        await until(lambda: desk.image("s0") == "nginx:2" and source.connected)
        assert source.problems == ()


async def test_a_directory_that_is_not_there_yet(desk: Desk) -> None:
    desk.directory.rmdir()
    report = await desk.source.sync_once()
    assert report.problems[0].error.message == f"{desk.directory} does not exist"
    async with desk.running():
        desk.directory.mkdir()
        desk.write("web.yaml", service("web"))
        await until(lambda: desk.rows == {"web"})


async def test_a_root_that_is_a_file(desk: Desk) -> None:
    desk.directory.rmdir()
    desk.directory.write_text(service("web"))
    report = await desk.source.sync_once()
    assert report.problems[0].error.message == f"{desk.directory} is not a directory"
    assert desk.rows == set()


async def test_an_emptied_directory_is_held_however_few_rows(desk: Desk) -> None:
    path = desk.write("web.yaml", service("web"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web"})
        path.unlink()
        await held(desk, source)
        await outlast(desk, source)
        assert desk.rows == {"web"}
        desk.write("none.yaml", "# nothing any more\n")
        await outlast(desk, source)
        assert desk.rows == {"web"}, "what was held once needs a person"
        desk.write("web.yaml", service("web"))
        await until(lambda: desk.held_states == [] and source.held is None)


# ---------------------------------------------------------------- the guard


async def test_too_much_at_once_is_held_as_one_batch(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await held(desk, source)
        assert source.held is not None
        assert source.held.items == tuple(f"Service/acme/{name}" for name in NAMES[:6])
        assert source.held.total == 10
        assert desk.codes() == {"RESOURCE_DELETIONS_HELD"}
        desk.write("s9.yaml", service("s9", "nginx:2"))
        await until(lambda: desk.image("s9") == "nginx:2", "changes go on")
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["held"])


async def test_few_at_once_are_not_held(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running():
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:4])
        await until(lambda: desk.leaving == set(NAMES[:4]))
        assert desk.operations["hold"] == 0


async def test_approved(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await desk.store.decide(await held(desk, source), "approved")
        await until(lambda: desk.leaving == set(NAMES[:6]))
        await until(lambda: desk.held_states == [] and source.problems == ())
        assert desk.rows == set(NAMES[6:])


async def test_approval_survives_being_interrupted(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    report = await desk.source.sync_once()
    assert report.held is not None
    await desk.store.decide(report.held.id, "approved")
    for name in NAMES[:3]:  # so far the deletion came
        await desk.store.delete(key(name), source="manifest:main")
    await desk.clear()
    report = await desk.another().sync_once()
    assert {k.name for k in report.deleted} == set(NAMES[3:6])
    assert desk.held_states == []


async def test_discarded_is_silent_until_the_set_changes(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await desk.store.decide(await held(desk, source), "discarded")
        await until(lambda: source.held is None and source.problems == ())
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["discarded"])
        remove(desk, NAMES[6])
        await held(desk, source)
        await until(lambda: desk.held_states == ["held"])
        assert desk.rows == set(NAMES)


async def test_documents_that_come_back_end_the_question(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES)
        await held(desk, source)
        for name in NAMES[:9]:
            desk.write(f"{name}.yaml", service(name))
        await until(lambda: source.held is not None and source.held.items == ("Service/acme/s9",))
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["held"])
        desk.write("s9.yaml", service("s9"))
        await until(lambda: desk.held_states == [] and source.held is None)


async def test_held_across_restarts(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES)
    first = await desk.source.sync_once()
    second = await desk.another().sync_once()
    assert first.held == second.held
    assert desk.rows == set(NAMES)
    assert second.held is not None
    await desk.store.decide(second.held.id, "approved")
    third = await desk.another().sync_once()
    assert len(third.deleted) == 10


async def test_other_sources_rows_are_not_counted(desk: Desk) -> None:
    for number in range(100):
        await desk.store.apply(Manifest(key(f"x{number}"), {}), source="sql")
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    report = await desk.source.sync_once()
    assert report.held is not None
    assert report.held.total == 10


async def test_what_is_wrong_with_a_file_is_an_event_of_the_source(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    desk.write("bad.yaml", "kind: [\n")
    for _ in range(2):
        await desk.source.sync_once()
    (event,) = [e for e in await desk.store.events() if e.type == "Warning"]
    assert (str(event.key), event.count, event.uid) == ("Source//manifest:main", 1, "")
    assert event.reason == "ConfigurationInvalidManifest"
    assert "/bad.yaml:2: " in event.message


async def test_held_deletions_are_events(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    for _ in range(2):
        await desk.source.sync_once()
    found = [e for e in await desk.store.events() if e.reason == "DeletionsHeld"]
    assert {e.key.name for e in found} == {"manifest:main", *NAMES[:6]}
    assert all(e.count == 1 and "skyctl guard approve" in e.message for e in found)


async def test_a_protected_row_stays(desk: Desk) -> None:
    desk.write("all.yaml", services("web", "db"))
    await desk.source.sync_once()
    await desk.store.annotate(key("db"), {ANNOTATION_PROTECT: "true"})
    desk.write("all.yaml", service("web"))
    report = await desk.source.sync_once()
    assert [p.error.code for p in report.problems] == ["RESOURCE_PROTECTED"]
    assert desk.rows == {"web", "db"}


async def test_a_file_takes_its_protection_away_again(desk: Desk) -> None:
    head, _, spec = service("db").partition("spec:")
    protect = f"{head}  annotations: {{{ANNOTATION_PROTECT}: 'true'}}\nspec:{spec}"
    desk.write("all.yaml", service("web") + "---\n" + protect)
    await desk.source.sync_once()
    desk.write("all.yaml", services("web", "db"))
    await desk.source.sync_once()
    assert desk.resources[key("db")].annotations == {}
    await desk.store.annotate(key("db"), {ANNOTATION_PROTECT: "true"})
    nulled = protect.replace("'true'", "null")
    desk.write("all.yaml", service("web") + "---\n" + nulled)
    report = await desk.source.sync_once()
    assert report.problems == ()
    assert desk.resources[key("db")].annotations == {}


# ---------------------------------------------------------------- who owns what


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
