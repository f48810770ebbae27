"""(i) A hundred services that exit at once, and what the others notice of it.

The engine restarts each of them after 0.1 s, then twice that, and so on up to a minute. That is
when it hurts: within the first half minute, from when all have been started. Then a few healthy
services are changed one after the other, from right before COMMIT is sent to the engine's event
``start`` of the new container, each beside a bare create and start of the same body: an engine that
is busy restarting is slow for anybody. In between the organization of the crashing ones is
suspended; that is the other side of each pair.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from benchmarks.bare import Bare, Recorded, bare
from benchmarks.exposition import Exposition
from benchmarks.measure import Measure
from benchmarks.processes import Usage
from benchmarks.rig import EngineEvent, Events, Rig, Running, events, organization_of, running
from tests.e2e import fleet

CRASHING = 100
CHANGED = 4
STARTING = 60.0
"""Seconds for starting all of them; what crashes already keeps the engine from it."""
GAP = 1.0
"""Seconds between two changes."""
LOUD, CALM = "crashing", "calm"
_SUSPEND = """
UPDATE skyctl.resources SET spec = spec || '{{"suspended": {value}}}'
WHERE kind = 'Organization' AND name = '{organization}'
"""
_CHANGE = """
UPDATE skyctl.resources SET spec = jsonb_set(spec, '{{environment}}', '{{"ROUND": "{round}"}}')
WHERE kind = 'Service' AND organization = '{organization}' AND name = '{name}'
"""
_STOPPED = f"""
SELECT count(*) FROM skyctl.resource_view
WHERE kind = 'Service' AND organization = '{LOUD}' AND NOT (phase = 'Suspended' AND settled)
"""


@dataclass(frozen=True)
class Window:
    """What was seen while the healthy ones were changed. ours, bare: milliseconds."""

    ours: Sequence[float]
    bare: Sequence[float]
    seconds: float
    used: Usage
    crashes: int
    crashed: int
    metrics: Exposition

    @property
    def lag(self) -> float:
        """Milliseconds: 99 of 100 samples are below."""
        return 1000 * self.metrics.quantile("skyctl_event_loop_delay_seconds", 0.99)

    def told(self) -> str:
        per = self.seconds
        passes = self.metrics.total("skyctl_reconcile_total")
        writes = self.metrics.total("skyctl_status_writes_total", 'result="written"')
        longest = 1000 * self.metrics.quantile("skyctl_event_loop_delay_seconds", 1.0)
        return (
            f"change {median(self.ours):.0f} ms, bare {median(self.bare):.0f} ms; in {per:.0f} s"
            f" {self.crashes / per:.1f} crashes (of {self.crashed} containers),"
            f" {passes / per:.1f} passes, {writes / per:.1f} status writes a second;"
            f" lag p99 {self.lag:.1f} ms, longest <= {longest:.0f} ms;"
            f" CPU {100 * self.used.controller / per:.1f} %,"
            f" PostgreSQL {100 * self.used.database / per:.1f} %"
        )


@dataclass
class Stage:
    rig: Rig
    controller: Running
    heard: Events
    floor: Bare
    network: str

    async def crash(self) -> None:
        """Until each of them has ended at least once, or so many as a busy engine gets to."""
        since = time.time()
        await self.controller.commit(_SUSPEND.format(organization=LOUD, value="false"))
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTING):
                while self._crashed(since) < CRASHING:
                    await asyncio.sleep(0.2)

    async def quiet(self) -> None:
        await self.controller.commit(_SUSPEND.format(organization=LOUD, value="true"))
        async with asyncio.timeout(600.0):
            while await self.controller.sql.fetchval(_STOPPED):
                await asyncio.sleep(0.2)
        await asyncio.sleep(GAP)

    async def window(self, round_: str) -> Window:
        ours, theirs = [], []
        metrics = await self._metrics()
        used, since, began = self.controller.usage(), time.time(), time.perf_counter()
        for number in range(CHANGED):
            ours.append(await self._changed(f"s{number}", round_))
            await asyncio.sleep(GAP / 2)
            theirs.append(await self._made(f"{round_}_{number}"))
            await asyncio.sleep(GAP / 2)
        seconds, used = time.perf_counter() - began, self.controller.usage() - used
        found = await self._metrics() - metrics
        crashes, crashed = len(self._ends(since)), self._crashed(since)
        await self.controller.ready(organization=CALM)
        await self.floor.remove_containers()
        return Window(ours, theirs, seconds, used, crashes, crashed, found)

    async def _changed(self, name: str, round_: str) -> float:
        wall = time.time() - time.perf_counter()
        change = _CHANGE.format(organization=CALM, name=name, round=round_)
        committed = wall + await self.controller.commit(change)
        started = await self.heard.seen(
            lambda event: (
                event.action == "start"
                and event.at > committed
                and event.attributes.get("io.skypanel.organization") == CALM
                and event.attributes.get("io.skypanel.name") == name
            ),
            seconds=300.0,
        )
        return (started.at - committed) * 1000

    async def _made(self, name: str) -> float:
        began = time.time()
        made = await self.floor.start(name, self.network)
        started = await self.heard.seen(lambda e: e.action == "start" and e.id == made)
        return (started.at - began) * 1000

    def _crashed(self, since: float) -> int:
        """How many of them."""
        return len({event.id for event in self._ends(since)})

    def _ends(self, since: float) -> list[EngineEvent]:
        return [
            event
            for event in self.heard.events
            if event.action == "die"
            and event.at > since
            and event.attributes.get("io.skypanel.organization") == LOUD
        ]

    async def _metrics(self) -> Exposition:
        return Exposition(await asyncio.to_thread(self.controller.program.metrics))


async def measure(rig: Rig, recorded: Recorded) -> Sequence[Measure]:
    loud: list[Window] = []
    calm: list[Window] = []
    async with (
        events(rig.engine) as heard,
        bare(rig, recorded) as floor,
        running(rig.host, rig.engine) as controller,
    ):
        network = await floor.network(9_998)
        stage = Stage(rig, controller, heard, floor, network)
        names = [f"s{number}" for number in range(CHANGED)]
        await controller.commit(*organization_of(CALM, names, rig.image))
        await controller.ready()
        await controller.commit(*_crashing(rig.image))
        await stage.quiet()
        await stage.window("warm")
        for pair in range(rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    await stage.crash()
                    loud.append(await stage.window(f"loud{pair}"))
                    await stage.quiet()
                    rig.say(f"(i) {pair + 1}, crashing: {loud[-1].told()}")
                else:
                    calm.append(await stage.window(f"calm{pair}"))
                    rig.say(f"(i) {pair + 1}, calm: {calm[-1].told()}")
        await controller.clear()
    return _measures(loud, calm)


def _crashing(image: str) -> list[str]:
    return [
        fleet.organization(LOUD),
        *(
            fleet.service(LOUD, f"s{number}", image, command=["false"])
            for number in range(CRASHING)
        ),
    ]


def _measures(loud: Sequence[Window], calm: Sequence[Window]) -> Sequence[Measure]:
    changed = [median(window.ours) for window in loud]
    crashes = median(window.crashes / window.seconds for window in loud)
    what = "from a change's commit to its container's start"
    beside = f"{CRASHING} services crash-loop"
    note = (
        f"medians of {CHANGED} changes, one after the other, while the engine restarts"
        f" {crashes:.0f} containers a second, against none"
    )
    return [
        Measure("i", f"{beside}: {what}", "ms", changed, "none does", _medians(calm), "", note),
        Measure(
            "i",
            "the same against the engine's own pace meanwhile",
            "ms",
            changed,
            "bare create+start",
            [median(window.bare) for window in loud],
        ),
        Measure(
            "i",
            f"{beside}: lag of the event loop, p99",
            "ms",
            [window.lag for window in loud],
            "none does",
            [window.lag for window in calm],
        ),
        _cpu("controller", loud, calm, "< 50 %"),
        _cpu("its PostgreSQL", loud, calm, ""),
    ]


def _medians(windows: Sequence[Window]) -> list[float]:
    return [median(window.ours) for window in windows]


def _cpu(who: str, loud: Sequence[Window], calm: Sequence[Window], goal: str) -> Measure:
    def share(window: Window) -> float:
        used = window.used.controller if who == "controller" else window.used.database
        return 100 * used / window.seconds

    return Measure(
        "i",
        f"{CRASHING} services crash-loop: CPU of {who}",
        "% of a core",
        [share(window) for window in loud],
        "none does",
        [share(window) for window in calm],
        goal,
    )
