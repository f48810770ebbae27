"""What a proxy of ours runs as: a process, or a container."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from controller.ingress.alive import Alive


class Runner(Protocol):
    """What a proxy runs as. Raises UserError."""

    @property
    def home(self) -> Path:
        """Where those that it starts have their routes."""
        ...

    async def desired(self) -> str:
        """All that needs a new start to change, as text."""
        ...

    async def running(self) -> Sequence[Alive]:
        """All of this instance, those of other controllers too."""
        ...

    async def spawn(self, digest: str, api_port: int) -> Alive:
        """Starts one beside those that run."""
        ...

    async def pid(self, proxy: Alive) -> int | None:
        """As we see it; None where that is not told."""
        ...

    async def last_words(self, proxy: Alive) -> str:
        """Of one that has ended; '' while it runs."""
        ...

    async def ended(self, proxy: Alive) -> None:
        """Until it has."""
        ...

    async def stop(self, proxy: Alive, grace: float) -> None:
        """Politely, and after so many seconds less so. Done when it has ended."""
        ...
