"""Keeps one Traefik running, whatever it runs as: it outlives the controller.

One that runs is taken over. One that dies is started again, with growing pauses. When what it was
started with changed, or it no longer hears what is published (the directory that it watched is
another one now, it hangs), a second one is started beside it on the same ports, and only once that
one answers may the first finish what it has under way and go. So it is with one that another
controller of this instance has started: it reads that one's directory, and nobody keeps it.

Nothing is started while nobody wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from controller.clock import Clock
from controller.ingress import ports
from controller.ingress.alive import Alive
from controller.ingress.api import Address, Apis
from controller.ingress.runner import Runner
from controller.ingress.steering import Steering, steer
from controller.metrics import METRICS
from controller.settings import Settings
from resources.errors import UserError

log = structlog.get_logger("traefik")

LOOK, QUIET = 1.0, 10.0
"""Seconds between two looks at whether it is wanted and as it should be; and while nobody wants
any."""
UP = 30.0
"""Until a new one answers."""
POLL = 0.1
PAUSE_FIRST, PAUSE_LAST, STEADY = 0.5, 30.0, 60.0
"""Seconds before it is started again: at first, at most; after this long it starts anew."""
DEAF_FIRST, DEAF_LAST = 30.0, 600.0
"""Seconds before one is replaced once more because it does not hear either: at first, at most."""
UNWANTED = 60.0
"""A proxy that nobody wants any more is stopped after this long."""


class ProxySupervisor:
    """token: for its API. wanted: does anybody want a proxy? deaf: does the one that serves not
    hear us? changed: told when another one serves, or none. leading: may anything be done? others:
    what proxies of ours ran as by former settings; those are replaced too."""

    def __init__(
        self,
        settings: Settings,
        runner: Runner,
        token: str,
        apis: Apis,
        clock: Clock,
        *,
        wanted: Callable[[], bool],
        deaf: Callable[[], bool] = lambda: False,
        changed: Callable[[], None] = lambda: None,
        leading: Callable[[], bool] = lambda: True,
        others: Sequence[Runner] = (),
    ) -> None:
        self._settings = settings
        self._runner = runner
        self._token = token
        self._apis = apis
        self._clock = clock
        self._wanted = wanted
        self._deaf = deaf
        self._deaf_pause, self._deaf_not_before = DEAF_FIRST, 0.0
        self._changed = changed
        self._leading = leading
        self._others = others
        self._searched = list(others)
        """Of the others, those that may have any left."""
        self._former: dict[Alive, Runner] = {}
        self._serving: Alive | None = None
        self._served = False
        self._leaving: set[Alive] = set()
        self._unwanted_since: float | None = None
        self._pause, self._not_before = PAUSE_FIRST, 0.0
        self._started = float("-inf")
        self.problem = ""
        """Why none runs, or not as it should."""

    def addresses(self) -> Sequence[Address]:
        return () if self._serving is None else (self._address(self._serving),)

    async def answering(self) -> Alive | None:
        """The one that serves, if it answers now."""
        proxy = self._serving
        return proxy if proxy is not None and await self._answers(proxy) else None

    async def _answers(self, proxy: Alive) -> bool:
        try:
            await self._apis.get(self._address(proxy), "/api/version")
        except UserError:
            return False
        return True

    async def formers(self) -> Sequence[Path]:
        """Directories of proxies that another controller of this instance has started. Raises
        UserError."""
        found = {proxy.home for proxy in await self._found()}
        return sorted(found - {self._runner.home})

    def _address(self, proxy: Alive) -> Address:
        return Address(f"http://127.0.0.1:{proxy.api_port}", self._token)

    async def run(self) -> None:
        """For ever. What runs when this is cancelled goes on, and somebody else may have replaced
        it before the next time."""
        self._serve(None)
        self._searched = list(self._others)
        async with asyncio.TaskGroup() as group:
            while True:
                await self.turn(group)
                await self._until_news()

    async def _until_news(self) -> None:
        if self._serving is None:
            await self._until_wanted()
            return
        try:
            async with asyncio.timeout(LOOK):
                await self._runner_of(self._serving).ended(self._serving)
        except TimeoutError:
            return
        except (UserError, OSError):  # nobody can tell: the next look asks anew
            await asyncio.sleep(LOOK / 2)

    async def _until_wanted(self) -> None:
        """Who wants none looks for one now and then only."""
        if self._wanted():
            await asyncio.sleep(LOOK / 2 if self.problem else POLL)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET):
                while not self._wanted():  # noqa: ASYNC110 (nothing tells us)
                    await asyncio.sleep(LOOK / 2)

    async def turn(self, group: asyncio.TaskGroup) -> None:
        """One look, and what it makes necessary."""
        if not self._leading():
            return
        try:
            found = await self._found()
            ours = [proxy for proxy in found if proxy not in self._leaving]
            if self._wanted():
                self._unwanted_since = None
                await self._keep(group, ours)
            else:
                self._idle(group, ours)
        except UserError as error:
            self._told(error.message)
        except OSError as error:
            self._told(f"Traefik cannot be kept: {error.strerror or error}")

    async def _found(self) -> Sequence[Alive]:
        """Those of former settings too, until there are none left."""
        self._former = {}
        for other in tuple(self._searched):
            with contextlib.suppress(UserError):  # an engine that does not answer, say: not yet
                found = await other.running()
                self._former |= dict.fromkeys(found, other)
                if not found:
                    self._searched.remove(other)
        return [*await self._runner.running(), *self._former]

    def _runner_of(self, proxy: Alive) -> Runner:
        return self._former.get(proxy, self._runner)

    def _idle(self, group: asyncio.TaskGroup, ours: Sequence[Alive]) -> None:
        now = self._clock.monotonic()
        since = self._unwanted_since = self._unwanted_since or now
        self.problem = ""
        if ours and now - since >= UNWANTED:
            log.info("Traefik is stopped: nobody wants it any more")
            self._serve(None)
            self._served = False
            for proxy in ours:
                self._dismiss(group, proxy)

    async def _keep(self, group: asyncio.TaskGroup, ours: Sequence[Alive]) -> None:
        desired = await self._runner.desired()
        digest = hashlib.sha256(desired.encode()).hexdigest()[:16]
        right = [proxy for proxy in ours if proxy.digest == digest]
        current = self._serving if self._serving in ours else await self._adopted(ours, right)
        self._serve(current)
        if current is not None and current in right and not self._unhearing():
            self.problem = ""
            if not await self._relieved(current, ours):
                return
        elif self._clock.monotonic() < self._not_before:
            return
        else:
            reason = "deaf" if current in right else "changed" if ours else "died"
            begun = right[-1] if right and current not in right else None
            reason = reason if self._served or ours else "wanted"
            current = await self._start(digest, ours, reason, begun)
        for proxy in ours:
            if proxy != current:
                self._dismiss(group, proxy)

    async def _adopted(self, ours: Sequence[Alive], right: Sequence[Alive]) -> Alive | None:
        """One that answers, before one that may still be loading. None: there is none, or visitors
        are with one that is not ours to ask."""
        if not ours or any(proxy.home != self._runner.home for proxy in ours):
            return None
        chosen = (right or ours)[-1]
        for proxy in (*right, *(each for each in ours if each not in right)):
            if len(ours) > 1 and await self._answers(proxy):
                chosen = proxy
                break
        log.info("taking over the running Traefik", id=chosen.id[:12])
        return chosen

    async def _relieved(self, current: Alive, ours: Sequence[Alive]) -> bool:
        """May the others go? Not before that one answers, and visitors are handed over to it."""
        others = [proxy for proxy in ours if proxy != current]
        if not others or not await self._answers(current):
            return False
        steering = await self._steered(others[0], current)
        try:
            await steering.hand_over()
        finally:
            steering.close()
        return True

    def _unhearing(self) -> bool:
        """Ever more rarely: where another one does not hear either, something else is wrong, and is
        told elsewhere."""
        now = self._clock.monotonic()
        if not self._deaf():
            self._deaf_pause, self._deaf_not_before = DEAF_FIRST, 0.0
            return False
        if now < max(self._not_before, self._deaf_not_before):
            return False
        log.warning("Traefik does not hear what is published: another one takes its place")
        self._deaf_not_before = now + self._deaf_pause
        self._deaf_pause = min(DEAF_LAST, self._deaf_pause * 2)
        return True

    async def _start(
        self, digest: str, ours: Sequence[Alive], reason: str, begun: Alive | None
    ) -> Alive:
        """Beside those that run. begun: one that was started already, by who was killed meanwhile.
        Raises UserError; then the others run on."""
        now = self._clock.monotonic()
        if now - self._started > STEADY:
            self._pause = PAUSE_FIRST
        self._not_before, self._started = now + self._pause, now
        self._pause = min(PAUSE_LAST, self._pause * 2)
        if not ours and not self._leaving:
            address = self._settings.ingress_address
            ports.require(address, self._settings.http_port, "SKYCTL_HTTP_PORT")
            ports.require(address, self._settings.https_port, "SKYCTL_HTTPS_PORT")
        others = [proxy for proxy in ours if proxy != begun]
        steering = await self._steered(self._serving or next(iter(others), None), begun)
        try:
            proxy = await self._spawned(digest, begun)
            await steering.hand_over()
        finally:
            steering.close()
        METRICS.ingress.starts.labels(reason).inc()
        log.info("Traefik serves", id=proxy.id[:12], reason=reason)
        self.problem = ""
        self._serve(proxy)
        return proxy

    async def _spawned(self, digest: str, begun: Alive | None) -> Alive:
        """It answers. Raises UserError when it does not, and leaves nothing."""
        proxy = begun or await self._runner.spawn(digest, ports.free_port())
        try:
            await self._answering(proxy)
        except UserError:
            await self._runner.stop(proxy, 0.0)
            raise
        return proxy

    async def _steered(self, serving: Alive | None, joined: Alive | None) -> Steering:
        """Visitors stay with the one that serves, until they are handed over. joined: one that has
        listened beside it before."""
        pid = None if serving is None else await self._runner_of(serving).pid(serving)
        if pid is None:
            return Steering()
        other = None if joined is None else await self._runner_of(joined).pid(joined)
        shared = (self._settings.http_port, self._settings.https_port)
        steering = await asyncio.to_thread(steer, pid, shared, other)
        if not steering:
            log.info("the kernel does not let us steer visitors: a few may see a 404 meanwhile")
        return steering

    async def _answering(self, proxy: Alive) -> None:
        """Its API is opened by the documents, so whoever answers has loaded them."""
        try:
            async with asyncio.timeout(UP):
                while True:
                    with contextlib.suppress(UserError):
                        await self._apis.get(self._address(proxy), "/api/version")
                        return
                    if words := await self._runner.last_words(proxy):
                        raise _failed(words)
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise _failed(f"it does not answer within {UP:g} s") from None

    def _dismiss(self, group: asyncio.TaskGroup, proxy: Alive) -> None:
        self._leaving.add(proxy)
        runner = self._runner_of(proxy)
        group.create_task(self._farewell(proxy, runner), name=f"traefik {proxy.id[:12]} leaves")

    async def _farewell(self, proxy: Alive, runner: Runner) -> None:
        """It stops listening, finishes what it has under way, and ends."""
        try:
            await runner.stop(proxy, self._settings.ingress_grace + 5.0)
        except (UserError, OSError) as error:
            log.warning("Traefik does not go", id=proxy.id[:12], problem=str(error))
        finally:
            self._leaving.discard(proxy)

    def _serve(self, proxy: Alive | None) -> None:
        self._served = self._served or proxy is not None
        if proxy != self._serving:
            self._serving = proxy
            self._changed()

    def _told(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("Traefik", problem=problem)
            self.problem = problem
            self._changed()


def _failed(reason: str) -> UserError:
    return UserError(
        "CONFIGURATION_INGRESS_FAILED",
        f"Traefik does not start: {reason}",
        suggestions=["see ingress/traefik.log in the state directory"],
        retryable=True,
    )
