"""The end of a retained volume's window, and who is first: its removal, or an adoption."""

from __future__ import annotations

import pytest

from controller.store.base import Deposed, Store
from resources.errors import UserError
from resources.meta import Key
from resources.store_steps import AdoptVolume, RetainVolume
from tests.contract.store.making import CAUSE, DATA, put, record


async def test_what_was_claimed_is_not_adopted(store: Store, epoch: int) -> None:
    """And what was adopted, or is within its window, is not claimed."""
    uids = {}
    for name, seconds in (("over", 0.0), ("kept", 3600.0), ("unbounded", None)):
        entry = await put(store, Key("Volume", "acme", name), {})
        uids[name] = entry.resource.uid
        await store.delete(entry.key, source=None)
        retain = RetainVolume(cause=CAUSE, engine_name=name, seconds=seconds)
        await record(store, entry, epoch, retain)
    with pytest.raises(Deposed):
        await store.claim_expired(uids["over"], epoch=epoch - 1)
    claimed = {name: await store.claim_expired(uid, epoch=epoch) for name, uid in uids.items()}
    assert claimed == {"over": True, "kept": False, "unbounded": False}
    assert await store.claim_expired(uids["over"], epoch=epoch), "until its data is gone"
    new = await put(store, DATA, {})
    adopt = AdoptVolume(cause=CAUSE, engine_name="over", retained_uid=uids["over"])
    with pytest.raises(UserError) as caught:
        await record(store, new, epoch, adopt)
    assert caught.value.code == "RESOURCE_CONFLICT"
    adopt = AdoptVolume(cause=CAUSE, engine_name="kept", retained_uid=uids["kept"])
    await record(store, new, epoch, adopt)
    with pytest.raises(UserError):
        await store.expire_retained(uids["kept"])
    assert not await store.claim_expired(uids["kept"], epoch=epoch)
