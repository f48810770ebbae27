"""Claims and admissions: one decision at a time, recorded, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from controller.store.base import Deposed, Store
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.quota import Admission, Shortfall, Terms
from resources.store_steps import Accept, Claim, Hold, Settle, StoreStep
from tests.contract.store.conftest import Shared
from tests.contract.store.making import ACME, CAUSE, accept, get, put, remove

ONE = {"containers": 1, "cpu": 500_000_000}
WEB, API, JOB = (Key("Service", "acme", name) for name in ("web", "api", "job"))


async def terms(store: Store, **limits: int) -> Terms:
    """The organization as it is, or made anew with these limits."""
    entry = await put(store, ACME, {"quota": limits})
    return Terms("acme", entry.resource.generation, limits, "")


async def do(store: Store, entry: Entry, epoch: int, step: StoreStep) -> Entry:
    found = await store.record(entry.resource.uid, [step], epoch=epoch)
    assert found is not None
    assert found == await get(store, entry.key)
    return found


def claim(terms: Terms, claims: Mapping[str, int] = ONE, generation: int = 1) -> Claim:
    return Claim(cause=CAUSE, generation=generation, claims=claims, terms=terms)


async def test_what_fits_is_granted_and_what_does_not_waits(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=1)
    web = await do(store, await put(store, WEB), epoch, claim(allowed))
    assert web.record.admission == Admission(1, ONE)
    api = await do(store, await put(store, API), epoch, claim(allowed))
    admission = api.record.admission
    assert admission is not None
    assert admission.waiting is not None
    assert (admission.generation, admission.claims) == (0, {})
    assert (admission.waiting.generation, admission.waiting.claims) == (1, ONE)
    assert admission.waiting.lacking == (Shortfall("containers", 1, 1, 1),)
    assert (await store.admissions("acme")).keys() == {web.resource.uid, api.resource.uid}
    assert await store.admissions("other") == {}


async def test_asking_again_changes_nothing(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=0)
    web = await do(store, await put(store, WEB), epoch, claim(allowed))
    assert await do(store, web, epoch, claim(allowed)) == web


async def test_whoever_holds_keeps_it_while_more_waits(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=2)
    web = await do(store, await put(store, WEB), epoch, claim(allowed))
    web = await put(store, WEB, {"image": "nginx:2"})
    web = await do(store, web, epoch, claim(allowed, {"containers": 3}, 2))
    admission = web.record.admission
    assert admission is not None
    assert admission.claims == ONE
    assert admission.waiting is not None
    assert admission.waiting.lacking == (Shortfall("containers", 2, 1, 2),)
    web = await do(store, web, epoch, claim(allowed, {"containers": 2}, 2))
    assert web.record.admission == Admission(2, {"cpu": 500_000_000, "containers": 2})


async def test_freed_it_goes_to_the_first_who_asked(
    store: Store, shared: Shared, epoch: int
) -> None:
    allowed = await terms(store, containers=1)
    web = await do(store, await put(store, WEB), epoch, claim(allowed))
    rows = [await put(store, key) for key in (API, JOB)]
    for entry in reversed(rows):  # the order of writing counts, not that of asking
        await do(store, entry, epoch, claim(allowed))
    await accept(store, web, epoch)
    await remove(store, WEB, epoch)
    organization = await get(store, ACME)
    async with store.changes() as heard:
        await do(store, organization, epoch, Settle(cause=CAUSE, terms=allowed))
        change = await asyncio.wait_for(anext(aiter(heard)), 10)
    assert change.key == API
    api, job = await get(store, API), await get(store, JOB)
    assert api.record.admission == Admission(1, ONE)
    assert job.record.admission is not None
    assert job.record.admission.waiting is not None


async def test_holding_less_keeps_what_waits(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=2)
    web = await do(store, await put(store, WEB), epoch, claim(allowed, {"containers": 2}))
    web = await put(store, WEB, {"image": "nginx:2"})
    web = await do(store, web, epoch, claim(allowed, {"containers": 3}, 2))
    web = await do(store, web, epoch, Hold(cause=CAUSE, generation=1, claims=ONE))
    assert web.record.admission is not None
    assert web.record.admission.claims == ONE
    assert web.record.admission.waiting is not None


async def test_what_is_accepted_without_limits_is_counted(store: Store, epoch: int) -> None:
    free = await terms(store)
    step = Accept(cause=CAUSE, generation=1, claims={"containers": 3}, terms=free)
    await do(store, await put(store, WEB), epoch, step)
    allowed = await terms(store, containers=4)
    api = await do(store, await put(store, API), epoch, claim(allowed, {"containers": 2}))
    assert api.record.admission is not None
    assert api.record.admission.waiting is not None
    assert api.record.admission.waiting.lacking == (Shortfall("containers", 4, 3, 2),)


async def test_outdated_terms_decide_nothing(store: Store, epoch: int) -> None:
    old = await terms(store)
    allowed = await terms(store, containers=1)
    web = await put(store, WEB)
    steps: tuple[StoreStep, ...] = (
        claim(old),
        Accept(cause=CAUSE, generation=1, claims=ONE, terms=old),
    )
    for step in steps:
        with pytest.raises(UserError) as caught:
            await store.record(web.resource.uid, [step], epoch=epoch)
        assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", True)
    assert (await get(store, WEB)).record == web.record
    await do(store, web, epoch, claim(allowed))


async def test_nobody_is_let_in_before_everybody_is_counted(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=1)
    old = await accept(store, await put(store, WEB), epoch)
    api = await put(store, API)
    with pytest.raises(UserError, match="to be counted first") as caught:
        await store.record(api.resource.uid, [claim(allowed)], epoch=epoch)
    assert caught.value.retryable
    await do(store, old, epoch, Hold(cause=CAUSE, generation=1, claims=ONE))
    api = await do(store, api, epoch, claim(allowed))
    assert api.record.admission is not None
    assert api.record.admission.waiting is not None


async def test_an_outdated_request_is_not_granted(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=0)
    web = await do(store, await put(store, WEB), epoch, claim(allowed))
    await put(store, WEB, {"image": "nginx:2"})
    more = await terms(store, containers=9)
    await do(store, await get(store, ACME), epoch, Settle(cause=CAUSE, terms=more))
    assert (await get(store, WEB)).record.admission == web.record.admission
    assert (await store.admissions("acme"))[web.resource.uid] == Admission(0)


async def test_only_the_leader_claims(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=1)
    web = await put(store, WEB)
    with pytest.raises(Deposed):
        await store.record(web.resource.uid, [claim(allowed)], epoch=epoch - 1)


async def test_many_at_once_are_never_more_than_allowed(store: Store, epoch: int) -> None:
    allowed = await terms(store, containers=3)
    rows = [await put(store, Key("Service", "acme", f"s{n}")) for n in range(8)]

    async def ask(entry: Entry) -> Any:
        return await store.record(entry.resource.uid, [claim(allowed)], epoch=epoch)

    found = await asyncio.gather(*map(ask, rows))
    assert sum(1 for entry in found if entry.record.admission.claims) == 3
    held = [a.claims.get("containers", 0) for a in (await store.admissions("acme")).values()]
    assert sum(held) == 3
