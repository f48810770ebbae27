"""Nothing is done to an engine whose state is not known, or that is not ours."""

from __future__ import annotations

import asyncio
import contextlib

from controller.engine.index import EngineIndex
from controller.identity import EngineIdentity
from resources.errors import UserError

PATIENCE_SECONDS = 2.0
"""A listing under way is waited for, briefly."""


class Gate:
    """Awaited before each step that changes the engine. Raises UserError."""

    def __init__(self, index: EngineIndex, identity: EngineIdentity) -> None:
        self._index = index
        self._identity = identity

    async def __call__(self) -> None:
        if not self._index.synced:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._index.wait_synced()
        if not self._index.synced or not self._identity.sure:
            away = "the engine is not connected, or was not asked yet whether it is ours"
            raise UserError(
                "CONFIGURATION_ENGINE_UNREACHABLE",
                self._identity.refused or away,
                suggestions=["see 'skyctl doctor'"],
                retryable=True,
            )
