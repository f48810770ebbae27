"""Real PostgreSQL servers for tests: private, one per version, a new database each time.

The embedded binaries always; PostgreSQL 15 of the system where it is installed. A database is a
copy of one that has the schema, made in some tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from controller.settings import Settings
from controller.store.embedded import is_available
from controller.store.embedded.account import server_account
from controller.store.embedded.cluster import INITDB, OPTIONS, Cluster
from controller.store.embedded.programs import Programs, bundled, bundled_version, version_of
from controller.store.embedded.server import Server
from controller.store.postgres import open_store

SYSTEM_15 = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "with_schema"
PANEL, PANEL_PASSWORD = "panel", "panel"


def _run(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: a fixture may be set up inside a running loop."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


def quick(**changes: Any) -> Settings:
    """Settings whose intervals suit a test."""
    values: dict[str, Any] = {
        "state_dir": Path("/nonexistent"),
        "store_timeout": 5.0,
        "canary_interval": 0.2,
        "leader_beat": 0.1,
        "leader_timeout": 1.2,
    }
    return Settings(**values | changes)


_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE
  kept text;
BEGIN
  FOR kept IN SELECT relname FROM pg_class
    WHERE relnamespace = 'skyctl'::regnamespace AND relkind = 'r'
      AND relname NOT IN ('schema_versions', 'identity')
  LOOP
    EXECUTE format('DELETE FROM skyctl.%I', kept);
  END LOOP;
END
$$;
UPDATE skyctl.identity SET engine_id = NULL, epoch = 0;
"""


class TestServer:
    """A server of a session. ``database()`` gives the URL of a new database with the schema."""

    __test__ = False

    def __init__(self, cluster: Cluster, server: Server) -> None:
        self.cluster = cluster
        self.server = server
        self._numbers = itertools.count(1)
        self._shared: str | None = None

    def url(self, database: str, user: str | None = None, password: str = "") -> str:
        url = self.cluster.url(database)
        if user is None:
            return url
        return f"postgresql://{user}:{password}@{url.partition('@')[2]}"

    async def prepare(self) -> None:
        admin = await asyncpg.connect(self.url("postgres"))
        await admin.execute(f"CREATE DATABASE {TEMPLATE}")
        store = await open_store(quick(), self.url(TEMPLATE))
        await store.close()
        await admin.execute(f"CREATE ROLE {PANEL} LOGIN PASSWORD '{PANEL_PASSWORD}'")
        await admin.execute(f"GRANT skyctl_backend TO {PANEL}")
        await admin.close()

    async def database(self, template: str = TEMPLATE) -> str:
        """The name of a new database."""
        name = f"t{next(self._numbers)}"
        admin = await asyncpg.connect(self.url("postgres"))
        try:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        finally:
            await admin.close()
        return name

    async def emptied(self) -> str:
        """The name of one database, empty as new but for its instance id: much quicker."""
        if self._shared is None:
            self._shared = await self.database()
        admin = await asyncpg.connect(self.url(self._shared))
        try:
            await admin.execute(_EMPTY)
        finally:
            await admin.close()
        return self._shared

    async def drop(self, name: str) -> None:
        admin = await asyncpg.connect(self.url("postgres"))
        try:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await admin.close()


def forget_durability() -> None:
    """Servers of this process need not survive the machine: no waiting for the disk."""
    OPTIONS["fsync"] = "off"
    if "--no-sync" not in INITDB:
        INITDB.append("--no-sync")


@contextmanager
def postgres_server(
    programs: Programs | None = None, *, prepared: bool = True
) -> Iterator[TestServer]:
    """programs None: the embedded ones. prepared: with roles, the template, the panel's login."""
    forget_durability()
    home = Path(tempfile.mkdtemp(prefix="skyctl-test-pg-"))
    home.chmod(0o711)
    account = server_account(home / "data")
    cluster = Cluster(home, account, bundled_version())
    cluster.__dict__["programs"] = programs or bundled(home, cluster.version)
    cluster.initialize(cluster.data)
    server = Server(cluster)
    _run(server.start())
    try:
        tested = TestServer(cluster, server)
        if prepared:
            _run(tested.prepare())
        yield tested
    finally:
        if server.pid is not None:
            os.kill(server.pid, signal.SIGQUIT)
        _run(server.stop())
        cluster.forget_run()
        shutil.rmtree(home, ignore_errors=True)


def versions() -> list[str]:
    """What can be run here."""
    found = ["embedded"] if is_available() else []
    return [*found, "15"] if (SYSTEM_15 / "postgres").exists() else found


def programs_of(version: str) -> Programs | None:
    return None if version == "embedded" else Programs(SYSTEM_15, version_of(SYSTEM_15))
