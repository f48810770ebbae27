"""Documents as files in a directory that Traefik watches.

One file for each document, readable for us alone, replaced by renaming. What is there is read back
often, so only files whose status changed are opened. Files that are not ours are left alone and
named: one that Traefik cannot read keeps it from loading anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import structlog

from controller.ingress import leaf
from controller.ingress.base import Marker, Shelved
from controller.ingress.leaf import OWN, Leaf
from controller.ingress.watched import Watched
from controller.private_file import private_directory, write_private
from controller.store.base import Deposed
from resources.errors import UserError
from resources.routing.document import Document, rules, servers
from resources.routing.opening import names
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Published
from resources.sealed import Sealed

T = TypeVar("T")
log = structlog.get_logger("ingress")

SUFFIX = ".yml"
SECONDS = 15.0
"""One call."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,199}")
_READ = frozenset({".yml", ".yaml", ".toml", ".json"})
"""What Traefik would load, and a little more."""
_LARGEST = 8_000_000
"""Bytes of one file."""
ASTRAY = 60.0
"""Seconds for which what has gone may come again."""

_Status = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file as it was last read. found, shelved: None when it is nobody's."""

    status: _Status
    found: Leaf | None
    shelved: Shelved | None


class FilePublisher:
    """directory: made, mode 0700, when it is not there; so is the one that it is in. open_: of the
    vault. epoch: of our leadership, None while we do not lead. What writes raises Deposed."""

    def __init__(
        self,
        directory: Path,
        open_: Callable[[Sealed], str],
        epoch: Callable[[], int | None] = lambda: 0,
    ) -> None:
        self.directory = directory
        self._epoch = epoch
        self._open = open_
        self._workshop = directory.with_name(f"{directory.name}.new")
        self.watched = Watched(directory)
        self._tidied = False
        self._kept: dict[str, _Kept] = {}
        self._owners: dict[str, str] = {}
        self._astray: dict[str, float] = {}
        """By uid: since when its document is not what was written; monotonic."""
        self._alone = threading.Lock()
        """Held in the thread: one whose caller gave up may still be at work."""
        self.strangers: tuple[str, ...] = ()
        """Files in the directory that are not ours, as last seen."""

    async def publish(self, step: PublishRoutes) -> Shelved:
        return await self._soon(partial(self._publish, step.document), writes=True)

    async def withdraw(self, step: WithdrawRoutes) -> None:
        await self._soon(partial(self._withdraw, step.name, step.uid), writes=True)

    async def shelf(self) -> Mapping[str, Shelved]:
        return await self._soon(self._look)

    async def contents(self) -> list[Mapping[str, Any]]:
        """Of all documents, the constant one first. Raises UserError while some that were there
        have gone or were changed, and their owners have not published them anew."""
        await self._soon(self._look)
        self._require_all()
        whole = [(name, kept.found) for name, kept in sorted(self._kept.items())]
        return [found.content for _, found in whole if found is not None and found.digest]

    async def keep(self, content: Mapping[str, Any]) -> Marker:
        """Puts the constant document there; never empty. By what proxies show that they have it."""
        document = Document("platform", OWN, content)
        return (await self._soon(partial(self._publish, document), writes=True)).marker

    async def inherit(self, former: Path) -> int:
        """What another controller of this instance has published there, in the place of what we
        published before it; nothing where ours is newer. How many documents. Raises UserError."""
        return await self._soon(partial(self._inherit, former), writes=True)

    async def _soon(self, call: Callable[[], T], *, writes: bool = False) -> T:
        """A thread cannot be cancelled: one that still waits for its turn does nothing when its
        caller has gone, or when our term is over."""
        epoch, gone = self._epoch(), threading.Event()

        def alone() -> T:
            with self._alone:
                if gone.is_set():
                    raise TimeoutError
                if writes and (epoch is None or self._epoch() != epoch):
                    raise Deposed("not the leader any more")
                return call()

        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.to_thread(alone)
        except (OSError, TimeoutError) as error:
            raise self._unusable(error) from error
        finally:
            gone.set()

    def _unusable(self, error: OSError) -> UserError:
        reason = error.strerror or str(error) or "it takes too long"
        place = error.filename2 or error.filename or self.directory
        suggestions = ["check the state directory: its owner, mode and free space"]
        if isinstance(error, IsADirectoryError):
            suggestions = [f"remove the directory {place}: there is no room for the file"]
        return UserError(
            "CONFIGURATION_INGRESS_DIRECTORY",
            f"routes cannot be written to or read from {self.directory}: "
            + (reason if str(place) == str(self.directory) else f"{Path(place).name}: {reason}"),
            suggestions=suggestions,
            retryable=True,
        )

    # -- blocking
    def _publish(self, document: Document) -> Shelved:
        path = self._path(document.name)
        self._tidy()
        known = self._examined(path)
        if known is None or not _is(known.published, document):
            self._replace(path, self._written(document))
            known = self._examined(path)
        if known is None:
            raise UserError(
                "CONFIGURATION_INGRESS_DIRECTORY",
                f"{path} is not what was written there a moment ago",
                suggestions=["is anybody else at work in that directory?"],
                retryable=True,
            )
        self._astray.pop(document.uid, None)
        self._drop_others(document)
        return known

    def _written(self, document: Document) -> str:
        text = leaf.written(document, self._open, edition=token_hex(6))
        if len(text.encode()) > _LARGEST:
            raise UserError(
                "DOMAIN_DOCUMENT_INVALID",
                f"this cannot be published: it has more than {_LARGEST:,} bytes",
                suggestions=["declare it in several Domains"],
            )
        return text

    def _inherit(self, former: Path) -> int:
        """Whole, or as good as: all is written before anything is put in its place."""
        if _changed_at(former) <= _changed_at(self.directory):
            return 0
        theirs = {}
        for entry in _listed(former):
            name, extension = os.path.splitext(entry.name)
            text = _text(entry) if extension == SUFFIX and name != OWN else None
            if text is not None and (found := leaf.read(text)) and found.digest:
                theirs[name] = text
        self._look()
        fresh = {path: self._made(path, theirs[path.stem]) for path in map(self._path, theirs)}
        for path, made in fresh.items():
            made.rename(path)
        ours = {name for name, kept in self._kept.items() if kept.found is not None}
        self._remove(ours - {OWN, *theirs})
        return len(theirs)

    def _drop_others(self, document: Document) -> None:
        """An owner has one document."""
        if others := self._names_of(document.uid) - {document.name}:
            self._remove(others)

    def _withdraw(self, name: str, uid: str) -> None:
        self._astray.pop(uid, None)
        self._remove({name} | self._names_of(uid))

    def _names_of(self, uid: str) -> set[str]:
        return {name for name, owner in self._owners.items() if owner == uid}

    def _remove(self, names: set[str]) -> None:
        for name in names:
            self._path(name).unlink(missing_ok=True)
            self._kept.pop(name, None)
            self._owners.pop(name, None)
        self._sync()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UserError("DOMAIN_DOCUMENT_INVALID", f"{name!r} is no name of a document")
        return self.directory / f"{name}{SUFFIX}"

    def _replace(self, path: Path, text: str) -> None:
        self._made(path, text).rename(path)
        self._sync()

    def _made(self, path: Path, text: str) -> Path:
        """Made in a directory beside: Traefik reads *all* files again at each event in its own, and
        making a file there is three of them."""
        self.watched.note()
        for directory in (self.directory.parent, self.directory, self._workshop):
            private_directory(directory)
        self.watched.note()
        return write_private(self._workshop / path.name, text.encode())

    def _sync(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _look(self) -> Mapping[str, Shelved]:
        """A file that has lost its head is still its owner's, while we remember whose it was."""
        self._tidy()
        self.watched.note()
        shelf: dict[str, Shelved] = {}
        names, strangers = set(), []
        for entry in _listed(self.directory):
            name, extension = os.path.splitext(entry.name)
            if extension not in _READ:
                continue
            found = self._examined(entry) if extension == SUFFIX else None
            names.add(name)
            if found is None:
                strangers.append(entry.name)
            elif name != OWN:
                shelf[found.published.uid] = found
        for name in self._kept.keys() - names:
            self._astray.setdefault(self._owners.get(name, ""), time.monotonic())
            self._kept.pop(name, None)
            self._owners.pop(name, None)
        self._note_changed(shelf)
        self._tell_strangers(tuple(sorted(strangers)))
        return shelf

    def _tidy(self) -> None:
        """Removes what a controller that was killed has left half-written, keys in it."""
        if not self._tidied:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._workshop)
            self._tidied = True

    def _note_changed(self, shelf: Mapping[str, Shelved]) -> None:
        for uid, shelved in shelf.items():
            if shelved.published.digest:
                self._astray.pop(uid, None)
            else:
                self._astray.setdefault(uid, time.monotonic())
        for nobody in ("", "platform"):
            self._astray.pop(nobody, None)

    def _require_all(self) -> None:
        """Whoever is still astray after long has no routes any more."""
        horizon = time.monotonic() - ASTRAY
        if any(since > horizon for since in self._astray.values()):
            raise UserError(
                "CONFIGURATION_INGRESS_DIRECTORY",
                f"some of what was published has gone from {self.directory}, or was changed",
                suggestions=["it is published anew by itself, in seconds"],
                retryable=True,
            )

    def _tell_strangers(self, found: tuple[str, ...]) -> None:
        """Traefik loads them too, and they are left alone: somebody has to know."""
        if found and found != self.strangers:
            log.warning(
                "strange files among the routes: Traefik loads them too, and one that it cannot "
                "read keeps it from loading anything; move them away",
                directory=str(self.directory),
                files=list(found),
            )
        self.strangers = found

    def _examined(self, place: Path | os.DirEntry[str]) -> Shelved | None:
        """None: it is not there, or nobody's. Read only when it changed."""
        try:
            seen = os.lstat(place)
        except FileNotFoundError:
            return None
        name = place.name[: -len(SUFFIX)]
        if not stat.S_ISREG(seen.st_mode):
            self._kept.pop(name, None)
            return None
        status = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino)
        kept = self._kept.get(name)
        if kept is None or kept.status != status:
            found = self._read(Path(place))
            kept = _Kept(status, found, _shelved(name, found) if found is not None else None)
            self._kept[name] = kept
            if found is not None:
                self._owners[name] = found.uid
        return kept.shelved

    def _read(self, path: Path) -> Leaf | None:
        """One that cannot be read is its owner's too, and keeps no other from being read."""
        text = _text(path)
        found = leaf.read(text) if text is not None else None
        if found is None and (uid := self._owners.get(path.stem)) is not None:
            return Leaf(uid, "", {})
        return found


def _is(there: Published, document: Document) -> bool:
    return (there.uid, there.digest) == (document.uid, document.digest)


def _changed_at(directory: Path) -> int:
    """When a file came or went there, or was replaced; ns."""
    try:
        return directory.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _listed(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _text(place: os.DirEntry[str] | Path) -> str | None:
    """None: it is no file that could be ours. Nothing that might block is opened."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8") as opened:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode) or seen.st_size > _LARGEST:
                return None
            return opened.read(_LARGEST)
    except (OSError, UnicodeDecodeError):
        return None


def _shelved(name: str, found: Leaf) -> Shelved:
    routers: set[str] = set()
    backends: set[str] = set()
    for protocol in ("http", "tcp", "udp"):
        part = found.content.get(protocol)
        if isinstance(part, Mapping):
            routers.update(part.get("routers") or ())
            backends.update(part.get("services") or ())
    content = found.content if found.digest else {}
    published = Published(
        found.uid, name, found.digest, servers(content), rules(content), names(content)
    )
    edition = leaf.edition(name, content)
    return Shelved(published, frozenset(routers), frozenset(backends), edition)
