"""The key file: made once, whole, for our eyes only, and never replaced by another."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from controller.sealing import FileKeyring, PrivateKey
from resources.errors import UserError


def test_it_is_made_for_our_eyes_only(tmp_path: Path) -> None:
    path, key = tmp_path / "sealing.key", PrivateKey.generate()
    before = os.umask(0)
    try:
        FileKeyring(path).add(key)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["sealing.key"]
    assert FileKeyring(path).load() == {key.id: key}


def test_another_key_goes_before_those_that_are_there(tmp_path: Path) -> None:
    ring = FileKeyring(tmp_path / "sealing.key")
    first, second = PrivateKey.generate(), PrivateKey.generate()
    ring.add(first)
    ring.add(second)
    assert list(ring.load()) == [second.id, first.id]


def test_no_file_is_no_key(tmp_path: Path) -> None:
    ring = FileKeyring(tmp_path / "sealing.key")
    assert ring.load() == {}
    assert not ring.changed()


@pytest.mark.parametrize("content", [b"", b"# only words\n", b"bm90IGEga2V5\n", b"\xff\xfe", b"?"])
def test_a_file_that_is_none_is_an_error_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sealing.key"
    path.write_bytes(content)
    ring = FileKeyring(path)
    with pytest.raises(UserError, match="cannot be used") as caught:
        ring.load()
    assert caught.value.code == "SECRET_KEY_FILE"
    with pytest.raises(UserError):
        ring.add(PrivateKey.generate())
    assert path.read_bytes() == content


def test_it_is_seen_to_change(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    ring = FileKeyring(path)
    ring.add(PrivateKey.generate())
    assert not ring.changed()
    path.rename(tmp_path / "away")
    assert ring.changed()
    ring.load()
    assert not ring.changed()
    (tmp_path / "away").rename(path)
    assert ring.changed()


def test_a_crash_while_it_was_written_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "sealing.key.new").write_bytes(b"half")
    ring = FileKeyring(tmp_path / "sealing.key")
    ring.add(PrivateKey.generate())
    assert len(ring.load()) == 1
