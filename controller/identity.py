"""Is the engine that answers the one this store belongs to?

A wrong ``DOCKER_HOST`` must not rebuild a fleet elsewhere: the first engine is bound to the store;
another one stops all acting until ``skyctl adopt-engine``.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from controller.engine.base import Engine, EngineInfo
from controller.store.base import Store, StoreUnavailable
from resources.errors import UserError

log = structlog.get_logger("identity")

RETRY_SECONDS = 1.0


class EngineIdentity:
    """sure: the engine that is connected was asked, and is ours."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._adopted = asyncio.Event()
        self._doubted = asyncio.Event()
        self.sure = False
        self.info: EngineInfo | None = None
        self.refused = ""

    @property
    def here(self) -> bool | None:
        """Is the engine on this host? None: it was not asked yet."""
        return None if self.info is None else self.info.reach == "host"

    def doubt(self) -> None:
        """The engine was away: what answers now may be another one."""
        self.sure = False
        self._doubted.set()

    async def watch(self) -> None:
        """For ever: asks again whenever there was a doubt."""
        while True:
            await self._doubted.wait()
            await self.confirmed()

    async def confirmed(self) -> EngineInfo:
        """Waits until the engine answers and is ours (bound now, if none was)."""
        while True:
            self._doubted.clear()
            try:
                info = await self.learn()
                bound = await self._store.engine_id()
                if bound is None:
                    bound = await self._store.bind_engine(info.id)
                if bound == info.id:
                    self.refused = ""
                    self.sure = not self._doubted.is_set()
                    return info
                self._refuse(bound, info.id)
            except (UserError, StoreUnavailable) as error:
                log.warning("engine not confirmed", reason=str(error))
            self._adopted.clear()
            # Not wait_for: that of Python 3.11 loses a cancellation that comes with the waking.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._adopted.wait()

    async def learn(self) -> EngineInfo:
        """Asks the engine who it is. Raises UserError."""
        self.info = await self._engine.info()
        return self.info

    async def adopt(self) -> EngineInfo:
        """Binds the store to the engine that answers now (``skyctl adopt-engine``)."""
        info = await self.learn()
        await self._store.bind_engine(info.id, adopt=True)
        self.refused = ""
        self._adopted.set()
        log.warning("engine adopted", engine=info.id)
        return info

    def _refuse(self, bound: str, found: str) -> None:
        reason = (
            f"this engine ({found}) is not the one this store belongs to ({bound}): nothing is "
            "done; check DOCKER_HOST, or run 'skyctl adopt-engine' if the engine was replaced"
        )
        if self.refused != reason:
            log.error(reason)
        self.refused = reason
