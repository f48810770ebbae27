"""What is not certainly gone is not deleted."""

from __future__ import annotations

import os

import pytest

from resources.meta import Manifest
from tests.unit.manifests.directory import (
    EPOCH,
    Desk,
    key,
    outlast,
    service,
    services,
    until,
)
from tests.unit.manifests.ten_files import BROKEN, NAMES, held, ten_files

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
