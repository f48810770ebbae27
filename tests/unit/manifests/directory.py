"""A directory of manifests on disk, and a source that follows it, for the tests."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controller.sealing import Vault
from controller.settings import Settings
from controller.sources.manifests import ManifestSource, Timing
from controller.store.base import source_key
from resources.meta import Key, Resource
from resources.store_steps import Finalize
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.store import FakeStore

EPOCH = 1
FAST = Timing(
    settle=0.01, patience=0.5, absence=0.1, poll=0.1, resync=0.5, retry=(0.02, 0.1), deadline=5
)
DEADLINE = 10.0


def service(name: str, image: str = "nginx:1", organization: str = "acme") -> str:
    return (
        f"apiVersion: skypanel.io/v1\nkind: Service\n"
        f"metadata:\n  name: {name}\n  organization: {organization}\n"
        f"spec:\n  image: {image}\n"
    )


def organization(name: str = "acme") -> str:
    return f"apiVersion: skypanel.io/v1\nkind: Organization\nmetadata:\n  name: {name}\n"


def key(name: str) -> Key:
    return Key("Service", "acme", name)


def services(*names: str) -> str:
    return "---\n".join(service(name) for name in names)


class Desk:
    """A directory, a store, and whoever leads. ``rows`` are those that are not being deleted."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self.store = FakeStore(before=self._before)
        self.operations: Counter[str] = Counter()
        self.faults: dict[str, Exception] = {}
        self.store.database.epoch = EPOCH
        self.leading: int | None = EPOCH
        self.keyring = MemoryKeyring(1)
        self.vault = Vault(self.store, self.keyring)
        self.vault.load()
        bound = self.keyring.keys[0].public
        self.store.database.sealing_keys[bound.id] = bound
        self.store.database.sealing_key_id = bound.id
        self.timing = FAST
        self.settings = Settings(state_dir=directory.parent, **settings)
        self.source = self.another()

    async def _before(self, op: str, *what: Any) -> None:
        self.operations[op] += 1
        if op in self.faults:
            raise self.faults[op]

    def another(self, name: str = "main", directory: Path | None = None) -> ManifestSource:
        """A source as after a restart, or one of another directory."""
        return ManifestSource(
            name,
            directory or self.directory,
            store=self.store,
            settings=self.settings,
            epoch=lambda: self.leading,
            vault=self.vault,
            timing=self.timing,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, text: str) -> None:
        """Atomically, as good editors do."""
        temporary = self.write(f".{name}.tmp", text)
        os.rename(temporary, self.directory / name)

    @property
    def resources(self) -> dict[Key, Resource]:
        return {k: e.resource for k, e in self.store.database.entries.items()}

    @property
    def rows(self) -> set[str]:
        return {k.name for k, r in self.resources.items() if not r.deleting}

    @property
    def leaving(self) -> set[str]:
        return {k.name for k, r in self.resources.items() if r.deleting}

    async def clear(self) -> None:
        """As the controller does when the engine has nothing left of them."""
        for resource in list(self.resources.values()):
            if resource.deleting:
                step = Finalize(cause="test")
                await self.store.record(resource.uid, [step], epoch=EPOCH)

    def image(self, name: str) -> Any:
        return self.resources[key(name)].spec["image"]

    @property
    def held_states(self) -> list[str]:
        return [held.state for held in self.store.database.held.values()]

    def codes(self, source: ManifestSource | None = None) -> set[str]:
        return {problem.error.code for problem in (source or self.source).problems}

    def told(self, source: ManifestSource) -> list[str]:
        """The events of the source itself."""
        events = self.store.database.events
        return [e.message for e in events.values() if e.key == source_key(source.source)]

    @asynccontextmanager
    async def running(self, source: ManifestSource | None = None) -> AsyncIterator[ManifestSource]:
        source = source or self.source
        async with asyncio.TaskGroup() as group:
            task = group.create_task(source.run())
            try:
                yield source
            finally:
                task.cancel()


async def until(condition: Callable[[], bool], what: str = "") -> None:
    """Fails when it does not come true within the deadline."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - any condition, not one that an event tells
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE} s: {what or condition}") from None


async def passes(desk: Desk, source: ManifestSource, number: int = 3) -> None:
    """Until so many more passes are complete: when the next one reads, this one has ended."""
    goal = desk.operations["entries"] + number + 1
    async with asyncio.timeout(DEADLINE):
        while desk.operations["entries"] < goal:
            source.wake()
            await asyncio.sleep(0.01)


async def outlast(desk: Desk, source: ManifestSource) -> None:
    """Until absence has lasted longer than it has to, and was looked at since."""
    await asyncio.sleep(FAST.absence * 1.5)
    await passes(desk, source)
