"""A directory read until it stands still, and its files understood.

Writers are not atomic: an editor truncates and fills, a checkout goes file by file. So a reading
counts only when a second one, a moment later, is equal to it. Where something never stands
still, the files that do are taken and the others count as unreadable.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.settings import Settings
from controller.sources.manifests.blocking import Blocking
from controller.sources.manifests.declaration import FileReading
from controller.sources.manifests.directory import Tree, read_tree, signature, unreadable
from resources.document import parse
from resources.errors import UserError


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds.

    settle: two equal readings this far apart count. patience: how long to try for them.
    absence: what is gone must be gone this long before its deletion is decided; a set that
    changes starts anew. poll: the directory is looked at this often even when nothing hints at
    a change. resync: everything is compared with the store this often. retry: first and longest
    wait after a refusal that may pass, or without a store. deadline: of one reading.
    """

    settle: float = 0.1
    patience: float = 5.0
    absence: float = 1.0
    poll: float = 5.0
    resync: float = 60.0
    retry: tuple[float, float] = (0.5, 10.0)
    deadline: float = 30.0

    @classmethod
    def of(cls, settings: Settings) -> Timing:
        return cls(
            absence=settings.manifest_absence,
            poll=settings.manifest_poll,
            resync=settings.resync_interval,
        )


@dataclass(frozen=True, slots=True)
class DirectoryReading:
    """tree: what was read. files: understood; a file whose bytes are known is parsed once."""

    tree: Tree
    files: Mapping[str, FileReading]


class Reader:
    def __init__(self, directory: Path, timing: Timing) -> None:
        self._directory = directory
        self._timing = timing
        self._trees: Blocking[Tree] = Blocking("manifests-read")
        self._signatures: Blocking[bytes] = Blocking("manifests-poll")
        self._readings: Blocking[dict[str, FileReading]] = Blocking("manifests-parse")
        self._known: dict[str, tuple[bytes, FileReading]] = {}
        self._signature: bytes | None = None

    async def read(self) -> DirectoryReading:
        """Never raises for what the directory holds, nor for one that does not answer."""
        try:
            self._signature = await self._sign()
            tree = await self._still()
            files = await self._readings.call(lambda: self._understand(tree), self._timing.deadline)
        except TimeoutError:
            self._signature = None
            problem = unreadable(str(self._directory), "does not answer", "is its mount alive?")
            return DirectoryReading(Tree(problems=(problem,), reached=False), {})
        return DirectoryReading(tree, files)

    async def changed(self) -> bool:
        """Does it look different from when it was last read?"""
        try:
            return await self._sign() != self._signature
        except TimeoutError:
            return True

    async def _sign(self) -> bytes:
        return await self._signatures.call(
            lambda: signature(self._directory), self._timing.deadline
        )

    async def _tree(self) -> Tree:
        return await self._trees.call(lambda: read_tree(self._directory), self._timing.deadline)

    async def _still(self) -> Tree:
        """Until two readings in a row are equal, or patience ends."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timing.patience
        before = await self._tree()
        while True:
            await asyncio.sleep(self._timing.settle)
            tree = await self._tree()
            if tree.mark == before.mark:
                return tree
            if loop.time() >= end:
                return self._restless(before, tree)
            before = tree

    def _restless(self, before: Tree, now: Tree) -> Tree:
        why = "does not stand still"
        files: dict[str, bytes | UserError] = {}
        for path, content in now.files.items():
            same = before.files.get(path) == content
            files[path] = content if same else unreadable(str(self._directory / path), why)
        root = unreadable(str(self._directory), why, "is something writing there all the time?")
        return Tree(files, (*now.problems, root), now.reached)

    def _understand(self, tree: Tree) -> dict[str, FileReading]:
        found = {path: self._file(path, content) for path, content in tree.files.items()}
        self._known = {path: known for path, known in self._known.items() if path in found}
        return found

    def _file(self, path: str, content: bytes | UserError) -> FileReading:
        if isinstance(content, UserError):
            return FileReading.unreadable(content)
        mark = hashlib.sha256(content).digest()
        known = self._known.get(path)
        if known is not None and known[0] == mark:
            return known[1]
        reading = FileReading.of(parse(content, str(self._directory / path)), content)
        self._known[path] = (mark, reading)
        return reading
