"""What every row needs: the program, rows in its database, and the engine's own events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.processes import Usage, usage
from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, short_directory

Connection = Any
POLL = 0.2
_READY = "ready AND settled"
_SERVES = "(status->>'readyReplicas' = status->>'replicas' OR (kind <> 'Service' AND ready))"
"""It runs and is well; whether it stays so shows only later."""
_PENDING = """
SELECT kind || '/' || organization || '/' || name FROM skyctl.resource_view
WHERE ({reached}) IS NOT TRUE AND phase IS DISTINCT FROM 'Deleting'
AND ($1 = '' OR organization = $1)
"""
_REACHED = """
SELECT {reached} FROM skyctl.resource_view
WHERE kind = $1 AND organization = $2 AND name = $3
"""


@dataclass(frozen=True)
class Rig:
    """engine: path of its socket. pairs: interleaved repetitions. services: of one convergence.
    standing: containers that are there in the rows about idleness."""

    engine: str
    image: str
    pairs: int
    services: int = 50
    standing: int = 200
    say: Callable[[str], None] = print

    @property
    def host(self) -> str:
        return f"unix://{self.engine}"


@dataclass
class Running:
    """A program that leads, and a connection to its database."""

    program: Program
    sql: Connection

    def usage(self) -> Usage:
        assert self.program.process is not None
        pidfile = (self.program.state_dir / "postgres").resolve() / "data" / "postmaster.pid"
        return usage(self.program.process.pid, int(pidfile.read_text().split()[0]))

    async def commit(self, *statements: str) -> float:
        """In one transaction; the moment (monotonic seconds) right before COMMIT was sent."""
        transaction = self.sql.transaction()
        await transaction.start()
        for statement in statements:
            await self.sql.execute(statement)
        moment = time.perf_counter()
        await transaction.commit()
        return moment

    async def ready(self, seconds: float = 600.0, organization: str = "") -> float:
        """Waits until every row (of the organization) is Ready at its newest generation; returns
        that moment. As the panel would: told by the channel of status changes which row to look
        at."""
        return await self._reached(_READY, seconds, organization)

    async def serves(self, seconds: float = 600.0) -> float:
        """As ``ready``, until every replica of every row serves."""
        return await self._reached(_SERVES, seconds, "")

    async def _reached(self, what: str, seconds: float, organization: str) -> float:
        rows, reached = (text.format(reached=what) for text in (_PENDING, _REACHED))
        heard: asyncio.Queue[str] = asyncio.Queue()
        callback = _callback(heard)
        await self.sql.add_listener("skyctl_status", callback)
        try:
            async with asyncio.timeout(seconds):
                pending = {row[0] for row in await self.sql.fetch(rows, organization)}
                while pending:
                    key = await heard.get()
                    if key in pending and await self.sql.fetchval(reached, *key.split("/")):
                        pending.discard(key)
            return time.perf_counter()
        finally:
            await self.sql.remove_listener("skyctl_status", callback)

    async def clear(self) -> None:
        """Requests the deletion of everything and waits until it has gone. An engine that loses
        count of a network's endpoints never lets go of it: then the network stays."""
        await self.commit("DELETE FROM skyctl.resources WHERE kind = 'Organization'")
        await self._gone("kind <> 'Organization'", 600.0)
        with suppress(TimeoutError):
            await self._gone("true", 15.0)

    async def _gone(self, which: str, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while await self.sql.fetchval(f"SELECT count(*) FROM skyctl.resources WHERE {which}"):
                await asyncio.sleep(POLL)


@asynccontextmanager
async def running(host: str, engine: str, **environment: str) -> AsyncIterator[Running]:
    """``skyctl run`` with a state directory of its own. host: its DOCKER_HOST. What it leaves on
    the engine is removed at the end."""
    with short_directory() as place:
        program = Program(place / "state", env={"DOCKER_HOST": host, **environment})
        docker = Docker(engine)
        instance = ""
        try:
            await asyncio.to_thread(program.start)
            instance = program.instance_known() or await asyncio.to_thread(_instance, program)
            sql = await asyncpg.connect(program.dsn)
            try:
                yield Running(program, sql)
            finally:
                await sql.close()
        finally:
            if program.process is not None:
                await asyncio.to_thread(program.stop)
            program.end_traefik()
            program.end_database()
            if instance:
                await asyncio.to_thread(docker.sweep, instance)


def _callback(heard: asyncio.Queue[str]) -> Callable[..., None]:
    def callback(connection: Any, pid: int, channel: str, payload: object) -> None:
        heard.put_nowait(str(payload))

    return callback


def _instance(program: Program) -> str:
    return program.instance


def service(organization: str, name: str, image: str) -> str:
    """The service of all rows: small, hardened, limited, as any is by default."""
    return fleet.service(organization, name, image)


def organization_of(organization: str, names: list[str], image: str) -> list[str]:
    """One organization with a service of each name."""
    return [
        fleet.organization(organization),
        *(service(organization, name, image) for name in names),
    ]


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """at: seconds since the epoch, by the engine."""

    at: float
    action: str
    id: str
    attributes: dict[str, str]


class Events:
    """The engine's container events, kept from now on."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.events: list[EngineEvent] = []
        self._stirred = asyncio.Event()

    async def seen(
        self, wanted: Callable[[EngineEvent], bool], seconds: float = 60.0
    ) -> EngineEvent:
        """The first of that kind, whether it was or will be. Raises TimeoutError."""
        looked = 0
        async with asyncio.timeout(seconds):
            while True:
                self._stirred.clear()
                for event in self.events[looked:]:
                    if wanted(event):
                        return event
                looked = len(self.events)
                await self._stirred.wait()

    async def read(self, ready: asyncio.Event) -> None:
        reader, writer = await asyncio.open_unix_connection(self._engine, limit=1 << 20)
        query = '/events?filters={"type":["container"],"event":["start","destroy","die"]}'
        request = f"GET {query} HTTP/1.0\r\nHost: docker\r\n\r\n"
        try:
            writer.write(request.replace('"', "%22").encode())
            await reader.readuntil(b"\r\n\r\n")
            ready.set()
            while line := await reader.readline():
                if line.strip().startswith(b"{"):
                    self._note(json.loads(line))
        finally:
            writer.close()

    def _note(self, raw: dict[str, Any]) -> None:
        actor = raw["Actor"]
        self.events.append(
            EngineEvent(raw["timeNano"] / 1e9, raw["Action"], actor["ID"], actor["Attributes"])
        )
        self._stirred.set()


@asynccontextmanager
async def events(engine: str) -> AsyncIterator[Events]:
    listener, ready = Events(engine), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(listener.read(ready))
        await ready.wait()
        try:
            yield listener
        finally:
            reading.cancel()
