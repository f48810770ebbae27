"""The file with the private keys: one a line, the newest first, for our eyes only.

It is made once, whole and durable or not at all, and never overwritten by something else: what is
sealed for a key that is lost is lost.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from controller.private_file import write_private
from controller.sealing.box import PrivateKey
from resources.errors import UserError

log = structlog.get_logger("sealing")

_HEADER = "# Private keys of skyctl's secrets, newest first. Keep a copy where the backups are not."
_SIZE = 32
_LIMIT = 64 * 1024


class Keyring(Protocol):
    place: str
    """For people: where the keys are."""

    def load(self) -> Mapping[str, PrivateKey]:
        """By id, newest first; empty when there is no file. Raises UserError."""
        ...

    def add(self, key: PrivateKey) -> None:
        """The newest from now on. Raises UserError."""
        ...

    def changed(self) -> bool:
        """Has anything happened to it since ``load``?"""
        ...


class FileKeyring:
    """Implements ``Keyring``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = str(path)
        self._mark: tuple[int, ...] | None = None

    def load(self) -> Mapping[str, PrivateKey]:
        self._mark = self._looks()
        if self._mark is None:
            return {}
        try:
            text = self._path.read_bytes()[:_LIMIT].decode("ascii")
            mode = stat.S_IMODE(self._path.stat().st_mode)
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(self.place, str(error)) from error
        if mode & 0o077:
            log.warning("the key file can be read by others", file=self.place, mode=f"{mode:04o}")
        lines = (line.strip() for line in text.splitlines())
        keys = [_key(line, self.place) for line in lines if line and not line.startswith("#")]
        if not keys:
            raise _unusable(self.place, "it holds no key")
        return {key.id: key for key in keys}

    def add(self, key: PrivateKey) -> None:
        keys = [key, *(other for other in self.load().values() if other.id != key.id)]
        lines = [_HEADER, *(base64.b64encode(each.seed).decode() for each in keys)]
        try:
            self._write(("\n".join(lines) + "\n").encode())
        except OSError as error:
            raise _unusable(self.place, str(error)) from error
        self._mark = self._looks()

    def changed(self) -> bool:
        return self._looks() != self._mark

    def _write(self, content: bytes) -> None:
        """Under another name first: a file that is there is whole, and is on the disk."""
        write_private(self._path.with_name(self._path.name + ".new"), content).rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _looks(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return (error.errno or 0,)
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def _key(line: str, place: str) -> PrivateKey:
    try:
        seed = base64.b64decode(line, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != _SIZE:
        raise _unusable(place, "a line of it is no key")
    return PrivateKey(seed)


def _unusable(place: str, why: str) -> UserError:
    return UserError(
        "SECRET_KEY_FILE",
        f"the key file {place} cannot be used: {why}",
        details={"file": place},
        suggestions=["bring it back from its copy", "SKYCTL_KEY_FILE says where it is"],
    )
