"""Adoption and the end of a window, at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.store_steps import AdoptVolume, RetainVolume
from tests.e2e.sql.conftest import Site

pytestmark = pytest.mark.postgres

DATA = Key("Volume", "acme", "data")
WINDOW = 0.5
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"


async def declared(site: Site) -> str:
    return (await site.store.apply(Manifest(DATA, {}), source="sql")).uid


async def until(site: Site, question: str, *values: object) -> None:
    async with asyncio.timeout(10):
        while not await site.admin.fetchval(question, *values):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


async def test_an_adoption_that_waited_past_the_window_is_refused(site: Site, epoch: int) -> None:
    """Else it takes a volume whose data a removal under way is about to end."""
    old = await declared(site)
    await site.store.delete(DATA, source=None)
    retain = RetainVolume(cause="test", engine_name="v1", seconds=WINDOW)
    await site.store.record(old, [retain], epoch=epoch)
    new = await declared(site)
    adopt = AdoptVolume(cause="test", engine_name="v1", retained_uid=old)
    async with asyncio.TaskGroup() as group, site.admin.transaction():
        await site.admin.execute("SELECT FROM skyctl.resource_rows WHERE uid = $1 FOR UPDATE", new)
        adoption = group.create_task(_tried(site, new, adopt, epoch))
        await until(site, WAITS, site.name)
        await until(
            site,
            "SELECT expires_at < clock_timestamp() FROM skyctl.retained_volumes WHERE uid = $1",
            old,
        )
    assert adoption.result() == "RESOURCE_CONFLICT"
    assert await site.store.claim_expired(old, epoch=epoch)


async def test_a_claim_holds_whatever_the_clock_does(site: Site, epoch: int) -> None:
    uid = await declared(site)
    await site.store.delete(DATA, source=None)
    retain = RetainVolume(cause="test", engine_name="v1", seconds=0.0)
    await site.store.record(uid, [retain], epoch=epoch)
    assert await site.store.claim_expired(uid, epoch=epoch)
    assert await site.admin.fetchval(
        "SELECT expires_at <= retained_at FROM skyctl.retained_volumes WHERE uid = $1", uid
    )


async def _tried(site: Site, uid: str, adopt: AdoptVolume, epoch: int) -> str:
    try:
        await site.store.record(uid, [adopt], epoch=epoch)
    except UserError as error:
        return error.code
    return "adopted"
