"""A gateway during a term: what goes on is what its mode asks for, as it is then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from controller.ingress.gateway import Gateway, Task, Wiring, document_mirror
from controller.settings import Settings
from resources.world import World
from tests.fakes.ingress import FakeIngress
from tests.sim.clockwork import SimClock, run_virtually


class Bed:
    def __init__(self) -> None:
        self.mode, self.runs = "none", 0
        self.ingress = FakeIngress()
        wiring = Wiring(
            settings=Settings(state_dir=Path("/nonexistent")),
            instance="test",
            clock=SimClock(),
            open_=lambda sealed: sealed.text,
            world=World,
            wanted=lambda: True,
            here=lambda: None,
            changed=lambda _uid: None,
            troubled=lambda: None,
        )
        self.gateway = Gateway(
            wiring,
            document_mirror(wiring, self.ingress, self.ingress),
            mode=lambda: self.mode,
            beside=self._beside,
        )

    def _beside(self) -> list[Task]:
        return [self._run]

    async def _run(self) -> None:
        self.runs += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.runs -= 1

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def acts(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.gateway.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_mode_that_is_known_later_is_followed() -> None:
    """Where the engine is, is asked after the term has begun."""
    bed = Bed()

    async def story() -> None:
        async with bed.acts():
            await asyncio.sleep(60)
            assert bed.runs == 0
            bed.mode = "process"
            await bed.until(lambda: bed.runs == 1 and not bed.gateway.mirror.problem)
            bed.mode = "none"
            await bed.until(lambda: bed.runs == 0)
            assert bed.gateway.mirror.unread
            bed.mode = "process"
            await bed.until(lambda: bed.runs == 1)
        assert bed.runs == 0

    run_virtually(story)
