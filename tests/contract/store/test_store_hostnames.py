"""Hostnames: the first who proves one holds it, whatever the order of events."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from controller.store.base import Deposed, Store
from resources.errors import UserError
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import FINALIZER, Entry, HostnameClaim, Key
from resources.store_steps import Accept, Finalize, StoreStep
from tests.contract.store.conftest import Shared
from tests.contract.store.making import CAUSE, get, put

HOST = "shop.example.com"
MINE, YOURS = Key("Domain", "acme", "shop"), Key("Domain", "beta", "shop")
SECOND = Key("Domain", "acme", "also")
SPEC = {"hostname": HOST, "service": "web"}


def claim(path: str = "", *, verified: bool = False, hostname: str = HOST) -> ClaimHostname:
    return ClaimHostname(cause=CAUSE, hostname=hostname, path=path, verified=verified)


def release(keep: tuple[str, str] | None = None) -> ReleaseHostnames:
    return ReleaseHostnames(cause=CAUSE, keep=keep)


async def made(store: Store, key: Key) -> Entry:
    return await put(store, key, SPEC)


async def do(store: Store, key: Key, epoch: int, *steps: StoreStep) -> tuple[HostnameClaim, ...]:
    entry = await get(store, key)
    said = await store.record(entry.resource.uid, steps, epoch=epoch)
    assert said == await get(store, key)
    assert said is not None
    return said.record.hostnames


async def claims(store: Store, key: Key) -> tuple[HostnameClaim, ...]:
    return (await get(store, key)).record.hostnames


async def test_a_claim_keeps_the_row_until_it_is_released(store: Store, epoch: int) -> None:
    await made(store, MINE)
    assert await do(store, MINE, epoch, claim()) == (HostnameClaim(HOST),)
    assert FINALIZER in (await get(store, MINE)).resource.finalizers
    assert await do(store, MINE, epoch, claim()) == (HostnameClaim(HOST),)
    assert await do(store, MINE, epoch, claim(verified=True)) == (HostnameClaim(HOST, "", True),)
    assert await do(store, MINE, epoch, claim(verified=False)) == (HostnameClaim(HOST),)
    assert await do(store, MINE, epoch, release()) == ()


async def test_nobody_is_kept_out_before_it_is_proven(store: Store, epoch: int) -> None:
    for key in (MINE, YOURS):
        await made(store, key)
        assert await do(store, key, epoch, claim()) == (HostnameClaim(HOST),)


async def test_who_proves_it_first_overtakes(store: Store, epoch: int) -> None:
    for key in (MINE, YOURS):
        await made(store, key)
        await do(store, key, epoch, claim())
    async with store.changes() as heard:
        assert await do(store, YOURS, epoch, claim(verified=True)) == (
            HostnameClaim(HOST, "", True),
        )
        change = await asyncio.wait_for(anext(aiter(heard)), 10)
    assert change.key == MINE
    assert await claims(store, MINE) == (HostnameClaim(HOST, "", False, "taken"),)
    assert await do(store, MINE, epoch, claim(verified=True)) == (
        HostnameClaim(HOST, "", False, "taken"),
    )


@pytest.mark.parametrize("ending", ["released", "unproven", "renamed", "deleted"])
async def test_what_is_given_up_is_free(store: Store, epoch: int, ending: str) -> None:
    for key in (MINE, YOURS):
        await made(store, key)
        await do(store, key, epoch, claim(verified=True))
    assert (await claims(store, YOURS))[0].conflict == "taken"
    async with store.changes() as heard:
        if ending == "released":
            await do(store, MINE, epoch, release())
        elif ending == "unproven":
            await do(store, MINE, epoch, claim(verified=False))
        elif ending == "renamed":
            other = claim(hostname="other.example.com", verified=True)
            found = await do(store, MINE, epoch, other, release((other.hostname, "")))
            assert found == (HostnameClaim("other.example.com", "", True),)
        else:
            uid = (await get(store, MINE)).resource.uid
            await store.delete(MINE, source=None)
            await store.record(uid, [release(), Finalize(cause=CAUSE)], epoch=epoch)
        async with asyncio.timeout(10):
            async for change in heard:
                if change.key == YOURS:
                    break
    assert await claims(store, YOURS) == (HostnameClaim(HOST),)
    assert await do(store, YOURS, epoch, claim(verified=True)) == (HostnameClaim(HOST, "", True),)


async def test_paths_share_a_hostname_within_the_organization(store: Store, epoch: int) -> None:
    for key in (MINE, SECOND, YOURS):
        await made(store, key)
    await do(store, MINE, epoch, claim(verified=True))
    assert await do(store, SECOND, epoch, claim("/api")) == (HostnameClaim(HOST, "/api"),)
    assert await do(store, SECOND, epoch, claim("")) == (
        HostnameClaim(HOST, "", False, "duplicate:shop"),
        HostnameClaim(HOST, "/api"),
    )
    assert await do(store, YOURS, epoch, claim("/other")) == (
        HostnameClaim(HOST, "/other", False, "taken"),
    )
    await do(store, SECOND, epoch, claim("/api", verified=True))
    await do(store, MINE, epoch, release())  # the organization still holds it, by its other path
    assert (await claims(store, YOURS))[0].conflict == "taken"
    assert (await claims(store, SECOND))[0].conflict == ""


async def test_a_wildcard_and_what_it_covers_are_two_names(store: Store, epoch: int) -> None:
    for key in (MINE, YOURS):
        await made(store, key)
    wild = claim(hostname="*.example.com", verified=True)
    assert not (await do(store, MINE, epoch, wild))[0].conflict
    assert (await do(store, YOURS, epoch, claim(verified=True)))[0].verified


EVENTS = [("mine", False), ("mine", True), ("yours", False), ("yours", True)]


@pytest.mark.parametrize("order", list(itertools.permutations(EVENTS))[::2])
async def test_two_organizations_in_any_order(
    store: Store, epoch: int, order: tuple[tuple[str, bool], ...]
) -> None:
    """The first to prove it holds it, whoever claimed before."""
    keys = {"mine": MINE, "yours": YOURS}
    for key in keys.values():
        await made(store, key)
    winner = next(who for who, verified in order if verified)
    for who, verified in order:
        before = (await claims(store, keys[who]) or (HostnameClaim(HOST),))[0]
        await do(store, keys[who], epoch, claim(verified=verified or before.verified))
    for who, key in keys.items():
        (found,) = await claims(store, key)
        assert (found.verified, found.conflict) == (
            (True, "") if who == winner else (False, "taken")
        )


async def test_many_at_once_have_one_holder(store: Store, epoch: int) -> None:
    keys = [Key("Domain", f"org{n}", "shop") for n in range(8)]
    for key in keys:
        await made(store, key)
    uids = [(await get(store, key)).resource.uid for key in keys]
    await asyncio.gather(*(store.record(uid, [claim(verified=True)], epoch=epoch) for uid in uids))
    found = [(await claims(store, key))[0] for key in keys]
    assert sum(c.verified for c in found) == 1
    assert sum(c.conflict == "taken" for c in found) == 7


async def test_all_or_nothing(store: Store, shared: Shared, epoch: int) -> None:
    for key in (MINE, YOURS):
        await made(store, key)
    await do(store, YOURS, epoch, claim())
    entry = await get(store, MINE)
    steps = (claim(verified=True), Accept(cause=CAUSE, generation=99))
    with pytest.raises(UserError):
        await store.record(entry.resource.uid, steps, epoch=epoch)
    assert await get(store, MINE) == entry
    assert await claims(store, YOURS) == (HostnameClaim(HOST),)
    with pytest.raises(Deposed):
        await store.record(entry.resource.uid, [claim()], epoch=epoch - 1)
