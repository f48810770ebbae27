"""Tags that move: what the registries have by now under the images of services that always want the
newest.

Under ``imagePullPolicy: Always`` the registry is asked now and then which digest the tag means, as
the service would sign in, through the engine and without fetching anything. What it said is part
of the next plan; what is to be done about it is decided there. It is forgotten when the image is
pulled: where a mirror is behind its source, a tag is pulled once at each look, not for ever.

Registries are tenants' choices, so one that does not answer keeps nobody waiting but others of its
organization; one that fails is asked less and less often. Docker Hub counts each look as a pull,
and limits them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby

import structlog

from controller.clock import Clock
from controller.reconcile.longcalls import Slots
from controller.reconcile.observe import Observation
from controller.reconcile.opening import Open, opened
from resources.errors import UserError
from resources.meta import Key
from resources.service.tags import watched
from resources.steps import PullImage

log = structlog.get_logger("tags")

LONGEST = 3600.0
"""Seconds between two looks at a registry that fails, and at Docker Hub."""
ASKING, EACH = 8, 2
"""Registries asked at once, and how many of them for one organization."""


@dataclass(slots=True)
class _Target:
    """digest: that the registry told last, '' when it is not known (any more). pause: seconds from
    one look to the next."""

    pull: PullImage
    due: float
    pause: float
    digest: str = ""


class Tags:
    """ask: the engine. open_: opens sealed credentials. wake: puts a key on the queue. acting: do
    we lead? interval: seconds, 0: nobody is asked."""

    def __init__(
        self,
        ask: Callable[[PullImage], Awaitable[str]],
        open_: Open,
        wake: Callable[[Key], None],
        acting: Callable[[], bool],
        clock: Clock,
        interval: float,
    ) -> None:
        self._ask = ask
        self._open = open_
        self._wake = wake
        self._acting = acting
        self._clock = clock
        self._interval = interval
        self._targets: dict[Key, _Target] = {}
        self._slots = Slots(ASKING, EACH)

    def begin(self) -> None:
        """Anew, when we begin to lead."""
        self._targets.clear()

    def observed(self, observation: Observation | None, key: Key) -> None:
        """Takes the target over from a finished pass; None: the resource is gone."""
        if key.kind != "Service" or not self._interval:
            return
        pull = watched(observation.context) if observation is not None else None
        known = self._targets.get(key)
        if pull is None:
            self._targets.pop(key, None)
        elif known is None or known.pull.identity != pull.identity:
            pause = self._pause(pull)
            self._targets[key] = _Target(pull, self._clock.monotonic() + pause, pause)

    def digest(self, key: Key) -> str:
        """The digest that its registry has under the service's tag, '' when nobody knows."""
        target = self._targets.get(key)
        return target.digest if target is not None else ""

    def pulled(self, step: PullImage) -> None:
        for target in self._targets.values():
            if target.pull.identity == step.identity:
                target.digest = ""

    async def run(self) -> None:
        """For ever."""
        while self._interval:
            await asyncio.sleep(self._interval / 4)
            if self._acting():
                await self.look()
        await asyncio.Event().wait()

    async def look(self) -> None:
        """At whatever is due; equal questions are asked once."""
        now = self._clock.monotonic()
        due = [(t.pull.identity, key) for key, t in self._targets.items() if t.due <= now]
        async with asyncio.TaskGroup() as group:
            for _, same in groupby(sorted(due), key=lambda each: each[0]):
                group.create_task(self._look([key for _, key in same]))

    async def _look(self, keys: list[Key]) -> None:
        known = self._targets.get(keys[0])
        if known is None:  # it went while we were about to ask
            return
        first = known.pull
        try:
            async with self._slots.of(keys[0].organization):
                step = opened(first, self._open)
                assert isinstance(step, PullImage)
                digest = await self._ask(step)
        except UserError as error:
            log.debug("a registry was not asked", image=first.reference, reason=error.code)
            digest = None
        for key in keys:
            target = self._targets.get(key)
            if target is not None and target.pull.identity == first.identity:
                self._learn(key, target, digest)

    def _learn(self, key: Key, target: _Target, digest: str | None) -> None:
        usual = self._pause(target.pull)
        target.pause = usual if digest else max(usual, min(2 * target.pause, LONGEST))
        target.due = self._clock.monotonic() + target.pause
        if digest and digest != target.digest:
            target.digest = digest
            self._wake(key)

    def _pause(self, pull: PullImage) -> float:
        return max(self._interval, LONGEST) if docker_hub(pull.reference) else self._interval


def docker_hub(reference: str) -> bool:
    """Where images without a registry's name come from."""
    first, slash, _ = reference.partition("/")
    named = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    return not named or first in ("docker.io", "index.docker.io", "registry-1.docker.io")
