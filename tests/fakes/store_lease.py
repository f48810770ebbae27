"""The fake's leadership: the server drops a lock whose session was idle for ``leader_timeout``; the
holder gives up earlier. Time is the event loop's, so virtual in simulations. A ``before`` hook that
blocks at ``lease.beat`` is a frozen process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from controller.store.base import StoreUnavailable
from controller.store.postgres.leadership import MARGIN

if TYPE_CHECKING:
    from tests.fakes.store_client import FakeClient


class FakeLease:
    def __init__(self, store: FakeClient, process: str) -> None:
        self._store = store
        self._process = process
        self._proved = float("-inf")
        self.heard = float("-inf")  # when the server last heard of this session
        self._epoch = 0

    @property
    def patience(self) -> float:
        return self._store.database.leader_timeout * MARGIN

    def fresh(self) -> bool:
        return _time() - self._proved < self.patience

    async def acquire(self) -> int:
        while True:
            with contextlib.suppress(StoreUnavailable):
                sent = _time()
                await self._store.before("lease.acquire", self._process)
                self._store.check()
                if self._take():
                    await self._store.after("lease.acquire", self._process)
                    self._proved = sent
                    return self._epoch
            await asyncio.sleep(self._store.database.leader_beat)

    def _take(self) -> bool:
        database = self._store.database
        holder = database.lock
        if holder not in (None, self) and _time() - holder.heard < database.leader_timeout:
            return False
        database.lock = self
        database.epoch += 1
        self.heard = _time()
        self._epoch = database.epoch
        return True

    async def hold(self) -> None:
        while self.fresh() and await self._beat():  # noqa: ASYNC110 (time is what we wait for)
            await asyncio.sleep(self._store.database.leader_beat)
        self._drop()

    async def _beat(self) -> bool:
        sent = _time()
        try:
            async with asyncio.timeout(self._proved + self.patience - sent):
                await self._store.before("lease.beat", self._process)
                self._store.check()
                await self._store.after("lease.beat", self._process)
        except (StoreUnavailable, TimeoutError):
            return False
        if self._store.database.lock is not self:
            return False
        self._proved, self.heard = sent, _time()
        return True

    def _drop(self) -> None:
        self._proved = float("-inf")
        if self._store.database.lock is self:
            self._store.database.lock = None

    async def release(self) -> None:
        self._drop()


def _time() -> float:
    return asyncio.get_running_loop().time()
