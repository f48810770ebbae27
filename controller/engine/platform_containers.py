"""Containers of the platform's own: no resource's, carrying our mark and no uid, so that no pass
and no sweep concerns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PlatformContainer:
    """state: as in ``Container``."""

    id: str
    name: str
    state: str
    labels: Mapping[str, str]


class PlatformContainers(Protocol):
    """Raises UserError."""

    async def list(self, labels: Mapping[str, str]) -> Sequence[PlatformContainer]:
        """All that carry these labels."""
        ...

    async def run(self, name: str, image: str, config: Mapping[str, Any]) -> str:
        """Pulls what is missing, creates and starts; its id. config: as the engine's API has it."""
        ...

    async def pid(self, id_: str) -> int | None:
        """Of its main process, on the engine's host; None: it does not run."""
        ...

    async def remove(self, id_: str, grace: float) -> None:
        """Stops (within so many seconds; 0: at once) and removes it. Gone is done."""
        ...
