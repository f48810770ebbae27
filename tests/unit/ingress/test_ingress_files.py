"""Documents as files: written whole, read back, and nothing in them that Traefik could mistake."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.ingress import leaf
from controller.ingress.files import FilePublisher
from controller.ingress.inheriting import certificates
from controller.store.base import Deposed
from resources.errors import UserError
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.sealed import Sealed

UID = "11111111-2222-3333-4444-555555555555"
NAME = "domain_acme_site_11111111"


def document(content: dict[str, Any] | None = None, uid: str = UID, name: str = NAME) -> Document:
    return Document(uid, name, content or {"http": {"routers": {"r-11111111": {"rule": "x"}}}})


def publisher(directory: Path) -> FilePublisher:
    return FilePublisher(directory / "routes", lambda sealed: sealed.text)


async def put(files: FilePublisher, what: Document) -> None:
    await files.publish(PublishRoutes(document=what, cause="test"))


async def test_nobody_else_reads_them(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    (path,) = files.directory.iterdir()
    assert path.name == f"{NAME}.yml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700


async def test_the_directory_around_them_is_ours_alone(tmp_path: Path) -> None:
    home = tmp_path / "ingress"
    for made in (False, True):
        if made:
            home.chmod(0o755)
        await put(publisher(home), document({"http": {"made": made}}))
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


async def test_a_directory_that_was_removed_and_made_again_is_another(tmp_path: Path) -> None:
    """Proxies watch the directory, not its name."""
    files = publisher(tmp_path)
    await put(files, document())
    await files.shelf()
    assert not files.watched.displaced
    shutil.rmtree(files.directory)
    await files.shelf()
    assert not files.watched.displaced, "a proxy could not start on it yet"
    await put(files, document())
    assert files.watched.displaced


async def test_what_stands_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    there = files.directory / f"{NAME}.yml" / "something"
    there.mkdir(parents=True)
    with pytest.raises(UserError, match=rf"{NAME}\.yml: Is a directory") as caught:
        await put(files, document())
    assert caught.value.suggestions[0].startswith(f"remove the directory {there.parent}")


async def test_what_was_left_half_written_goes(tmp_path: Path) -> None:
    left = tmp_path / "routes.new" / "domain_other.yml"
    left.parent.mkdir()
    left.write_text("a key")
    await publisher(tmp_path).shelf()
    assert not left.exists()
    files = publisher(tmp_path)
    left.parent.mkdir()
    left.write_text("a key")
    await put(files, document())
    assert not left.exists()
    assert set(await files.shelf()) == {UID}


async def test_what_is_equal_is_not_written_again(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    path = files.directory / f"{NAME}.yml"
    before = path.stat()
    await put(files, document())
    await put(publisher(tmp_path), document())
    assert path.stat().st_ino == before.st_ino
    await put(files, document({"http": {}}))
    assert path.stat().st_ino != before.st_ino


async def test_an_owner_has_one_document(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    await put(files, document(name="domain_acme_other_11111111"))
    assert [path.stem for path in files.directory.iterdir()] == ["domain_acme_other_11111111"]
    await files.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="test"))
    assert list(files.directory.iterdir()) == []


async def test_a_new_controller_reads_back_what_the_one_before_it_wrote(tmp_path: Path) -> None:
    await put(publisher(tmp_path), document())
    shelf = await publisher(tmp_path).shelf()
    assert shelf[UID].published.digest == document().digest
    assert shelf[UID].routers == {"r-11111111"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"x"', '"y"'),
        lambda text: text + "more",
        lambda text: text.partition("\n")[0] + "\nnot: [json",
        lambda text: text.replace("digest=", "digest=0"),
    ],
)
async def test_an_edit_is_seen(tmp_path: Path, damage: Any) -> None:
    await put(publisher(tmp_path), document())
    path = tmp_path / "routes" / f"{NAME}.yml"
    path.write_text(damage(path.read_text()))
    shelf = await publisher(tmp_path).shelf()
    assert shelf[UID].published.digest != document().digest
    await put(publisher(tmp_path), document())
    shelf = await publisher(tmp_path).shelf()
    assert shelf[UID].published.digest == document().digest


async def test_without_its_head_it_is_its_owners_for_who_remembers(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    (tmp_path / "routes" / f"{NAME}.yml").write_text("garbage")
    assert (await files.shelf())[UID].published.digest == ""
    forgetful = publisher(tmp_path)
    assert await forgetful.shelf() == {}
    assert forgetful.strangers == (f"{NAME}.yml",)
    await put(forgetful, document())
    assert (await forgetful.shelf())[UID].published.digest == document().digest


async def test_strangers_are_left_alone_and_named(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    (files.directory / "mine.toml").write_text("x = 1")
    (files.directory / "README").write_text("not loaded by Traefik")
    assert set(await files.shelf()) == {UID}
    assert files.strangers == ("mine.toml",)


async def test_the_constant_document_is_nobodys(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    await files.keep({"http": {"routers": {}}})
    assert await files.shelf() == {}
    assert files.strangers == ()
    assert len(await files.contents()) == 1


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "routes").write_text("a file")
    with pytest.raises(UserError) as caught:
        await put(publisher(tmp_path), document())
    assert (caught.value.code, caught.value.retryable) == ("CONFIGURATION_INGRESS_DIRECTORY", True)


async def test_what_another_controller_published_is_taken_over(tmp_path: Path) -> None:
    """Its documents alone, and none of what was published here before."""
    ours, theirs = publisher(tmp_path / "a"), publisher(tmp_path / "b")
    old = document(uid="22222222-x", name="domain_acme_old_22222222")
    await put(ours, old)
    await ours.keep({"http": {"routers": {}}})
    await put(theirs, document())
    (theirs.directory / "stranger.yml").write_text("x: 1")
    (theirs.directory / "edited.yml").write_text("# skyctl/1 uid=1 digest=2 sha256=3\n{}")
    (theirs.directory / "link.yml").symlink_to("/etc/passwd")
    os.mkfifo(theirs.directory / "pipe.yml")
    assert await ours.inherit(theirs.directory) == 1
    assert sorted(path.stem for path in ours.directory.iterdir()) == [NAME, "skyctl"]
    assert (await ours.shelf())[UID].published.digest == document().digest


async def test_what_is_older_than_ours_is_not_taken_over(tmp_path: Path) -> None:
    ours, theirs = publisher(tmp_path / "a"), publisher(tmp_path / "b")
    await put(theirs, document())
    os.utime(theirs.directory, (1, 1))
    await put(ours, document(uid="22222222-x", name="domain_acme_old_22222222"))
    assert await ours.inherit(theirs.directory) == 0
    assert await ours.inherit(tmp_path / "nowhere") == 0
    assert set(await ours.shelf()) == {"22222222-x"}


async def test_newer_certificates_are_taken_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    certificates(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "a" / "acme.json").exists()
    for name in ("a", "b"):
        (tmp_path / name / "acme.json").write_text(name)
    os.utime(tmp_path / "b" / "acme.json", (1, 1))
    certificates(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "acme.json").read_text() == "a"
    os.utime(tmp_path / "a" / "acme.json", (0, 0))
    certificates(tmp_path / "a", tmp_path / "b")
    taken = tmp_path / "a" / "acme.json"
    assert (taken.read_text(), stat.S_IMODE(taken.stat().st_mode)) == ("b", 0o600)


ODD: dict[str, Callable[[Path], object]] = {
    "directory": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to(path.parent),
    "large": lambda path: path.write_bytes(b"x" * 8_000_001),
    "binary": lambda path: path.write_bytes(b"\xff"),
}


@pytest.mark.parametrize("odd", ODD)
async def test_one_odd_entry_keeps_no_other_from_being_read(tmp_path: Path, odd: str) -> None:
    files = publisher(tmp_path)
    await put(files, document())
    ODD[odd](files.directory / "odd.yml")
    async with asyncio.timeout(5):
        assert set(await files.shelf()) == {UID}
        assert files.strangers == ("odd.yml",)
        await put(files, document({"http": {}}))
        assert len(await files.contents()) == 1


async def test_a_file_that_may_not_be_read_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of root's, where we are not root."""
    files = publisher(tmp_path)
    for number in (1, 2):
        await put(files, document(uid=f"{number:08}-x", name=f"domain_{number}"))
    opened = os.open

    def refusing(path: Any, *args: Any, **named: Any) -> int:
        if Path(path).name == "domain_1.yml":
            raise PermissionError(errno.EACCES, "no")
        return opened(path, *args, **named)

    monkeypatch.setattr(os, "open", refusing)
    again = publisher(tmp_path)
    assert set(await again.shelf()) == {"00000002-x"}
    assert again.strangers == ("domain_1.yml",)
    monkeypatch.undo()
    (files.directory / "domain_1.yml").chmod(0o400)
    assert set(await again.shelf()) == {"00000001-x", "00000002-x"}


@pytest.mark.parametrize("text", ["x" * 8_000_001, "\u00e9" * 4_000_001])
async def test_what_is_too_large_is_refused_and_not_written(tmp_path: Path, text: str) -> None:
    files = publisher(tmp_path)
    with pytest.raises(UserError, match="8,000,000"):
        await put(files, document({"http": {"x": text}}))
    assert await files.shelf() == {}


async def test_what_cannot_be_put_there_is_told(tmp_path: Path) -> None:
    files = publisher(tmp_path)
    (files.directory / "skyctl.yml").mkdir(parents=True)
    with pytest.raises(UserError):
        await files.keep({"http": {}})


class Busy:
    """A publisher, one of whose threads is at work for as long as ``holds``."""

    def __init__(self, directory: Path) -> None:
        self.epoch: int | None = 1
        self.files = FilePublisher(
            directory / "routes", lambda sealed: sealed.text, lambda: self.epoch
        )

    @contextmanager
    def holds(self) -> Iterator[None]:
        with self.files._alone:
            yield


@pytest.mark.parametrize("epoch", [None, 2])
async def test_what_waited_until_the_term_was_over_is_not_written(
    tmp_path: Path, epoch: int | None
) -> None:
    busy = Busy(tmp_path)
    await put(busy.files, document())
    with busy.holds():
        steps = [
            asyncio.create_task(put(busy.files, document({"http": {}}))),
            asyncio.create_task(busy.files.keep({"http": {}})),
            asyncio.create_task(
                busy.files.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="test"))
            ),
        ]
        await asyncio.sleep(0)
        busy.epoch = epoch
    for step in steps:
        with pytest.raises(Deposed):
            await step
    assert (await busy.files.shelf())[UID].published.digest == document().digest


async def test_who_does_not_lead_writes_nothing(tmp_path: Path) -> None:
    busy = Busy(tmp_path)
    busy.epoch = None
    with pytest.raises(Deposed):
        await put(busy.files, document())
    assert await busy.files.shelf() == {}


async def test_a_write_whose_caller_has_gone_is_none(tmp_path: Path) -> None:
    """Else it would win over the one that came after it."""
    busy = Busy(tmp_path)
    with busy.holds():
        step = asyncio.create_task(put(busy.files, document()))
        await asyncio.sleep(0.01)
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not busy.files.directory.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "A", "x" * 201])
async def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        await put(publisher(tmp_path), document(name=name))
    assert not (tmp_path / "routes").exists()


HOSTILE = [
    '{{ env "HOME" }}',
    "a{{{{b}}}}",
    "{",
    "\\{{x}}",
    "\U0001f600 \xe9",
    "\x01\x1f\x7f\x85\u2028\ufeff\uffff",
    "quote\"\\'",
    "# comment",
    "a: b",
    "`x`",
    "\ttab\nline\r",
    "*a",
    "&b",
    "!x",
    "%",
    "- ",
    "$x ${y}",
    "@",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_is_text(value: str) -> None:
    """As JSON, as YAML, and to a template engine."""
    content = {"http": {"middlewares": {"m": {"headers": {"customRequestHeaders": {"X": value}}}}}}
    text = leaf.rendered(content)
    assert "{{" not in text
    assert json.loads(text) == content
    if value.isprintable():
        assert yaml.safe_load(text) == content


@pytest.mark.parametrize("name", ["x" * 1001, "<<"])
def test_names_that_yaml_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        leaf.rendered({"http": {name: 1}})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(UserError):
        leaf.rendered({"http": "\ud83d"})


def sealed(text: str) -> Sealed:
    return Sealed("acme", "secret", "key", text)


def test_a_secret_is_put_in_its_place_and_changes_the_digest() -> None:
    content = {"tls": {"certificates": [{"certFile": "", "keyFile": ""}]}, "users": []}
    secrets = {
        "/tls/certificates/0/certFile": sealed("PEM"),
        "/users": sealed("a:1\n\n b:2 \n"),
    }
    one = Document(UID, NAME, content, secrets)
    written = leaf.read(leaf.written(one, lambda value: value.text))
    assert written is not None
    assert written.content["tls"]["certificates"][0]["certFile"] == "PEM"
    assert written.content["users"] == ["a:1", "b:2"]
    assert content["users"] == []
    other = Document(UID, NAME, content, {**secrets, "/users": sealed("a:2")})
    assert one.digest != other.digest
    assert one.text == other.text


@pytest.mark.parametrize("pointer", ["/nowhere/x", "/users/0", "/users/x", "users", "/"])
def test_a_secret_without_a_place_is_refused(pointer: str) -> None:
    what = Document(UID, NAME, {"users": []}, {pointer: sealed("hush")})
    with pytest.raises(UserError) as caught:
        leaf.written(what, lambda value: value.text)
    assert "hush" not in caught.value.message


async def test_what_is_there_says_for_which_names_its_certificates_are(tmp_path: Path) -> None:
    """And by which rules its routers match."""
    pem = (Path(__file__).parents[1] / "domain" / "certificates" / "common.crt").read_text()
    files = publisher(tmp_path)
    pairs = [{"certFile": pem, "keyFile": ""}, {"certFile": "/etc/passwd"}]
    await put(files, document({**document().content, "tls": {"certificates": pairs}}))
    (found,) = (await files.shelf()).values()
    assert found.published.names == {"shop.example.com", "bank.example.org"}
    assert found.published.rules == {"x"}
