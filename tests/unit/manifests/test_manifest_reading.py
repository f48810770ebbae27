"""The parts of a source: walking a directory, what files declare together, the flag."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from controller.sources.manifests import directories
from controller.sources.manifests import directory as tree
from controller.sources.manifests.blocking import Blocking
from controller.sources.manifests.comparison import compare
from controller.sources.manifests.declaration import FileReading, declare
from controller.sources.manifests.directory import read_tree, signature
from controller.sources.manifests.reader import Reader
from resources.document import parse
from resources.errors import UserError
from resources.meta import Key, Resource
from tests.unit.manifests.directory import FAST, key, service, services, until

# ---------------------------------------------------------------- walking


def test_files_come_in_a_stable_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yml", "a/A.JSON", "c.YAML", "a/b/c.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    read = read_tree(tmp_path)
    assert list(read.files) == ["a/A.JSON", "a/b/c.json", "a/z.yml", "b.yaml", "c.YAML"]
    assert read.files["b.yaml"] == b"b.yaml"
    assert read.reached


def test_a_signature_tells_changes(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    seen = [signature(tmp_path)]
    file.write_text("1")
    seen.append(signature(tmp_path))
    file.write_text("22")
    seen.append(signature(tmp_path))
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert signature(tmp_path) == seen[-1]
    other = tmp_path / "b.tmp"
    other.write_text("33")
    os.rename(other, file)
    seen.append(signature(tmp_path))
    seen.append(signature(tmp_path / "nowhere"))
    assert len(set(seen)) == len(seen)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (tree.MAX_TEXT + 1))
    (found,) = read_tree(tmp_path).files.values()
    assert isinstance(found, UserError)
    assert found.message == f"{tmp_path}/large.yaml is larger than 8 MiB"
    monkeypatch.setattr(tree, "MAX_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.yaml").write_text("")
    read = read_tree(tmp_path)
    assert "holds more than 3 manifests" in read.problems[0].message


def test_deep_directories_are_refused_not_ignored(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(tree.MAX_DEPTH + 2):
        place = place / "d"
        place.mkdir()
    assert "deeper than 32 levels" in read_tree(tmp_path).problems[0].message


def test_names_that_are_not_text(tmp_path: Path) -> None:
    os.mkfifo(os.fsencode(tmp_path) + b"/\xff.yaml")
    (problem,) = read_tree(tmp_path).files.values()
    assert isinstance(problem, UserError)
    assert problem.message.encode()


def test_a_root_replaced_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    link = tmp_path / "link"
    link.symlink_to("one")
    walk = tree._Walk(str(link))
    files = walk.files()
    link.unlink()
    link.symlink_to("two")
    assert list(files) == []
    assert "was replaced while it was read" in walk.problems[0].message


async def test_a_filesystem_that_hangs_blocks_nobody(tmp_path: Path) -> None:
    blocking: Blocking[int] = Blocking("test")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await blocking.call(lambda: (release.wait(20) and 1) or 0, 0.05)
    with pytest.raises(TimeoutError):
        await blocking.call(lambda: 2, 0.05)
    release.set()
    assert await blocking.call(lambda: 3, 5) == 3
    with pytest.raises(ZeroDivisionError):
        await blocking.call(lambda: 1 // 0, 5)
    assert await blocking.call(lambda: 4, 5) == 4


async def test_a_directory_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(
        "controller.sources.manifests.reader.signature", lambda _: (release.wait(20) and b"") or b""
    )
    reader = Reader(tmp_path, FAST.__class__(deadline=0.05))
    reading = await reader.read()
    release.set()
    assert not reading.tree.reached
    assert reading.tree.problems[0].message == f"{tmp_path} does not answer"


async def test_a_file_is_parsed_once(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(service("web"))
    (tmp_path / "db.yaml").write_text(service("db"))
    reader = Reader(tmp_path, FAST)
    first = (await reader.read()).files
    (tmp_path / "db.yaml").write_text(service("db", "other"))
    second = (await reader.read()).files
    assert second["web.yaml"] is first["web.yaml"]
    assert second["db.yaml"] is not first["db.yaml"]


async def test_reading_waits_for_a_writer(tmp_path: Path) -> None:
    """Half a file is never taken while the other half is still being written."""
    whole = services("a", "b")
    file = tmp_path / "all.yaml"
    file.write_text(whole[:-20])
    reader = Reader(tmp_path, FAST.__class__(settle=0.1))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read())
        await until(lambda: reader._signature is not None)
        file.write_text(whole)
    found = reading.result().files["all.yaml"]
    assert [d.manifest.spec["image"] for d in found.declared] == ["nginx:1", "nginx:1"]


# ---------------------------------------------------------------- declaring

SOURCE = "manifest:main"


def understood(**texts: str) -> dict[str, FileReading]:
    return {name: FileReading.of(parse(text, name), text.encode()) for name, text in texts.items()}


def rows(*names: str) -> list[Resource]:
    return [Resource(key(name), name, {"image": "nginx:1"}, source=SOURCE) for name in names]


def absent(
    files: dict[str, FileReading], memory: dict[str, frozenset[Key]], *names: str
) -> set[str]:
    comparison = compare(declare(files, memory), rows(*names), SOURCE)
    return {key.name for key in comparison.absent}


def test_absence_needs_certainty() -> None:
    broken = service("web") + "\n  oops: ["
    files = understood(a=broken, b=service("db"))
    assert absent(files, {}, "web", "db", "x") == set(), "never seen sound"
    memory = {"a": frozenset({key("kept")})}
    assert absent(files, memory, "web", "db", "kept", "x") == {"x"}


def test_a_faulty_document_shields_its_name_in_every_kind_and_organization() -> None:
    files = understood(a=service("web").replace("kind: Service", "kind: Servcie"))
    assert absent(files, {}, "web", "x") == {"x"}


def test_troubles_with_directories_shield_everything() -> None:
    declaration = declare(understood(a=service("web")), {}, [UserError("X", "unreadable")])
    assert compare(declaration, rows("web", "x"), SOURCE).absent == ()


def test_memory_is_of_sound_files_that_are_there() -> None:
    files = understood(a=service("web"), b="[")
    memory = {"b": frozenset({key("db")}), "c": frozenset({key("x")})}
    assert declare(files, memory).remembered() == {
        "a": frozenset({key("web")}),
        "b": frozenset({key("db")}),
    }


def test_three_times_is_said_so() -> None:
    declaration = declare(understood(a=service("web"), b=service("web"), c=service("web")), {})
    assert "is declared 3 times: a:1 and b:1 and c:1" in declaration.problems[0].error.message
    assert declaration.wanted == {}
    assert declaration.declares(key("web"))


def test_true_is_not_one() -> None:
    text = service("web").replace("nginx:1", "1")
    row = Resource(key("web"), "u", {"image": True}, source=SOURCE)
    assert len(compare(declare(understood(a=text), {}), [row], SOURCE).apply) == 1


@pytest.mark.parametrize(
    ("annotations", "applied"),
    [
        ({}, 0),
        ({"skypanel.io/paused": "because"}, 0),
        ({"note": "by hand"}, 1),
    ],
)
def test_annotations_of_others(annotations: dict[str, str], applied: int) -> None:
    """Those that the controller heeds stay, any other is the file's to say."""
    row = Resource(key("web"), "u", {"image": "nginx:1"}, source=SOURCE, annotations=annotations)
    comparison = compare(declare(understood(a=service("web")), {}), [row], SOURCE)
    assert len(comparison.apply) == applied


# ---------------------------------------------------------------- the flag


def test_names_of_directories() -> None:
    found = directories(["prod=/srv/a", "/srv/My Shop.d/", "./x=y", "dir", "/"])
    assert [(d.name, str(d.directory)) for d in found] == [
        ("prod", "/srv/a"),
        ("my-shop-d", "/srv/My Shop.d"),
        ("x-y", "x=y"),
        ("dir", "dir"),
        ("manifests", "/"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a=/x", "a=/y"], "two manifest directories are named a"),
        (["/x/web", "/y/web"], "two manifest directories are named web"),
        (["a=/x", "b=/x/"], "is given twice"),
        (["Prod=/x"], "may have lower case letters"),
        (["a="], "names no directory"),
        ([""], "names no directory"),
    ],
)
def test_flags_that_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        directories(arguments)
    assert message in caught.value.message
