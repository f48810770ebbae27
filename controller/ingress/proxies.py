"""Some Traefiks, asked through their APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from controller.ingress.api import UNREACHABLE, Address, Apis
from controller.ingress.base import Marker, Sight
from controller.ingress.connections import open_connections
from resources.errors import UserError


class Traefiks:
    """addresses: of all of them, as they are now. beside_us: they share our network namespace, so
    that the kernel tells us of their connections. why: none runs; '': none shall."""

    def __init__(
        self,
        apis: Apis,
        addresses: Callable[[], Sequence[Address]],
        *,
        beside_us: bool,
        why: Callable[[], str],
    ) -> None:
        self._apis = apis
        self._addresses = addresses
        self._beside_us = beside_us
        self._why = why

    async def look(self) -> Sequence[Sight]:
        return await self._apis.look(self._known())

    async def serve(self, name: str, marker: Marker | None) -> bool:
        return await self._apis.serve(self._known(), name, marker)

    def _known(self) -> Sequence[Address]:
        found = self._addresses()
        if not found and (why := self._why()):
            raise UserError(UNREACHABLE, why, retryable=True)
        return found

    async def open_connections(self, urls: frozenset[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(open_connections, urls) if self._beside_us else {}
