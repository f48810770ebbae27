"""The pass: a key comes in, the world is compared with the declaration, and moved towards it.

A first look uses only the mirrors. If it finds nothing to do, the status is compared and the pass
ends. Otherwise row and objects are read authoritatively, planned anew, executed, and observed
again, for a few rounds, so that what needs several plans (make a network, start, prove ready)
happens in one pass. Whatever happened, the status is written once at the end, from the last
observation.

Equal input gives equal output: a pass whose observation equals that of the last converged pass
of this key is skipped. That is a memo of a pure function, nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from controller.loop.outcome import Done, Outcome, RequeueAfter
from controller.metrics import METRICS
from controller.reconcile.execute import Executor, Walk
from controller.reconcile.news import drifted, told
from controller.reconcile.observe import Observation, Observer
from controller.reconcile.report import StatusReporter, material
from controller.reconcile.symptoms import Symptoms, event, starved
from controller.reconcile.turns import WANTED, Turns
from controller.store.base import Deposed, Store
from controller.store.catalogue import Catalogue
from resources.errors import UserError
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import Entry, Key
from resources.plan import Plan
from resources.steps import EngineStep, Step
from resources.store_steps import Accept, Claim, EndRollout, Finalize, Hold

log = structlog.get_logger("reconcile")

STALLED_SECONDS = 1.0
"""What needs somebody, but waits for something beside, is not looked at more often."""
ROUNDS = 12
"""Plans per pass; a key with more to do goes to the end of the queue."""


@dataclass(slots=True)
class Pass:
    """What one pass gathered. events are written at its end, whatever the exit. late: what took
    long in an earlier pass and was done since."""

    observation: Observation
    plan: Plan
    late: tuple[Step, ...] = ()
    failure: UserError | None = None
    executed: list[Step] = field(default_factory=list)
    gone: bool = False
    unfinished: bool = False

    @property
    def belated(self) -> list[Step]:
        """Of late, what this pass had no reason to ask for again: else it has heard that it is
        done."""
        again = {(type(step), step.target) for step in self.executed}
        return [step for step in self.late if (type(step), step.target) not in again]


class Reconciler:
    """wake: puts a key on the queue. turns: among the rollouts; None: all at once. observed: told
    each finished observation (the prober derives its targets from it). concluded: told what is in
    the way, or None, after each pass."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        observer: Observer,
        executor: Executor,
        store: Store,
        epoch: Callable[[], int | None],
        wake: Callable[[Key], None],
        turns: Turns | None = None,
        observed: Callable[[Observation | None, Key], None] = lambda _o, _k: None,
        concluded: Callable[[Key, UserError | None], None] = lambda _k, _p: None,
    ) -> None:
        self._catalogue = catalogue
        self._observer = observer
        self._executor = executor
        self._store = store
        self._reporter = StatusReporter(store)
        self._symptoms = Symptoms()
        self._epoch = epoch
        self._wake = wake
        self._turns = turns or Turns(0, wake)
        self._observed = observed
        self._concluded = concluded
        self._memo: dict[Key, tuple[Any, ...]] = {}

    async def __call__(self, key: Key) -> Outcome:
        late = self._executor.late(key)
        known = self._memo.get(key)
        if known is not None and not late and known == self._observer.identity(key):
            METRICS.passes.status_writes.labels("suppressed").inc()
            return Done()
        observation = await self._observer.look(key)
        if observation is None:
            await self._unknown(key)
            return Done()
        plan = self._plan(observation)
        done = Pass(observation, plan, late)
        if plan.steps:
            await self._act(key, done)
        await self._make_sure(key, done)
        return await self._finish(key, done)

    def _plan(self, observation: Observation) -> Plan:
        kind, context = observation.reading.kind, observation.context
        assert kind is not None
        plan = kind.plan(context)
        if plan.turn == WANTED and self._turns.take(context.key):
            plan = kind.plan(replace(context, turn=True))
        return plan

    async def _act(self, key: Key, done: Pass) -> None:
        """Rounds of authoritative reading, planning and executing."""
        known: Observation | None = None
        row: Entry | None = None
        for _ in range(ROUNDS):
            observation = await self._observer.authoritative(key, known, row)
            if observation is None:
                done.gone = True
                return
            done.observation = observation
            done.plan = self._plan(observation)
            if not done.plan.steps or done.failure is not None:
                return
            before = len(done.executed)
            walk = Walk(True)
            try:
                walk = await self._executor.execute(
                    observation.context, done.plan, done.executed.append
                )
            except UserError as error:
                done.failure = error
            row = walk.row
            made = done.executed[before:]
            for step in made:
                self._log(key, observation, step)
            if any(isinstance(step, Finalize) for step in made):
                done.gone = True
                return
            if not walk.over and not made:
                return  # woken when what takes long has ended
            touched = done.failure is not None or any(isinstance(s, EngineStep) for s in made)
            known = None if touched else observation
        done.unfinished = True

    async def _make_sure(self, key: Key, done: Pass) -> None:
        """No alarm on the word of a mirror: a volume made a moment ago may not be in it yet. What
        needs somebody to change something is told only after everything was read. What is told
        already is not read for again: an engine that keeps restarting a container may take
        seconds to answer about it."""
        problem = done.plan.problem
        if problem is None or problem.retryable or done.failure is not None or done.gone:
            return
        if problem is done.observation.context.rejection:
            return  # nothing that is observed made it
        if problem.to_dict() == (done.observation.context.entry.status or {}).get("error"):
            return
        observation = await self._observer.authoritative(key, whole=True)
        if observation is None:
            done.gone = True
            return
        done.observation, done.plan = observation, self._plan(observation)
        done.unfinished = done.unfinished or bool(done.plan.steps)

    async def _finish(self, key: Key, done: Pass) -> Outcome:
        if done.failure is not None or done.gone or not done.plan.turn:
            self._turns.release(key)
        if done.gone:
            await self._emit(key, done)
            self._forget(key, done)
            return Done()
        status = self._status(done)
        await self._emit(key, done, status)
        changed = await self._report(key, done, status)
        if done.executed or changed:
            self._wake_related(key, done.executed)
        self._observed(done.observation, key)
        self._concluded(key, done.failure or done.plan.problem)
        if done.unfinished and done.failure is None:
            return RequeueAfter(0)
        problem, wait = done.failure or done.plan.problem, done.plan.wait
        seconds = wait.seconds if wait is not None else None
        if problem is not None:
            if problem.retryable or seconds is None:
                raise problem
            return RequeueAfter(max(seconds, STALLED_SECONDS), problem)
        if wait is not None:
            return Done() if seconds is None else RequeueAfter(seconds)
        self._remember(key, done)
        return Done()

    def _status(self, done: Pass) -> dict[str, Any]:
        kind = done.observation.reading.kind
        assert kind is not None
        return kind.status(done.observation.context, done.plan, done.failure)

    async def _report(self, key: Key, done: Pass, status: dict[str, Any]) -> bool:
        epoch = self._epoch()
        if epoch is None:
            raise Deposed("not the leader")
        context = done.observation.context
        before = context.entry.status
        if await self._reporter.report(context.entry, status, epoch=epoch):
            entry = replace(context.entry, status=status, observed_generation=context.generation)
            self._catalogue.put(entry)
            return material(before, status)
        return False

    def _remember(self, key: Key, done: Pass) -> None:
        """Converged: until one of its inputs changes, there is nothing to think about. What came
        in while the status was written is in no status yet: that is thought about again."""
        observation = self._observer.cached(key)
        if observation is None or not observation.differs_in_status_only(done.observation):
            self._wake(key)
        elif self._plan(observation).converged:
            self._memo[key] = observation.identity

    async def _unknown(self, key: Key) -> None:
        """No row: nothing to do here (objects of ours without a row are decided as one batch). A
        row of a kind that this build does not know gets a status that says so."""
        self._memo.pop(key, None)
        self._executor.forget(key)
        self._turns.release(key)
        self._observed(None, key)
        reading = self._catalogue.get(key)
        epoch = self._epoch()
        if reading is None or epoch is None or reading.rejection is None:
            return
        status = refused_status(reading.rejection, reading.entry.resource.generation)
        if reading.entry.resource.deleting:
            await self._store.record(
                reading.entry.resource.uid, [Finalize(cause="deletion requested")], epoch=epoch
            )
            return
        if await self._reporter.report(reading.entry, status, epoch=epoch):
            self._catalogue.put(
                replace(
                    reading.entry,
                    status=status,
                    observed_generation=reading.entry.resource.generation,
                )
            )

    def _forget(self, key: Key, done: Pass) -> None:
        reading = done.observation.reading
        rivals = [entry.key for entry in done.observation.context.rivals]
        METRICS.forget(key)
        self._catalogue.finalized(reading.entry.resource.uid)
        self._memo.pop(key, None)
        self._executor.forget(key)
        self._symptoms.forget(key)
        self._observed(None, key)
        self._concluded(key, None)
        for other in (*self._catalogue.referrers(key), *reading.refs, *rivals):
            self._wake(other)
        if key.kind == "Domain":
            self._wake_certifying(key)

    def _wake_related(self, key: Key, executed: Sequence[Step]) -> None:
        for other in self._catalogue.referrers(key):
            self._wake(other)
        reading = self._catalogue.get(key)
        if reading is not None and key.kind == "Domain":
            for ref in reading.refs:  # its Services' containers may have to carry it
                if ref.kind == "Service":
                    self._wake(ref)
        if not executed or reading is None:
            return
        if any(isinstance(step, ClaimHostname | ReleaseHostnames) for step in executed):
            self._wake_certifying(key)
        counted = any(isinstance(step, Accept | Claim | Hold) for step in executed)
        for ref in reading.refs:
            if ref.kind == "Volume" or (ref.kind == "Organization" and counted):
                self._wake(ref)

    def _wake_certifying(self, key: Key) -> None:
        """For which names a certificate may be follows what the organization has proven."""
        for other in self._catalogue.certifying(key.organization):
            if other != key:
                self._wake(other)

    def _log(self, key: Key, observation: Observation, step: Step) -> None:
        log.info(
            step.render(),
            kind=key.kind,
            organization=key.organization,
            name=key.name,
            generation=observation.context.generation,
        )
        if isinstance(step, EndRollout):
            METRICS.passes.rollouts.labels(step.outcome).inc()

    async def _emit(self, key: Key, done: Pass, status: dict[str, Any] | None = None) -> None:
        """What was done, and what was found and is not told yet. status: None for what is gone."""
        epoch = self._epoch()
        if epoch is None:
            return
        context, plan = done.observation.context, Plan() if done.gone else done.plan
        belated = done.belated
        for step in belated:
            self._log(key, done.observation, step)
        executed = [*belated, *done.executed]
        for what in drifted(context, plan, executed):
            METRICS.passes.drift.labels(key.kind, what).inc()
        news = told(key, context, plan, executed, done.failure)
        if status is not None and key.kind == "Service":
            news += starved(context, status)
            if (symptom := self._symptoms.begun(context, status)) is not None:
                METRICS.passes.errors.labels(key.kind, symptom.code).inc()
                news.append(event(context, symptom))
        if news:
            await self._store.emit(news, epoch=epoch)
        self._executor.told(key, done.late)


def refused_status(error: UserError, generation: int) -> dict[str, Any]:
    """Status of a row that no kind of this build plans."""
    condition = {
        "type": "Accepted",
        "status": "False",
        "reason": error.reason,
        "message": error.message,
        "observedGeneration": generation,
    }
    return {
        "observedGeneration": generation,
        "phase": "Failed",
        "state": "error",
        "message": error.message,
        "conditions": [condition],
        "error": error.to_dict(),
    }
