"""What makes the proxies order certificates: the constant document, for as long as they need to see
it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Protocol

from controller.ingress.base import Marker, Proxies
from controller.ingress.leaf import OWN
from controller.store.base import Deposed
from resources.errors import UserError

AGAIN = 5.0
"""Seconds after which the document is made sure of."""
SEEN, POLL = 20.0, 0.1
"""Seconds for which proxies may take to see it; between two questions."""


class Keeping(Protocol):
    async def keep(self, content: Mapping[str, Any]) -> Marker:
        """Raises UserError."""
        ...


class Ordering:
    """constant: the document, with orders for these hostnames."""

    def __init__(
        self,
        publisher: Keeping,
        proxies: Proxies,
        constant: Callable[[Iterable[str]], Mapping[str, Any]],
    ) -> None:
        self._publisher = publisher
        self._proxies = proxies
        self._constant = constant
        self._alone = asyncio.Lock()

    async def run(self) -> None:
        """For ever: somebody may remove it, and without it nobody can ask the proxies. Raises
        UserError."""
        while True:
            async with self._alone:
                await self._publisher.keep(self._constant(()))
            await asyncio.sleep(AGAIN)

    async def order(self, hostnames: Set[str]) -> None:
        """Each once: what is there any longer is ordered again when anybody changes anything.
        Raises UserError."""
        async with self._alone:
            marker = await self._publisher.keep(self._constant(hostnames))
            try:
                with contextlib.suppress(TimeoutError, UserError):
                    async with asyncio.timeout(SEEN):
                        while not await self._proxies.serve(OWN, marker):  # noqa: ASYNC110
                            await asyncio.sleep(POLL)
            finally:
                with contextlib.suppress(Deposed):  # our term is over: there is none to keep
                    await self._publisher.keep(self._constant(()))
