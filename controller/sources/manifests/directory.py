"""A directory of manifests as it stands at one moment. Blocking; runs beside the loop.

Read are regular files named ``*.yaml``, ``*.yml`` or ``*.json``, in nested directories too.
Hidden names are skipped (that includes what a ConfigMap volume keeps behind ``..data``) and so are
editors' temporary files. Symbolic links are followed, to a directory once: the root is resolved
first, so that one reading never mixes two targets of a swapped link.

Never raises for what is on the disk: what cannot be read is said in the answer, and a directory
that cannot be listed is not an empty one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from resources.document.reading import MAX_TEXT
from resources.errors import UserError

UNREADABLE = "CONFIGURATION_MANIFESTS_UNREADABLE"
ENDINGS = (".yaml", ".yml", ".json")

MAX_FILES = 20_000
MAX_BYTES = 128 << 20
"""All files together."""
MAX_DEPTH = 32


def unreadable(path: str, message: str, *suggestions: str) -> UserError:
    """message: a predicate of the path."""
    return UserError(
        UNREADABLE,
        f"{path} {message}",
        details={"file": path},
        suggestions=suggestions,
        retryable=True,
    )


@dataclass(frozen=True)
class Tree:
    """files: path below the root -> its bytes, or why it cannot be read. problems: of
    directories. reached: the root could be listed. A tree with problems is not whole."""

    files: Mapping[str, bytes | UserError] = field(default_factory=dict)
    problems: tuple[UserError, ...] = ()
    reached: bool = True

    @cached_property
    def mark(self) -> bytes:
        """Equal for equal trees."""
        digest = hashlib.sha256()
        for path, content in self.files.items():
            known = isinstance(content, bytes)
            body = content if isinstance(content, bytes) else content.message.encode()
            digest.update(path.encode(errors="surrogateescape"))
            digest.update(b"\0%d\0%d\0" % (known, len(body)) + body)
        for problem in self.problems:
            digest.update(b"\1" + problem.message.encode())
        return digest.digest()


def read_tree(directory: Path) -> Tree:
    walk = _Walk(str(directory))
    files: dict[str, bytes | UserError] = {}
    size = 0
    for path, place in walk.files():
        content = _content(place, walk.shown(path))
        files[path] = content
        size += len(content) if isinstance(content, bytes) else 0
        if len(files) > MAX_FILES or size > MAX_BYTES:
            walk.wrong("", f"holds more than {MAX_FILES} manifests or {MAX_BYTES >> 20} MiB")
            break
    return Tree(files, tuple(walk.problems), walk.reached)


def signature(directory: Path) -> bytes:
    """Changes when a file is added, removed, replaced or written to, as the clock of the
    filesystem can tell. Reads no contents: cheap enough for polling."""
    walk = _Walk(str(directory))
    digest = hashlib.sha256(walk.root.encode(errors="surrogateescape"))
    for path, place in walk.files():
        try:
            found = os.stat(place)
            facts = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        except OSError as error:
            facts = (error.errno or 0, 0, 0, 0)
        digest.update(path.encode(errors="surrogateescape") + repr(facts).encode())
    for problem in walk.problems:
        digest.update(problem.message.encode())
    return digest.digest()


def is_manifest(name: str) -> bool:
    """By its name: not hidden, not an editor's temporary file, one of the three endings."""
    return not name.startswith((".", "#", "~")) and name.lower().endswith(ENDINGS)


class _Walk:
    """Lists manifests in the order of their paths."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.root = os.path.realpath(directory)
        self.problems: list[UserError] = []
        self.reached = False
        self._visited: set[tuple[int, int]] = set()

    def shown(self, path: str) -> str:
        """As people wrote the root; printable whatever bytes are in the name."""
        joined = os.path.join(self._directory, path) if path else self._directory
        return joined.encode(errors="surrogateescape").decode(errors="replace")

    def wrong(self, path: str, why: str, *suggestions: str) -> None:
        self.problems.append(unreadable(self.shown(path), why, *suggestions))

    def files(self) -> Iterator[tuple[str, str]]:
        """(path below the root, path to open)"""
        yield from self._below("", self.root, 0)
        if self.reached and os.path.realpath(self._directory) != self.root:
            self.wrong("", "was replaced while it was read")

    def _below(self, path: str, place: str, depth: int) -> Iterator[tuple[str, str]]:
        entries = self._entries(path, place)
        if entries is None:
            return
        if depth == 0:
            self.reached = True
        for entry in entries:
            below = os.path.join(path, entry.name)
            if self._is_directory(entry):
                if entry.name.startswith("."):
                    continue
                if depth >= MAX_DEPTH:
                    self.wrong(below, f"lies deeper than {MAX_DEPTH} levels")
                    continue
                yield from self._below(below, entry.path, depth + 1)
            elif is_manifest(entry.name):
                yield below, entry.path

    def _entries(self, path: str, place: str) -> list[os.DirEntry[str]] | None:
        try:
            found = os.stat(place)
            identity = (found.st_dev, found.st_ino)
            if identity in self._visited:
                return None
            self._visited.add(identity)
            with os.scandir(place) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.wrong(path, _reason(error), *_advice(error))
            return None

    @staticmethod
    def _is_directory(entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError:
            return False


def _content(place: str, shown: str) -> bytes | UserError:
    """Opens without waiting, so that a named pipe blocks nobody. shown: its path for people."""
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return unreadable(shown, _reason(error), *_advice(error))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return unreadable(shown, "is not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            content = stream.read(MAX_TEXT + 1)
    except OSError as error:
        return unreadable(shown, _reason(error), *_advice(error))
    finally:
        os.close(handle)
    if len(content) > MAX_TEXT:
        return unreadable(shown, f"is larger than {MAX_TEXT >> 20} MiB")
    return content


def _reason(error: OSError) -> str:
    words = {
        errno.ENOENT: "does not exist",
        errno.EACCES: "may not be read",
        errno.EPERM: "may not be read",
        errno.ENOTDIR: "is not a directory",
        errno.ELOOP: "is a loop of symbolic links",
    }
    return words.get(error.errno or 0, f"cannot be read: {error.strerror or error}")


def _advice(error: OSError) -> tuple[str, ...]:
    if error.errno in (errno.EACCES, errno.EPERM):
        return ("let the controller's user read it",)
    if error.errno == errno.ENOENT:
        return ("check the path, and that it is mounted",)
    return ()
