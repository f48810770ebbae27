"""Proxies of ours that former settings asked for, where the present ones ask for none: they would
serve for ever what was published last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from controller.ingress.alive import Alive
from controller.ingress.runner import Runner

log = structlog.get_logger("traefik")

LOOK = 1.0
"""Seconds."""


class Retiring:
    """runners: all that they may have run as. sure: is it known that none is asked for?"""

    def __init__(
        self, runners: Sequence[Runner], grace: float, sure: Callable[[], bool] = lambda: True
    ) -> None:
        self._runners = runners
        self._grace = grace
        self._sure = sure

    async def run(self) -> None:
        """Until they have gone. Raises UserError."""
        while not self._sure():  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(LOOK)
        for runner in self._runners:
            found = await runner.running()
            await asyncio.gather(*(self._stop(runner, proxy) for proxy in found))

    async def _stop(self, runner: Runner, proxy: Alive) -> None:
        log.info("Traefik is stopped: the settings ask for none of ours", id=proxy.id[:12])
        await runner.stop(proxy, self._grace)
