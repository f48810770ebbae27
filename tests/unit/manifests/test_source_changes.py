"""Files change, rows follow: real files, a store in memory."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from controller.store.base import Deposed, StoreUnavailable
from resources.errors import UserError
from resources.meta import Key, Manifest
from tests.unit.manifests.directory import (
    EPOCH,
    FAST,
    Desk,
    key,
    organization,
    outlast,
    passes,
    service,
    services,
    until,
)

pytestmark = pytest.mark.filterwarnings("error")


async def test_add_edit_remove(desk: Desk) -> None:
    desk.write("org.yaml", organization())
    desk.write("web.yaml", service("web"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"acme", "web"})
        assert desk.resources[key("web")].source == "manifest:main"
        desk.write("nested/deep/db.yml", service("db"))
        desk.write(
            "job.json",
            '{"apiVersion": "skypanel.io/v1", "kind": "Service", "metadata": '
            '{"name": "job", "organization": "acme"}, "spec": {"image": "job:1"}}',
        )
        await until(lambda: desk.rows == {"acme", "web", "db", "job"})
        desk.write("web.yaml", service("web", "nginx:2"))
        await until(lambda: desk.image("web") == "nginx:2")
        assert desk.resources[key("web")].generation == 2
        (desk.directory / "web.yaml").unlink()
        await until(lambda: desk.leaving == {"web"})
        assert desk.rows == {"acme", "db", "job"}
        assert source.problems == ()
        assert source.connected


async def test_once_settled_nothing_is_written(desk: Desk) -> None:
    desk.write("all.yaml", services("a", "b", "c"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"a", "b", "c"})
        await passes(desk, source, 1)
        writes = desk.operations["apply"]
        await passes(desk, source, 5)
        assert desk.operations["apply"] == writes == 3
        assert desk.operations["delete"] == 0


async def test_a_document_removed_from_a_file(desk: Desk) -> None:
    desk.write("all.yaml", services("web", "db"))
    async with desk.running():
        await until(lambda: desk.rows == {"web", "db"})
        desk.write("all.yaml", services("web"))
        await until(lambda: desk.leaving == {"db"})


async def test_a_renamed_resource_is_a_new_and_a_deleted_one(desk: Desk) -> None:
    desk.write("web.yaml", services("web", "other"))
    async with desk.running():
        await until(lambda: desk.rows == {"web", "other"})
        desk.write("web.yaml", services("shop", "other"))
        await until(lambda: desk.rows == {"shop", "other"} and desk.leaving == {"web"})


async def test_a_renamed_file_changes_nothing(desk: Desk) -> None:
    path = desk.write("web.yaml", service("web"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web"})
        path.rename(desk.directory / "shop.yaml")
        await outlast(desk, source)
        assert (desk.rows, desk.operations["apply"]) == ({"web"}, 1)


async def test_atomic_replacement(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    async with desk.running():
        await until(lambda: desk.rows == {"web"})
        for version in range(2, 6):
            desk.replace("web.yaml", service("web", f"nginx:{version}"))
        await until(lambda: desk.image("web") == "nginx:5")
        assert desk.leaving == set()


async def test_a_file_written_again_and_again_is_never_gone(desk: Desk) -> None:
    """Truncated and filled, removed and made again: the row stays the same one."""
    desk.timing = replace(FAST, absence=5.0)
    path = desk.write("web.yaml", service("web"))
    desk.write("db.yaml", service("db"))
    async with desk.running(desk.another()) as source:
        await until(lambda: desk.rows == {"web", "db"})
        uid = desk.resources[key("web")].uid
        for version in range(12):
            path.write_text("")
            if version % 3 == 0:
                path.unlink()
            await passes(desk, source, 1)
            path.write_text(service("web", f"nginx:{version}"))
        await until(lambda: desk.image("web") == "nginx:11")
        assert desk.resources[key("web")].uid == uid
        assert desk.leaving == set()


async def test_temporary_and_hidden_files_are_ignored(desk: Desk) -> None:
    for name in (
        ".web.yaml.swp", ".web.yaml", "web.yaml~", "#web.yaml#", ".#web.yaml", "4913",
        "web.yaml.tmp", "web.yaml.bak", "web.txt", ".git/web.yaml", "~web.yaml", "#web.yaml",
    ):  # fmt: skip
        desk.write(name, service("web"))
    desk.write("db.yaml", service("db"))
    report = await desk.source.sync_once()
    assert desk.rows == {"db"}
    assert report.problems == ()


async def test_a_config_map_is_followed_through_its_swap(desk: Desk) -> None:
    def version(number: int) -> None:
        data = desk.directory / f"..2026_{number}"
        data.mkdir()
        (data / "web.yaml").write_text(service("web", f"nginx:{number}"))
        link = desk.directory / "..data_tmp"
        link.symlink_to(data.name)
        os.rename(link, desk.directory / "..data")

    version(1)
    (desk.directory / "web.yaml").symlink_to("..data/web.yaml")
    async with desk.running():
        await until(lambda: desk.rows == {"web"})
        version(2)
        await until(lambda: desk.image("web") == "nginx:2")
        assert desk.leaving == set()


async def test_a_linked_root_is_followed_through_its_swap(tmp_path: Path) -> None:
    for number in (1, 2):
        tree = tmp_path / f"tree{number}"
        tree.mkdir()
        (tree / "web.yaml").write_text(service("web", f"nginx:{number}"))
    current = tmp_path / "current"
    current.symlink_to("tree1")
    desk = Desk(current)
    async with desk.running():
        await until(lambda: desk.rows == {"web"})
        (tmp_path / "next").symlink_to("tree2")
        os.rename(tmp_path / "next", current)
        await until(lambda: desk.image("web") == "nginx:2")
        (tmp_path / "tree2" / "web.yaml").write_text(service("web", "nginx:3"))
        await until(lambda: desk.image("web") == "nginx:3")


async def test_a_linked_directory_is_read_and_a_loop_is_not_endless(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "web.yaml").write_text(service("web"))
    (desk.directory / "more").symlink_to(tmp_path / "elsewhere")
    (desk.directory / "loop").symlink_to(".")
    report = await desk.source.sync_once()
    assert (desk.rows, report.problems) == ({"web"}, ())


async def test_an_invalid_spec_is_applied_so_that_its_status_can_say_so(desk: Desk) -> None:
    desk.write("web.yaml", service("web") + "  replicas: many\n")
    report = await desk.source.sync_once()
    assert desk.resources[key("web")].spec["replicas"] == "many"
    (problem,) = report.problems
    assert problem.error.code == "CONFIGURATION_INVALID_SPEC"
    assert problem.place.endswith("manifests/web.yaml:8")


async def test_kinds_are_applied_in_their_order(desk: Desk) -> None:
    desk.write("a.yaml", service("web"))
    desk.write("z.yaml", organization())
    report = await desk.source.sync_once()
    assert [applied.key.kind for applied in report.applied] == ["Organization", "Service"]


async def test_a_row_deleted_by_hand_comes_back(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    async with desk.running() as source:
        await until(lambda: desk.rows == {"web"})
        uid = desk.resources[key("web")].uid
        await desk.store.delete(key("web"), source=None)
        await until(lambda: "RESOURCE_BEING_DELETED" in desk.codes())
        await desk.clear()
        await until(lambda: desk.rows == {"web"} and source.problems == ())
        assert desk.resources[key("web")].uid != uid
        assert source.declares(key("web"))
        assert not source.declares(key("db"))


async def test_the_store_is_away_for_a_while(desk: Desk) -> None:
    async with desk.running():
        desk.store.available = False
        desk.write("web.yaml", service("web"))
        await until(lambda: desk.operations["entries"] >= 3)
        desk.store.available = True
        await until(lambda: desk.rows == {"web"})


@pytest.mark.parametrize("op", ["apply", "entries", "held", "delete"])
async def test_nothing_is_lost_when_one_call_fails(desk: Desk, op: str) -> None:
    desk.write("web.yaml", services("web", "db"))
    async with desk.running():
        await until(lambda: desk.rows == {"web", "db"})
        desk.faults[op] = StoreUnavailable("gone")
        desk.write("web.yaml", service("web", "nginx:2"))
        calls = desk.operations[op]
        await until(lambda: desk.operations[op] > calls + 1)
        del desk.faults[op]
        await until(lambda: desk.image("web") == "nginx:2" and desk.leaving == {"db"})


async def test_only_the_leader_writes(desk: Desk) -> None:
    desk.leading = None
    desk.write("web.yaml", service("web"))
    with pytest.raises(Deposed):
        await desk.source.sync_once()
    async with desk.running():
        await outlast_standing_by(desk)
        assert desk.operations == {}
        desk.leading = 1
        await until(lambda: desk.rows == {"web"})


@pytest.mark.parametrize("op", ["entries", "emit", "held", "drop_held"])
async def test_a_refusal_of_its_own_writes_does_not_end_it(desk: Desk, op: str) -> None:
    desk.faults[op] = UserError("RESOURCE_CONFLICT", "a deadlock", retryable=True)
    desk.write("web.yaml", services("web", "db"))
    await desk.store.hold("manifest:main", ["Service/acme/x"], 1, "moot", epoch=EPOCH)
    await desk.store.apply(Manifest(key("foreign"), {"image": "nginx:1"}), source="sql")
    desk.write("foreign.yaml", service("foreign", "nginx:2"))
    async with desk.running():
        await until(lambda: desk.operations[op] >= 3)
        del desk.faults[op]
        await until(lambda: desk.rows == {"web", "db", "foreign"} and desk.held_states == [])


async def test_a_leader_that_was_replaced_unawares_writes_nothing(desk: Desk) -> None:
    """It still believes that it leads."""
    desk.write("web.yaml", services("web", "db"))
    await desk.source.sync_once()
    desk.store.database.epoch += 1
    desk.write("web.yaml", service("web", "nginx:2"))
    with pytest.raises(Deposed):
        await desk.source.sync_once()
    assert (desk.image("web"), desk.leaving) == ("nginx:1", set())


async def outlast_standing_by(desk: Desk) -> None:
    """Nothing of a standby can be waited for but time."""
    end = time.monotonic() + 0.3
    await until(lambda: time.monotonic() > end)


async def test_a_source_that_is_no_longer_given_prunes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.write("web.yaml", services("web", "db"))
    await desk.source.sync_once()
    other = tmp_path / "other"
    other.mkdir()
    (other / "job.yaml").write_text(service("job"))
    await desk.another("other", other).sync_once()
    assert desk.rows == {"web", "db", "job"}


async def test_a_thousand_files(desk: Desk) -> None:
    for number in range(1000):
        desk.write(f"d{number % 20}/s{number}.yaml", service(f"s{number}"))
    start = time.process_time()
    report = await desk.source.sync_once()
    first = time.process_time() - start
    assert len(report.applied) == len(desk.rows) == 1000
    start = time.process_time()
    report = await desk.source.sync_once()
    again = time.process_time() - start
    assert (report.applied, report.problems) == ((), ())
    print(f"1,000 files: {first:.2f} s of the processor, unchanged {again:.2f} s")
    assert first < 3, "of our own work: how long others keep the machine busy does not count"
    assert Key("Service", "acme", "s999") in desk.resources
