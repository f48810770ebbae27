"""Hearing changes: LISTEN on a connection of its own, proved alive by a canary.

Notifications are hints, kept in ``Unread`` until somebody reads them. A connection that is open
but deaf (a frozen server, a dropped route) shows by the canary that does not return.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from controller.store.base import Change, StoreUnavailable
from controller.store.beside import beside
from controller.store.postgres.connection import Connection, Database
from controller.store.postgres.errors import translated
from controller.store.unread import LIMIT, Unread
from resources.meta import Key

RESOURCES = "skyctl_resources"
GUARD = "skyctl_guard"


class Canary:
    """Notifies itself and waits to hear it."""

    def __init__(self, connection: Connection, interval: float, patience: float) -> None:
        self._connection = connection
        self._interval = interval
        self._patience = patience
        self.channel = f"skyctl_canary_{secrets.token_hex(6)}"
        self._token = ""
        self._returned = asyncio.Event()

    def hear(self, payload: str) -> None:
        if payload == self._token:
            self._returned.set()

    async def sing(self) -> None:
        """Raises StoreUnavailable once it does not return in time."""
        while True:
            self._returned.clear()
            self._token = secrets.token_hex(8)
            with translated():
                async with asyncio.timeout(self._patience):
                    await self._connection.execute(
                        "SELECT pg_catalog.pg_notify($1, $2)", self.channel, self._token
                    )
                    await self._returned.wait()
            await asyncio.sleep(self._interval)


@asynccontextmanager
async def listening(database: Database, limit: int = LIMIT) -> AsyncIterator[AsyncIterator[Change]]:
    """Entered: every change committed from now on will be yielded, or reported as missed."""
    connection = await database.dedicated("listener")
    unread = Unread(limit)
    settings = database.settings
    canary = Canary(
        connection, settings.canary_interval, min(settings.canary_interval, database.timeout)
    )
    try:
        connection.add_termination_listener(
            lambda _: unread.fail(StoreUnavailable("the listening connection was lost"))
        )
        with translated():
            for channel, hear in (
                (RESOURCES, _hear_key(unread)),
                (GUARD, lambda payload: unread.missed(f"guard: {payload}")),
                (canary.channel, canary.hear),
            ):
                await connection.add_listener(channel, _callback(hear))
        async with beside(_sing(canary, unread), name="store canary"):
            yield unread.read()
    finally:
        connection.terminate()


async def _sing(canary: Canary, unread: Unread) -> None:
    try:
        await canary.sing()
    except StoreUnavailable as failure:
        unread.fail(failure)
    except Exception as failure:
        unread.fail(StoreUnavailable(f"the canary failed: {failure!r}"))
        raise


def _hear_key(unread: Unread) -> Callable[[str], None]:
    def hear(payload: str) -> None:
        try:
            key = Key.parse(payload)
        except ValueError:  # anybody may notify; what is no key is no news
            return
        unread.heard(key)

    return hear


def _callback(hear: Callable[[str], None]) -> Callable[..., None]:
    def callback(connection: Any, pid: int, channel: str, payload: object) -> None:
        hear(str(payload))

    return callback
