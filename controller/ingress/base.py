"""The proxies behind one Protocol. Traefik by files is the first implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Published, Serving


class Publisher(Protocol):
    """Where documents are put for the proxies. Raises UserError; every call has a deadline."""

    async def publish(self, step: PublishRoutes) -> None:
        """Atomic: a proxy sees the old document or the new one, whole. Equal to what is there:
        nothing is written."""
        ...

    async def withdraw(self, step: WithdrawRoutes) -> None:
        """What is not there is withdrawn already."""
        ...

    async def published(self) -> Mapping[str, Published]:
        """All there is, by the owner's uid, read back. Complete, or it raises."""
        ...


class Proxies(Protocol):
    """The proxies' own word on what they serve."""

    async def serving(self) -> Mapping[str, Serving]:
        """Raises UserError when any of them does not answer."""
        ...


Changed = Callable[[str], None]
"""Told the uid of an owner whose Published or Serving changed."""
