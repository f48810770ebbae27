"""Raw SQL, as the panel's backend writes it, on a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from controller.store.postgres import PostgresStore, open_store
from controller.store.postgres.connection import prepare
from tests.databases import (
    PANEL,
    PANEL_PASSWORD,
    TestServer,
    postgres_server,
    programs_of,
    quick,
    versions,
)

VERSIONS = versions() if os.environ.get("SKYCTL_TORTURE") else versions()[:1]


@pytest.fixture(scope="session", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    with postgres_server(programs_of(request.param)) as started:
        yield started


@dataclass
class Site:
    """admin: the superuser. panel: a login that is a member of skyctl_backend. store: ours."""

    server: TestServer
    name: str
    admin: Any
    panel: Any
    store: PostgresStore

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    async def connect(self, user: str | None = None, password: str = "") -> Any:
        connection = await asyncpg.connect(self.server.url(self.name, user, password))
        await prepare(connection)
        return connection


@pytest.fixture
async def site(server: TestServer) -> AsyncIterator[Site]:
    name = await server.emptied()
    store = await open_store(quick(), server.url(name))
    made = Site(server, name, None, None, store)
    made.admin = await made.connect()
    made.panel = await made.connect(PANEL, PANEL_PASSWORD)
    yield made
    await store.close()
    for connection in (made.admin, made.panel):
        connection.terminate()


@pytest.fixture
async def panel(site: Site) -> Any:
    return site.panel


@pytest.fixture
async def epoch(site: Site) -> AsyncIterator[int]:
    lease = site.store.leadership("test")
    yield await lease.acquire()
    await lease.release()
