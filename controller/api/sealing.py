"""The key that values are sealed for: read by whoever seals, renewed by a person's decision."""

from __future__ import annotations

from fastapi import APIRouter

from controller.api.lookup import CoreOf
from controller.api.models import SealingKeyBody

router = APIRouter(tags=["secrets"])


@router.get("/sealing-key")
async def sealing_key(core: CoreOf) -> SealingKeyBody:
    """The public half; what is sealed for it only this installation can open."""
    key = await core.vault.sealing_key()
    return SealingKeyBody(id=key.id, public_key=key.public, usable=key.id in core.vault.keys)


@router.post("/sealing-key")
async def renew(core: CoreOf) -> SealingKeyBody:
    """Makes another key and seals for that from now on. What was sealed for former ones opens as
    long as the key file has them."""
    key = await core.vault.renew()
    core.decided()
    return SealingKeyBody(id=key.id, public_key=key.public, usable=True)
