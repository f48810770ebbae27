"""One acting controller per store.

Theory: a session advisory lock on a connection of its own says who leads. The server drops that
session when it was idle for ``leader_timeout``; we stop acting earlier than that, counted from
the moment the last proof was *sent*, which is never later than when the server began to count.
So no moment exists in which the server gave the lock to another while we believe in it, however
slow or frozen we are (as long as clocks run at one speed). ``raise_epoch`` waits for the writes of
the former leader that are under way; later ones are refused by their epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from controller.store.base import StoreUnavailable
from controller.store.postgres.connection import Connection, Database
from controller.store.postgres.errors import FAILURES, translated

LOCK = 7563641  # the digits of "sky": the same class of locks as in schema/004_status.sql
MARGIN = 0.75  # of leader_timeout: then we give up, before the server does
_TRY = f"SELECT pg_catalog.pg_try_advisory_lock({LOCK}, 1)"
_PROOF = (
    "SELECT epoch = $1 AND EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory'"
    f" AND pid = pg_catalog.pg_backend_pid() AND classid = {LOCK} AND objid = 1 AND granted)"
    " FROM skyctl.identity"
)


def boot_time() -> float:
    """Seconds that also pass while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class PostgresLease:
    """Implements ``controller.store.base.Lease``."""

    def __init__(
        self, database: Database, process: str, now: Callable[[], float] = boot_time
    ) -> None:
        self._database = database
        self._process = process
        self._now = now
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._proved = float("-inf")
        self._epoch = 0

    @property
    def patience(self) -> float:
        """Seconds after the last proof for which we may act."""
        return self._database.settings.leader_timeout * MARGIN

    def fresh(self) -> bool:
        """May we act at this very moment?"""
        return (
            self._connection is not None
            and not self._lost.is_set()
            and self._now() - self._proved < self.patience
        )

    async def acquire(self) -> int:
        while True:
            with contextlib.suppress(StoreUnavailable):
                if self._connection is None:
                    await self._connect()
                if await self._try():
                    return self._epoch
            await asyncio.sleep(self._database.settings.leader_beat)

    async def _connect(self) -> None:
        idle = str(max(1, int(self._database.settings.leader_timeout * 1000)))
        self._lost = asyncio.Event()
        connection = await self._database.dedicated(
            f"leader {self._process}"[:60], idle_session_timeout=idle
        )
        connection.add_termination_listener(lambda _: self._lost.set())
        self._connection = connection

    async def _try(self) -> bool:
        assert self._connection is not None
        try:
            with translated():
                if not await self._connection.fetchval(_TRY):
                    return False
                sent = self._now()
                self._epoch = int(await self._connection.fetchval("SELECT skyctl.raise_epoch()"))
        except BaseException:
            self._drop()
            raise
        self._proved = sent
        return True

    async def hold(self) -> None:
        while self.fresh() and await self._beat():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._database.settings.leader_beat):
                    await self._lost.wait()
        self._drop()

    async def _beat(self) -> bool:
        """One proof, within what is left of our time."""
        assert self._connection is not None
        sent = self._now()
        left = self._proved + self.patience - sent
        try:
            async with asyncio.timeout(left):
                proved = await self._connection.fetchval(_PROOF, self._epoch)
        except FAILURES:
            return False
        if proved:
            self._proved = sent
        return bool(proved)

    def _drop(self) -> None:
        self._proved = float("-inf")
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def release(self) -> None:
        """The lock goes at once, so that a successor need not wait for a timeout."""
        connection, self._connection = self._connection, None
        self._proved = float("-inf")
        if connection is None:
            return
        try:
            await connection.close(timeout=1.0)
        except FAILURES:
            connection.terminate()
