"""The database frozen, restarted, replaced, or behind a pooler."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from controller.store.base import StoreUnavailable
from controller.store.postgres import open_store
from controller.store.postgres.listening import listening
from resources.errors import UserError
from resources.meta import Key, Manifest
from tests.databases import quick
from tests.e2e.sql.conftest import Site

pytestmark = pytest.mark.postgres
WEB = Key("Service", "acme", "web")
PATIENT = 15.0  # seconds within which everything here must have happened


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """Every process of the server stands still."""
    server = site.server.server
    pids = [server.pid, *_children(server.pid)]
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid or 0, signal.SIGCONT)


def _children(pid: int | None) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


async def eventually_reads(site: Site) -> int:
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                return len(await site.store.entries())
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def test_a_frozen_server_is_unavailable_and_comes_back(site: Site) -> None:
    store = await open_store(quick(store_timeout=1.0), site.url)
    lease = store.leadership("one")
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    async with store.changes() as changes:
        with frozen(site):
            reading = asyncio.create_task(anext(changes))
            async with asyncio.timeout(PATIENT):
                with pytest.raises(StoreUnavailable):
                    await store.entries()
                with pytest.raises(StoreUnavailable):
                    await store.apply(Manifest(WEB, {}), source="api")
                with pytest.raises(StoreUnavailable):
                    await reading
                await holding
            assert not lease.fresh()
    async with asyncio.timeout(PATIENT):
        assert await lease.acquire() > 0
    assert await eventually_reads(site) in (0, 1)  # the lost request may have arrived
    await lease.release()
    await store.close()


async def test_it_recovers_from_a_killed_server(site: Site) -> None:
    await site.store.apply(Manifest(WEB, {"image": "a"}), source="api")
    lease = site.store.leadership("one")
    epoch = await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    async with site.store.changes() as changes:
        await site.admin.execute("CHECKPOINT")
        assert site.server.server.pid
        os.kill(site.server.server.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENT):
            with pytest.raises(StoreUnavailable):
                await anext(changes)
            await holding
        assert not lease.fresh()
        with pytest.raises(StoreUnavailable):
            await site.store.entries()
    async with asyncio.timeout(PATIENT * 2):
        while True:
            try:
                await site.server.server.start()
                break
            except UserError:  # what is left of the old one is still going
                await asyncio.sleep(0.2)
    assert await eventually_reads(site) == 1
    async with asyncio.timeout(PATIENT):
        assert await lease.acquire() > epoch
    await lease.release()


async def test_another_database_in_its_place_is_not_an_empty_one(site: Site) -> None:
    await site.store.apply(Manifest(WEB, {"image": "a"}), source="api")
    before = await site.store.instance()
    await site.admin.execute("UPDATE skyctl.identity SET instance = 'another'")
    with pytest.raises(StoreUnavailable, match="not the one we started with"):
        await site.store.entries()
    with pytest.raises(StoreUnavailable, match="not the one we started with"):
        await site.store.entry(Key("Service", "acme", "gone"))
    await site.admin.execute("ALTER TABLE skyctl.subnets RENAME TO hidden")
    with pytest.raises(StoreUnavailable):
        await site.store.entries()
    await site.admin.execute("ALTER TABLE skyctl.hidden RENAME TO subnets")
    await site.admin.execute("UPDATE skyctl.identity SET instance = $1", before)
    assert len(await site.store.entries()) == 1


async def test_a_leader_that_hangs_in_a_transaction_holds_nobody_up(site: Site) -> None:
    """Its session is idle in the middle of a write: as if the process were frozen."""
    lease = site.store.leadership("one")
    epoch = await lease.acquire()
    other = (await open_store(quick(), site.url)).leadership("two")

    async def hang() -> None:
        async with site.store._database.leading(epoch), asyncio.timeout(PATIENT):
            assert await other.acquire() == epoch + 1

    with pytest.raises(StoreUnavailable):
        await hang()
    assert not lease.fresh()
    await other.release()


async def test_a_lease_is_lost_with_its_session(site: Site) -> None:
    lease = site.store.leadership("one")
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    await site.admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'skyctl leader%'"
    )
    async with asyncio.timeout(1.0):
        await holding
    assert not lease.fresh()


async def test_the_listener_notices_that_its_session_ended(site: Site) -> None:
    async with site.store.changes() as changes:
        await site.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'skyctl listener%'"
        )
        async with asyncio.timeout(PATIENT):
            with pytest.raises(StoreUnavailable):
                await anext(changes)


async def test_a_body_that_fails_fails_as_itself(site: Site) -> None:
    async def follow() -> None:
        async with site.store.changes() as changes, asyncio.timeout(PATIENT):
            await site.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'skyctl listener%'"
            )
            await anext(changes)

    with pytest.raises(StoreUnavailable):
        await follow()


async def test_a_flood_becomes_one_read(site: Site) -> None:
    async with listening(site.store._database, limit=100) as changes:
        await site.admin.execute("SELECT pg_notify('skyctl_resources', 'no key at all')")
        await site.admin.execute(
            "SELECT pg_notify('skyctl_resources', 'Service/acme/s' || n)"
            " FROM generate_series(1, 5000) AS n"
        )
        async with asyncio.timeout(PATIENT):
            heard = [await anext(changes)]
            while heard[-1].key is not None:
                heard.append(await anext(changes))
        assert heard[-1].reason == "too many changes at once"


@asynccontextmanager
async def pooler(site: Site) -> AsyncIterator[str]:
    """Passes everything on, and makes up the process id, as poolers do."""
    upstream = str(site.server.cluster.run / ".s.PGSQL.5432")

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, forge: bool) -> None:
        while data := await source.read(65536):
            place = data.find(b"K\0\0\0\x0c") if forge else -1
            if place >= 0:
                data = data[: place + 5] + struct.pack("!i", 4242) + data[place + 9 :]
                forge = False
            sink.write(data)
            await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(upstream)
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(carry(reader, up_writer, False))
                tasks.create_task(carry(up_reader, writer, True))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    password = site.server.cluster.password
    try:
        yield f"postgresql://skyctl:{password}@127.0.0.1:{port}/{site.name}?sslmode=disable"
    finally:
        server.close()


async def test_a_pooler_is_refused(site: Site) -> None:
    async with pooler(site) as url, asyncio.timeout(PATIENT):
        with pytest.raises(UserError) as caught:
            await open_store(quick(), url)
    assert caught.value.code == "CONFIGURATION_POOLER"
    assert caught.value.suggestions


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://skyctl:wrong@", "CONFIGURATION_DATABASE_ACCESS"),
        ("nonsense://x", "CONFIGURATION_DATABASE_URL"),
    ],
)
async def test_what_is_wrong_with_an_address_is_said(site: Site, url: str, code: str) -> None:
    if url.endswith("@"):
        url += site.url.partition("@")[2]
    with pytest.raises(UserError) as caught:
        await open_store(quick(), url)
    assert caught.value.code == code
    assert caught.value.suggestions


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await open_store(quick(), "postgresql://a:b@127.0.0.1:1/c")
