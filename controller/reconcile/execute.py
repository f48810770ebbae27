"""Execute: walk the steps, decide nothing.

Consecutive store steps are one transaction. Right before a destructive call, with its place among
the calls already taken, the leadership is confirmed against the store. Changing engine calls share
a limit; pulls and stops, which may take long, run beside the workers under limits of their own. The
first error ends the walk, and so does a call that takes long: what was done is seen by the next
observation, and told of by the next pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

import structlog

from controller.engine.base import Engine
from controller.reconcile.calls import Routes, calls
from controller.reconcile.image_policy import DENIED, ImagePolicy
from controller.reconcile.lastwords import LastWords
from controller.reconcile.longcalls import LongCalls, Slots
from controller.reconcile.opening import discreet, opened
from controller.reconcile.pull_news import PullNews
from controller.store.base import Deposed, Store
from resources.context import Context
from resources.domain.container_labels import by_labels
from resources.errors import UserError
from resources.labels import L_ROUTES
from resources.meta import Entry, Key
from resources.observed import Container
from resources.plan import Plan
from resources.routing.routes_label import signed
from resources.routing.steps import RouteStep, WithdrawRoutes
from resources.sealed import Sealed
from resources.service.problems import image_labels
from resources.steps import (
    EngineStep,
    PullImage,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
    VerifyImage,
)
from resources.store_steps import Finalize, SealInbox, StoreStep

log = structlog.get_logger("execute")

Done = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a plan was walked. over False: a call takes long; the key is woken when it ended.
    row: as the last record left it, None when nothing was recorded."""

    over: bool
    row: Entry | None = None


STOPS = 64
"""Stops under way at once; a quarter of them at most of one organization."""


ROUTES = 8
"""Documents published or withdrawn at once: whether the engine answers does not concern them."""
VERDICTS = 4
"""Images judged by the image policy at once."""


async def _open() -> None:
    """The gate that is always open."""


class Secrets(Protocol):
    """What executing needs of the vault."""

    def open(self, sealed: Sealed) -> str:
        """The value. Raises UserError SECRET_*."""
        ...

    async def fill(self, entry: Entry, epoch: int) -> Entry | None:
        """Seals what waits in the inbox for a Secret; the row as it is then. Raises UserError."""
        ...


class Executor:
    """epoch: of our leadership, None while we do not lead. gate: raises while nothing may be done
    to the engine (not connected, or not ours). doubt: told when what is known of images may be
    wrong, after a pull and after a step that failed. wake: puts a key on the queue, when what it
    waits for is done. secrets: opens and seals. pull: what pulls, if not the engine alone. verify:
    the image policy. words: keeps the last lines of what is removed. news: tells how far a pull
    is. routes: publishes them."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        epoch: Callable[[], int | None],
        *,
        concurrency: int,
        pulls: int,
        secrets: Secrets,
        wake: Callable[[Key], None] = lambda _: None,
        gate: Callable[[], Awaitable[None]] = _open,
        doubt: Callable[[], None] = lambda: None,
        pull: Callable[[PullImage], Awaitable[None]] | None = None,
        verify: ImagePolicy | None = None,
        words: LastWords | None = None,
        news: PullNews | None = None,
        routes: Routes | None = None,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._epoch = epoch
        self._gate = gate
        self._doubt = doubt
        self._words = words
        self._news = news
        self._engine = engine
        self._policy = verify
        self._slots = Slots(concurrency, concurrency)
        self._route_slots = Slots(ROUTES, ROUTES)
        self._pull_slots = Slots(pulls, max(1, pulls - 1))
        self._verdict_slots = Slots(VERDICTS, VERDICTS - 1)
        self._stop_slots = Slots(STOPS, STOPS // 4)
        self._long = LongCalls(wake)
        self._calls = calls(engine, pull, verify, routes)

    async def execute(self, context: Context, plan: Plan, done: Done) -> Walk:
        """Raises the first step's error; ``done`` is called after each step that succeeded."""
        row: Entry | None = None
        for is_store, steps in groupby(plan.steps, lambda step: isinstance(step, StoreStep)):
            if is_store:
                found = [step for step in steps if isinstance(step, StoreStep)]
                row = await self._record(context, found, done)
            else:
                for step in steps:
                    if not await self._step(context, step):
                        return Walk(False, row)
                    done(step)
        return Walk(True, row)

    async def remove(self, steps: Sequence[EngineStep | WithdrawRoutes], done: Done) -> None:
        """Removal of objects without a row, already decided as a batch."""
        for step in steps:
            await self._short(step, "")
            done(step)

    async def confirm(self) -> int:
        """Our epoch, if the store says that it still is the newest. Raises Deposed."""
        epoch = self._leading()
        if await self._store.epoch() != epoch or self._epoch() != epoch:
            raise Deposed("another controller leads, or none")
        return epoch

    def _leading(self) -> int:
        epoch = self._epoch()
        if epoch is None:
            raise Deposed("not the leader")
        return epoch

    async def _record(self, context: Context, steps: list[StoreStep], done: Done) -> Entry | None:
        """A row that goes because nothing is left on the engine: of the right engine."""
        if any(step.destructive for step in steps):
            await self._gate()
        if any(isinstance(step, SealInbox) for step in steps):
            row = await self._secrets.fill(context.entry, self._leading())
        else:
            row = await self._store.record(context.uid, steps, epoch=self._leading())
        for step in steps:
            done(step)
            if self._words is not None and isinstance(step, Finalize):
                await self._words.forget(context.uid)
        return row

    async def _step(self, context: Context, step: Step) -> bool:
        organization = context.key.organization
        match step:
            case PullImage():
                call = partial(self._held, step, self._pull_slots, organization)
                over = await self._long.ask(context.key, step.identity, step, call)
                if not over and self._news is not None:
                    self._news.asked(step, context.key, context.uid)
            case VerifyImage():
                call = partial(self._held, step, self._verdict_slots, organization)
                over = await self._long.ask(context.key, ("verify", step.reference), step, call)
            case StopContainer():
                call = partial(self._held, step, self._stop_slots, organization)
                over = await self._long.ask(context.key, ("stop", step.container), step, call)
            case _:
                if isinstance(step, RemoveContainer):
                    await self._listen(context, step)
                if isinstance(step, StartContainer):
                    await self._unadorned(context, step)
                    if not await self._verified(context, step):
                        return False
                await self._short(step, organization)
                over = True
        return over

    async def _unadorned(self, context: Context, step: StartContainer) -> None:
        """Where Traefik reads containers' labels, an image must not bring any: they are its
        containers' as well, and could claim whatever they like. Raises UserError."""
        if not by_labels(context.platform.ingress):
            return
        found = await self._engine.inspect_container(step.container)
        if found is None or found.state != "created" or L_ROUTES not in found.labels:
            return
        if not signed(found.labels[L_ROUTES], found.labels):
            raise image_labels(found)

    async def _verified(self, context: Context, step: StartContainer) -> bool:
        """What never ran yet was made of an image that may run. False: that takes long."""
        if self._policy is None:
            return True
        found = await self._engine.inspect_container(step.container)
        if found is None or found.state != "created":
            return True
        key = context.key
        question = VerifyImage(
            reference=found.image,
            organization=key.organization,
            service=key.name,
            cause=f"before {found.name} starts",
        )
        call = partial(self._judged, question, found)
        return await self._long.ask(key, ("verify", found.id), question, call)

    async def _judged(self, question: VerifyImage, found: Container) -> None:
        """What may not run goes again: whoever makes its successor asks about the tag anew."""
        assert self._policy is not None
        try:
            async with self._verdict_slots.of(question.organization):
                await self._policy.judge(question, found.image_id)
        except UserError as error:
            if error.code == DENIED:
                cause = "made of an image that the policy refuses"
                step = RemoveContainer(container=found.id, container_name=found.name, cause=cause)
                await self._short(step, question.organization)
            raise

    async def _listen(self, context: Context, step: RemoveContainer) -> None:
        found = context.world.containers.get(step.container)
        if self._words is not None and found is not None:
            await self._words.keep(context.uid, found)

    async def _short(self, step: Step, organization: str) -> None:
        slots = self._route_slots if isinstance(step, RouteStep) else self._slots
        async with slots.of(organization):
            await self._call(step)

    async def _held(self, step: Step, slots: Slots, organization: str) -> None:
        try:
            async with slots.of(organization):
                await self._call(step)
        finally:
            if isinstance(step, PullImage) and self._news is not None:
                self._news.ended(step)
        if isinstance(step, PullImage):
            self._doubt()

    async def _call(self, step: Step) -> None:
        """With its place taken: nothing is waited for between the last check and the call. What is
        published decides where requests go, so it is the acting leader's alone."""
        routes = isinstance(step, RouteStep)
        if not routes:
            await self._gate()
        if step.destructive or routes:
            await self.confirm()
        self._leading()
        plain = opened(step, self._secrets.open)
        try:
            await self._calls[type(step)](plain)
        except UserError as error:
            self._doubt()
            raise discreet(error, step, plain) from None

    def late(self, key: Key) -> tuple[Step, ...]:
        """What took long for this key and was done since its last pass; until ``told``."""
        return self._long.done(key)

    def told(self, key: Key, steps: Sequence[Step]) -> None:
        """Of these it has been told."""
        self._long.told(key, steps)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._long.forget(key)

    async def close(self) -> None:
        """Cancels the pulls and stops under way."""
        await self._long.close()
