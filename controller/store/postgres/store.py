"""``PostgresStore``: the parts put together, and how it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from controller.settings import Settings
from controller.store.base import Change, Lease
from controller.store.postgres.connection import Database
from controller.store.postgres.image_access import Accessing
from controller.store.postgres.leadership import PostgresLease
from controller.store.postgres.listening import listening
from controller.store.postgres.migrations import migrate
from controller.store.postgres.sealing import Sealing

MIGRATION_TIMEOUT = 120.0  # seconds for one file, waiting for another process included


class PostgresStore(Sealing, Accessing):
    """Implements ``controller.store.base.Store``."""

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return listening(self._database)

    def leadership(self, process: str) -> Lease:
        return PostgresLease(self._database, process)

    async def close(self) -> None:
        await self._database.close()


async def open_store(settings: Settings, database_url: str) -> PostgresStore:
    """Checks the server, brings the schema up to date, opens the pool.

    Raises StoreUnavailable when nothing answers, UserError CONFIGURATION_* when it will not do.
    """
    database = Database(database_url, settings)
    connection = await database.first_contact()
    try:
        async with asyncio.timeout(MIGRATION_TIMEOUT * 2):
            await migrate(connection, timeout=MIGRATION_TIMEOUT)
            instance = await connection.fetchval("SELECT instance FROM skyctl.identity")
    finally:
        connection.terminate()
    await database.open_pool()
    return PostgresStore(database, str(instance))
