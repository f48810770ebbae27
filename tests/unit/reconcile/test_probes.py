"""Probes that get no answer hold up nobody else's."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.clock import Clock
from controller.reconcile import probes
from controller.reconcile.observe import Observation
from controller.reconcile.probes import PER_ORGANIZATION, PER_SERVICE, Prober
from resources.meta import Key
from resources.probing import ProbeTarget
from resources.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stand:
    """A prober whose targets at ``hole`` never answer; the others do at once."""

    def __init__(self) -> None:
        self.world = World()
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.hanging = 0
        clock = cast(Clock, SimpleNamespace(now=lambda: NOW))
        self.prober = Prober(
            lambda: self.world, self.woken.put_nowait, clock, random.Random(1), self._knock
        )

    async def _knock(self, target: ProbeTarget) -> str:
        if target.address == "hole":
            self.hanging += 1
            await asyncio.Event().wait()
        return ""

    def observed(self, key: Key, address: str, count: int) -> None:
        found = tuple(
            ProbeTarget(f"{key.organization}-{key.name}-{n}", address, 80, 60, 60, 3, 0)
            for n in range(count)
        )
        context: Any = SimpleNamespace(context=found)
        self.prober.observed(cast(Observation, context), key)


@pytest.mark.parametrize(
    ("holes", "good"),
    [
        ([Key("Service", "acme", "deaf")], Key("Service", "acme", "web")),
        ([Key("Service", "evil", f"s{n}") for n in range(40)], Key("Service", "acme", "web")),
    ],
    ids=["a service", "an organization"],
)
async def test_black_holes_hold_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch, holes: list[Key], good: Key
) -> None:
    monkeypatch.setattr(probes, "targets", lambda context, before: context)
    stand = Stand()
    for key in holes:
        stand.observed(key, "hole", 100)
    stand.observed(good, "good", 1)
    running = asyncio.create_task(stand.prober.run())
    try:
        assert await asyncio.wait_for(stand.woken.get(), 5) == good
        assert stand.hanging == min(len(holes) * PER_SERVICE, PER_ORGANIZATION)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
