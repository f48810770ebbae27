"""The verifier: asks DNS whose the hostnames are and where they lead, again and again.

What was found is written into the live world by the Domain's uid, and wakes the key when it is
news.

A Domain whose record is missing is asked about soon, then less and less often; one that is as it
should be now and then. Questions are shared out, so that nobody's thousand Domains keep another's
waiting.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from weakref import WeakValueDictionary

from controller.clock import Clock
from controller.reconcile.observe import Observation
from controller.reconcile.resolution import Resolution
from controller.reconcile.watching import Watch
from resources.domain.standing import stand
from resources.domain.verifying import Answer, DnsQuestion, judge, pause
from resources.meta import Key
from resources.routing.world import DnsFinding
from resources.world import World

CONCURRENCY = 32
PER_ORGANIZATION = 4
"""Hostnames asked about at once."""


class Ask(Protocol):
    """The answer of DNS. Never raises, and ends by itself."""

    async def __call__(self, question: DnsQuestion) -> Answer: ...


Questions = tuple[DnsQuestion, ...]
"""Of one Domain: a hostname each."""


class Verifier(Watch[Questions]):
    def __init__(
        self,
        world: Callable[[], World],
        wake: Callable[[Key], None],
        clock: Clock,
        random_: random.Random,
        ask: Ask | None = None,
    ) -> None:
        super().__init__()
        self._world = world
        self._wake = wake
        self._clock = clock
        self._random = random_
        self._ask = ask or Resolution()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @property
    def settled(self) -> bool:
        """Every question has been asked at least once."""
        findings = self._world().findings
        return all(
            question.hostname in findings.get(question.uid, {})
            for questions, _ in self._running.values()
            for question in questions
        )

    def _derived(self, observation: Observation | None) -> Questions | None:
        return _questions(observation) or None

    def _same(self, one: Questions, other: Questions) -> bool:
        return [*map(_bare, one)] == [*map(_bare, other)]

    def _forget(self, questions: Questions, instead: Questions | None) -> None:
        kept = {_bare(each) for each in instead or ()}
        findings = self._world().findings
        for each in questions:
            if _bare(each) not in kept:
                findings.get(each.uid, {}).pop(each.hostname, None)
            if not findings.get(each.uid):
                findings.pop(each.uid, None)

    async def _look(self, key: Key, questions: Questions) -> None:
        async with asyncio.TaskGroup() as group:
            for each in questions:
                group.create_task(self._ask_again(key, each), name=f"dns {each.hostname}")

    async def _ask_again(self, key: Key, question: DnsQuestion) -> None:
        attempts = 0
        share = self._shares.setdefault(key.organization, asyncio.Semaphore(PER_ORGANIZATION))
        while True:
            async with share, self._slots:
                answer = await self._ask(question)
            findings = self._world().findings
            before = findings.get(question.uid, {}).get(question.hostname)
            after = judge(before, question, answer, self._clock.now())
            if after is not before:
                findings.setdefault(question.uid, {})[question.hostname] = after
                self._wake(key)
            attempts = 0 if _well(after) else attempts + 1
            await asyncio.sleep(pause(after, attempts) * self._random.uniform(0.9, 1.1))


def _bare(question: DnsQuestion) -> DnsQuestion:
    """What a status remembers of an earlier failure is of use only to begin with."""
    return replace(question, failing_since=None)


def _questions(observation: Observation | None) -> Questions:
    """Nothing is asked about what is refused, or about to go."""
    context = observation.context if observation is not None else None
    if context is None or context.deleting or context.spec is None:
        return ()
    if context.ref("Organization", context.key.organization) is None:
        return ()
    standing = stand(context)
    return standing.questions if standing.declared.spec is not None else ()


def _well(finding: DnsFinding) -> bool:
    return finding.proven and finding.pointed and not finding.error
