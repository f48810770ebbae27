"""The same cases against the fake, the embedded PostgreSQL, and the system's where there is one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field

import pytest

from controller.store.base import Store
from controller.store.postgres import open_store
from tests.databases import TestServer, postgres_server, programs_of, quick, versions
from tests.fakes.store import FakeDatabase, FakeStore


@dataclass
class Shared:
    """One database; ``open`` gives another client of it."""

    kind: str
    open: Callable[[], Awaitable[Store]]
    url: str = ""
    fake: FakeDatabase | None = None
    stores: list[Store] = field(default_factory=list)


class Servers:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, TestServer] = {}

    def get(self, version: str) -> TestServer:
        if version not in self._started:
            server = self._stack.enter_context(postgres_server(programs_of(version)))
            self._started[version] = server
        return self._started[version]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


SAMPLE = "test_store_writes"  # what also runs on the system's PostgreSQL in the short form


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shared" not in metafunc.fixturenames:
        return
    full = bool(os.environ.get("SKYCTL_TORTURE")) or metafunc.module.__name__.endswith(SAMPLE)
    chosen = [v for v in versions() if v == "embedded" or full]
    marked = [pytest.param(v, id=f"postgres-{v}", marks=pytest.mark.postgres) for v in chosen]
    metafunc.parametrize("shared", [pytest.param("fake", id="fake"), *marked], indirect=True)


@pytest.fixture
async def shared(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Shared]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield _fake()
            return
        server = servers.get(request.param)
        url = server.url(await server.emptied())

        async def another() -> Store:
            store = await open_store(quick(), url)
            stack.push_async_callback(store.close)
            return store

        yield Shared(request.param, another, url)


def _fake() -> Shared:
    settings = quick()
    database = FakeDatabase(
        leader_timeout=settings.leader_timeout, leader_beat=settings.leader_beat
    )

    async def another() -> Store:
        return FakeStore(database)

    return Shared("fake", another, fake=database)


@pytest.fixture
async def store(shared: Shared) -> Store:
    return await shared.open()


@pytest.fixture
async def epoch(store: Store) -> AsyncIterator[int]:
    """We lead."""
    lease = store.leadership("test")
    yield await lease.acquire()
    await lease.release()
