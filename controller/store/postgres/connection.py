"""Connections: how each is set up, the pool, and one deadline around each operation.

A connection through a pooler (PgBouncer and its like) is refused: listening and the leader's lock
are bound to a real session. It shows in the process id, which a pooler makes up. A connection
that was interrupted in the middle of something is thrown away, never reused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg  # type: ignore[import-untyped]
import orjson

from controller.settings import Settings
from controller.store.base import StoreUnavailable
from controller.store.postgres.errors import FAILURES, meaning, translated
from resources.errors import UserError

Connection: TypeAlias = Any  # asyncpg is not typed
Session: TypeAlias = Any

MINIMUM_VERSION = 14  # idle_session_timeout, CREATE OR REPLACE TRIGGER
POOL_SIZE = 4  # each costs the server a process with caches of its own; statements are short
_PLANS = {"plan_cache_mode": "force_generic_plan"}
"""Everything asked through the pool goes by keys: planned once for each connection."""
_ACCESS = frozenset({"28000", "28P01", "3D000", "42501"})


def encode_json(value: Any) -> bytes:
    """As PostgreSQL's binary jsonb: a version byte, then the text."""
    return b"\x01" + orjson.dumps(value)


def decode_json(data: bytes) -> Any:
    """Never fails: jsonb holds numbers that no float can, and one row must not hide the rest."""
    text = data[1:]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text, parse_int=float)
        except (ValueError, RecursionError):
            return {"undecodable": True}


async def prepare(connection: Any) -> None:
    """Codecs of a new connection: JSON by orjson; UUIDs and networks as text."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=encode_json, decoder=decode_json
    )
    for name in ("uuid", "cidr"):
        await connection.set_type_codec(
            name, schema="pg_catalog", format="text", encoder=str, decoder=str
        )


def _server_settings(settings: Settings, purpose: str) -> dict[str, str]:
    """``idle_in_transaction``: a frozen controller must not hold a lock in an open transaction."""
    return {
        "application_name": f"skyctl {purpose}",
        "statement_timeout": _milliseconds(settings.store_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(settings.leader_timeout),
        "timezone": "UTC",
        "jit": "off",
    }


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))


class Database:
    """One database: its address, its pool, its deadlines."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.timeout = settings.store_timeout
        self._pool: Any = None

    async def first_contact(self) -> Connection:
        """A plain connection for the start. Raises UserError CONFIGURATION_* when the address,
        the account or the server will not do, StoreUnavailable when nothing answers."""
        try:
            connection = await asyncpg.connect(self.url, timeout=self.timeout)
        except asyncpg.PostgresError as error:
            if error.sqlstate in _ACCESS:
                raise UserError(
                    "CONFIGURATION_DATABASE_ACCESS",
                    f"the database refuses us: {error}",
                    suggestions=["check user, password and database name of --database-url"],
                ) from error
            raise meaning(error) from error
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise UserError(
                "CONFIGURATION_DATABASE_URL",
                f"the database URL is not usable: {error}",
                suggestions=["write postgresql://USER:PASSWORD@HOST:5432/DATABASE"],
            ) from error
        except FAILURES as error:
            raise StoreUnavailable(f"no database answers: {error}") from error
        try:
            with translated():
                await prepare(connection)
                await self._check(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _check(self, connection: Connection) -> None:
        await refuse_pooler(connection)
        if connection.get_server_version().major < MINIMUM_VERSION:
            raise UserError(
                "CONFIGURATION_DATABASE_VERSION",
                f"PostgreSQL {connection.get_server_version().major} is too old",
                suggestions=[f"use PostgreSQL {MINIMUM_VERSION} or newer"],
            )
        if await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()"):
            raise StoreUnavailable("the database is a read-only standby")

    async def open_pool(self) -> None:
        with translated():
            self._pool = await asyncpg.create_pool(
                self.url,
                min_size=0,
                max_size=POOL_SIZE,
                timeout=self.timeout,
                command_timeout=self.timeout,
                init=prepare,
                reset=_no_reset,
                target_session_attrs="read-write",
                server_settings=_server_settings(self.settings, "store") | _PLANS,
            )

    async def dedicated(self, purpose: str, **server_settings: str) -> Connection:
        """A connection outside the pool; the caller closes it. Raises StoreUnavailable."""
        with translated():
            connection = await asyncpg.connect(
                self.url,
                timeout=self.timeout,
                command_timeout=self.timeout,
                target_session_attrs="read-write",
                server_settings=_server_settings(self.settings, purpose) | server_settings,
            )
            try:
                await prepare(connection)
                await refuse_pooler(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection of the pool, with the deadline of one operation around the body."""
        with translated():
            async with asyncio.timeout(self.timeout):
                connection = await self._pool.acquire()
                try:
                    yield connection
                except (asyncio.CancelledError, TimeoutError):
                    connection.terminate()
                    raise
                finally:
                    await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(
        self, *, source: str, actor: str | None = None, epoch: int | None = None
    ) -> AsyncIterator[Session]:
        """source, actor: as whom we write. epoch: raises Deposed when another one leads."""
        async with self.session() as connection, connection.transaction():
            await connection.execute(
                "SELECT set_config('skyctl.source', $1, true),"
                " set_config('skyctl.actor', $2, true)",
                source,
                actor or ("" if source == "*" else source),
            )
            if epoch is not None:
                await connection.execute("SELECT skyctl.check_epoch($1)", epoch)
            yield connection

    @asynccontextmanager
    async def leading(self, epoch: int, *, lasting: bool = True) -> AsyncIterator[Session]:
        """A transaction of the leader's, begun and proved in one round trip. lasting False: the
        server need not have it on disk to answer; a crash of the server may lose it, but never
        without everything that was committed later. Raises Deposed when another one leads."""
        async with self.session() as connection:
            commit = "" if lasting else "; SET LOCAL synchronous_commit = off"
            try:
                await connection.execute(f"BEGIN; SELECT skyctl.check_epoch({epoch:d}){commit}")
                yield connection
                await connection.execute("COMMIT")
            except (asyncio.CancelledError, TimeoutError):
                raise  # the connection is thrown away
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise

    async def close(self) -> None:
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(self.timeout):
                await self._pool.close()
        except FAILURES:
            self._pool.terminate()


async def refuse_pooler(connection: Connection) -> None:
    """Raises UserError CONFIGURATION_POOLER when a pooler sits between us and the server."""
    if await connection.fetchval("SELECT pg_catalog.pg_backend_pid()") != (
        connection.get_server_pid()
    ):
        raise UserError(
            "CONFIGURATION_POOLER",
            "the database URL leads through a connection pooler, where neither the leader's lock"
            " nor notifications work",
            suggestions=["give the address of PostgreSQL itself, usually port 5432"],
        )


async def _no_reset(connection: Any) -> None:
    """Nothing to reset: settings are made per transaction only."""
