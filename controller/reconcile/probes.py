"""The prober: http and tcp health checks, made from here, so the image needs no curl.

Targets are derived from each finished observation; a target that is equal keeps its probe running.
Results are written into the live world and wake the key when they change the health. After a
restart of ours nothing is known until the first probe: Unknown changes nothing.

Attempts are shared out, since one that gets no answer lasts as long as its timeout: no service
holds the slots of its organization, and no organization everybody's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakValueDictionary

import aiohttp

from controller.clock import Clock
from controller.reconcile.observe import Observation
from resources.meta import Key
from resources.probing import ProbeTarget, judge, streak
from resources.service.probing import targets
from resources.world import World

CONCURRENCY = 64
PER_ORGANIZATION = 16
PER_SERVICE = 4
"""Attempts under way at once."""


class Knock(Protocol):
    """One attempt: '' when it succeeded, else why not. Never raises."""

    async def __call__(self, target: ProbeTarget) -> str: ...


class Prober:
    def __init__(
        self,
        world: Callable[[], World],
        wake: Callable[[Key], None],
        clock: Clock,
        random_: random.Random,
        knock: Knock | None = None,
    ) -> None:
        self._world = world
        self._wake = wake
        self._clock = clock
        self._random = random_
        self._knock = knock or knock_network
        self._targets: dict[Key, dict[str, ProbeTarget]] = {}
        self._running: dict[str, tuple[ProbeTarget, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._shares: WeakValueDictionary[Key | str, asyncio.Semaphore] = WeakValueDictionary()
        """By service and by organization; they live as long as a probe holds them."""

    @property
    def settled(self) -> bool:
        """Every target has been judged at least once."""
        probes = self._world().probes
        return all(id_ in probes for id_ in self._running)

    async def run(self) -> None:
        """Probes until cancelled; then nothing is known any more of what was probed."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for key, wanted in self._targets.items():
                self._start(key, wanted.values())
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None
                for container in list(self._running):
                    self._cancel(container)

    def observed(self, observation: Observation | None, key: Key) -> None:
        """Takes the targets over from a finished pass; None: the resource is gone."""
        if key.kind != "Service":
            return
        before = self._targets.get(key, {})
        found = targets(observation.context, before) if observation is not None else ()
        wanted = {target.container: target for target in found}
        for id_ in before:
            if id_ not in wanted:
                self._cancel(id_)
        if wanted:
            self._targets[key] = wanted
        else:
            self._targets.pop(key, None)
        if self._group is not None:
            self._start(key, wanted.values())

    def _start(self, key: Key, wanted: Iterable[ProbeTarget]) -> None:
        assert self._group is not None
        for target in wanted:
            running = self._running.get(target.container)
            if running is not None and running[0] == target:
                continue
            self._cancel(target.container)
            task = self._group.create_task(
                self._probe(key, target), name=f"probe {target.container[:12]}"
            )
            self._running[target.container] = (target, task)

    def _cancel(self, container: str) -> None:
        running = self._running.pop(container, None)
        if running is not None:
            running[1].cancel()
            self._world().probes.pop(container, None)

    def _share(self, whose: Key | str, slots: int) -> asyncio.Semaphore:
        return self._shares.setdefault(whose, asyncio.Semaphore(slots))

    async def _probe(self, key: Key, target: ProbeTarget) -> None:
        """While starting it is asked more often, so that readiness is seen at once."""
        run = 0
        own = self._share(key, PER_SERVICE)
        tenants = self._share(key.organization, PER_ORGANIZATION)
        while True:
            async with own, tenants, self._slots:
                message = await self._knock(target)
            probes, now = self._world().probes, self._clock.now()
            before = probes.get(target.container)
            run = streak(before, target, run, message, now)
            after = judge(before, target, run, message, now)
            if after != before:
                probes[target.container] = after
                self._wake(key)
            starting = after.health == "starting"
            pause = min(target.interval, 0.5) if starting else target.interval
            await asyncio.sleep(pause * self._random.uniform(0.9, 1.1))


async def knock_network(target: ProbeTarget) -> str:
    """Over the network, within the target's timeout. What answers is a tenant's program: whatever
    it makes our client raise is its failure, and never the prober's."""
    try:
        async with asyncio.timeout(target.timeout):
            if target.path is None:
                return await _connect(target)
            return await _request(target)
    except TimeoutError:
        return f"no answer within {target.timeout:g}s"
    except Exception as error:
        return str(error) or type(error).__name__


async def _connect(target: ProbeTarget) -> str:
    _, writer = await asyncio.open_connection(target.address, target.port)
    writer.close()
    return ""


async def _request(target: ProbeTarget) -> str:
    url = f"http://{target.address}:{target.port}{target.path}"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(url, headers=dict(target.headers), allow_redirects=False) as response,
    ):
        return "" if 200 <= response.status < 400 else f"HTTP {response.status}"
