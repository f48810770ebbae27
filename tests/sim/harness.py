"""A simulation: one database, one engine, some controllers, all on virtual time from one seed.

``Simulation`` is the world and whoever disturbs it; ``simulate`` runs a scenario in one and, when
it fails, prints the seed and the trace. Controllers are the real ``controller.app.Controller``.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from controller.app import Controller
from controller.engine.base import EngineEvent
from controller.settings import Settings
from controller.store.base import StoreUnavailable
from resources.effective import effective
from resources.labels import L_CONTROLLER, L_ROLE
from resources.meta import Entry, Key, Manifest
from resources.naming import volume_identity
from resources.probing import ProbeTarget
from resources.steps import EngineStep, RemoveVolume
from tests.fakes.dns import FakeDns
from tests.fakes.engine import FakeEngine
from tests.fakes.ingress import FakeIngress
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeDatabase, FakeStore
from tests.sim.clockwork import PROCESS, Process, SimClock, neutral, run_virtually
from tests.sim.faults import CALM, Fate, Faults, Rates
from tests.sim.wires import EngineWire, IngressWire, StoreWire

T = TypeVar("T")

IMAGES: Mapping[str, Behaviour] = {
    "app:1": Behaviour(pull_seconds=1.0),
    "app:2": Behaviour(pull_seconds=2.0, healthy_after=1.0),
    "app:3": Behaviour(local=True, healthy_after=3.0),
    "slow:1": Behaviour(pull_seconds=15.0, healthy_after=5.0, stop_seconds=4.0),
    "stubborn:1": Behaviour(pull_seconds=1.0, stop_seconds=100.0),
    "job:1": Behaviour(pull_seconds=1.0, exits_after=3.0),
    "gone:1": Behaviour(pull="missing"),
    "private:1": Behaviour(pull="unauthorized"),
    "far:1": Behaviour(pull="unreachable"),
    "crash:1": Behaviour(pull_seconds=1.0, exits_after=0.4, exit_code=1),
    "sick:1": Behaviour(pull_seconds=1.0, healthy_after=None),
    "broken:1": Behaviour(pull_seconds=1.0, start_error="exec: no such file or directory"),
}
SETTINGS = Settings(
    state_dir=Path("/nonexistent"), listen="", drain_timeout=5.0, resync_interval=20.0
)
TRACED, SHOWN = 50_000, 400


class Trace:
    """Who did what when; kept from the end backwards."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str, str, str]] = deque(maxlen=TRACED)

    def note(self, actor: str, what: str, outcome: str = "") -> None:
        self._lines.append((asyncio.get_running_loop().time(), actor, what, outcome))

    def lines(self) -> list[str]:
        return [
            f"{at:10.3f} {actor:<6} {what}{' -> ' + outcome if outcome else ''}"
            for at, actor, what, outcome in self._lines
        ]


class Controlled(Process):
    """A controller, and its wires to the outside."""

    def __init__(self, sim: Simulation, name: str, instance: str) -> None:
        super().__init__(name)
        self.engine = EngineWire(sim, self)
        self.store = StoreWire(sim, self)
        ingress = None
        if sim.ingress is not None:
            ingress = IngressWire(sim, self, sim.ingress).gateway
        self.controller: Controller = self.context.run(
            Controller,
            sim.settings,
            self.store,
            self.engine,
            instance,
            clock=sim.clock,
            random_=random.Random(sim.random.getrandbits(64)),
            knock=sim.knock,
            ask=sim.dns,
            keyring=MemoryKeyring(1),
            ingress=ingress,
        )
        self.main = self.start(self.controller.run())
        self.main.add_done_callback(lambda task: sim.ended(self, task))

    @property
    def leads(self) -> bool:
        return self.controller.leadership.epoch is not None


@dataclass(frozen=True, slots=True)
class CrashAt:
    """The number-th effect on the outside (from 0): killed ``before`` it is sent, or ``after`` it
    was done and before the reply came; the same without dying: ``lost``, ``unanswered``; or
    frozen just before it is sent, so that it comes ``late``, or just after, so that the reply
    finds it ``asleep``, and another leads already when it wakes."""

    number: int
    how: str


_FATES = {
    "before": "crash_before",
    "after": "crash_after",
    "lost": "request_lost",
    "unanswered": "reply_lost",
    "late": "late",
    "asleep": "asleep",
}


@dataclass
class Simulation:
    seed: int
    rates: Rates = CALM
    settings: Settings = SETTINGS
    images: Mapping[str, Behaviour] = field(default_factory=lambda: IMAGES)
    crash_at: Sequence[CrashAt] = ()
    reborn_after: float | None = None
    """Seconds until somebody starts what was killed; None: nobody does."""
    ingress: FakeIngress | None = None
    """The proxies; None: nothing is routed."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.clock = SimClock()
        self.dns = FakeDns()
        self.trace = Trace()
        self.faults = Faults(self.rates, random.Random(self.random.getrandbits(64)))
        self.database = FakeDatabase(
            now=self.clock.now, seed=self.random.getrandbits(64), deliver=self._deliver
        )
        self.engine = FakeEngine(
            self.clock, seed=str(self.random.getrandbits(64)), images=dict(self.images)
        )
        self.engine.stream.filter = self._hear
        self.user = FakeStore(self.database)
        self.processes: list[Controlled] = []
        self.graves: list[Process] = []
        self.effects = 0
        self.calls: Counter[str] = Counter()
        self.actions = 0
        self.earlier: dict[str, Entry] = {}
        self.failures: list[str] = []
        self.watch: list[Callable[[str], None]] = []
        self.deaf = False
        self.over = False
        self._born = 0
        self._remember_earlier()

    # -- controllers
    def launch(self) -> Controlled:
        self._born += 1
        process = Controlled(self, f"c{self._born}", self.database.instance)
        self.processes.append(process)
        self.trace.note(process.name, "starts")
        return process

    def kill(self, process: Process, when: str, *, lock_stays: bool = False) -> None:
        """As kill -9. lock_stays: the database does not notice (the whole host died)."""
        if process.dead:
            return
        assert isinstance(process, Controlled)
        process.die()
        self.processes.remove(process)
        self.graves.append(process)
        self.trace.note(process.name, f"is killed {when}")
        if self.database.lock is process.store.lease and not lock_stays:
            self.database.lock = None
        if self.reborn_after is not None and not self.over:
            neutral(self._reborn(self.reborn_after))

    async def _reborn(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.launch()

    def freeze(self, process: Process, seconds: float | None = None) -> None:
        """For a while: shorter or longer than a lease lasts."""
        if seconds is None:
            seconds = self.random.choice((0.5, 3.0, 8.0, 20.0, 60.0)) * self.random.random()
        self.trace.note(process.name, f"is frozen for {seconds:.3f} s")
        process.freeze()
        neutral(self._thaw(process, seconds))

    async def _thaw(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.trace.note(process.name, "wakes")
        process.thaw()

    def ended(self, process: Process, task: asyncio.Task[None]) -> None:
        if process.dead:
            return
        error = None if task.cancelled() else task.exception()
        self.failures.append(f"{process.name} ended by itself: {error!r}")

    async def bury(self) -> None:
        """At the end: everything that is still in memory goes."""
        self.over = True
        for process in list(self.processes):
            self.kill(process, "at the end")
        for process in self.graves:
            await process.bury()

    # -- what wires tell
    def effect(self, quick: float) -> Fate | None:
        """Counts a change on its way, or the question before one, and says when it is the one to
        crash at."""
        number, self.effects = self.effects, self.effects + 1
        how = next((crash.how for crash in self.crash_at if crash.number == number), None)
        return Fate(_FATES[how], quick, quick) if how is not None else None

    def issued(self, process: Process, step: EngineStep) -> None:
        """A changing engine call leaves a controller: is that its to make?"""
        assert isinstance(process, Controlled)
        lease = process.store.lease
        if step.destructive and self.database.lock is not lease:
            self.failures.append(
                f"{process.name} at {self.clock.monotonic():.3f}: {step.render()}, with an "
                f"outdated epoch (the store is at {self.database.epoch})"
            )
        if isinstance(step, RemoveVolume) and not self._expendable(step.name):
            self.failures.append(f"{process.name} removes data unasked: {step.render()}")
        container = self.engine.world.containers.get(getattr(step, "container", ""))
        if container is not None and L_CONTROLLER not in container.labels:
            self.failures.append(f"{process.name} touches a stranger: {step.render()}")

    def _expendable(self, volume: str) -> bool:
        """Was it deleted by a policy that says so, or retained until now?"""
        for entry in self.database.entries.values():
            if entry.key.kind == "Volume" and volume_identity(entry).engine_name == volume:
                spec = effective(entry).spec
                return entry.resource.deleting and spec.deletion_policy == "Delete"
        retained = [r for r, _ in self.database.retained.values() if r.engine_name == volume]
        expired = [r for r in retained if r.expires_at and r.expires_at <= self.clock.now()]
        return len(expired) == len(retained) > 0 or self.engine.world.volume(volume) is None

    def changed(self, name: str) -> None:
        """Something was written, somewhere."""
        self.calls[name] += 1
        for look in self.watch:
            look(name)

    async def knock(self, target: ProbeTarget) -> str:
        """The prober's view: '' when the container answers."""
        await asyncio.sleep(0.005)
        container = self.engine.world.containers.get(target.container)
        if container is None or not container.running:
            return "connection refused"
        life = self.engine.machine.lives[container.id]
        wait = life.behaviour.healthy_after
        if wait is None or self.clock.monotonic() - life.began < wait:
            return "connection refused"
        return ""

    # -- messages
    def _deliver(self, key: Key) -> Iterable[tuple[float, Key]]:
        return [(delay, key) for delay in self._delays("notice")]

    def _hear(self, event: EngineEvent) -> Iterable[EngineEvent]:
        self._one_off(event)
        if self.deaf:
            return []
        heard = []
        for delay in self._delays("event"):
            if delay:
                neutral(self._late(delay, event))
            else:
                heard.append(event)
        return heard

    async def _late(self, delay: float, event: EngineEvent) -> None:
        await asyncio.sleep(delay)
        self.engine.stream.deliver(event)

    def _delays(self, what: str) -> list[float]:
        faults = self.faults
        if faults.chance(f"{what}_lost"):
            return []
        copies = 2 if faults.chance(f"{what}_twice") else 1
        late = faults.chance(f"{what}_late")
        return [self.random.uniform(0.0, 10.0) if late else 0.0 for _ in range(copies)]

    def _one_off(self, event: EngineEvent) -> None:
        """A preDeploy command ends by itself, as its words say."""
        if event.action != "start" or L_ROLE not in event.labels:
            return
        life = self.engine.machine.lives[event.id]
        code = 1 if "fail" in (life.spec.entrypoint or ()) else 0
        self.engine.machine.after(event.id, 2.0, lambda id_: self.engine.machine.crash(id_, code))

    def _remember_earlier(self) -> None:
        put = self.database.put

        def remembering(entry: Entry) -> None:
            before = self.database.entries.get(entry.key)
            if before is not None and before.resource.uid == entry.resource.uid:
                self.earlier[entry.resource.uid] = before
            put(entry)

        self.database.put = remembering  # type: ignore[method-assign]

    # -- what befalls the whole
    async def outage(self, seconds: float) -> None:
        """The database is away."""
        self.trace.note("fault", f"store outage of {seconds:.1f} s")
        self.database.available = False
        self.database.break_listeners(StoreUnavailable("the server went away"))
        await asyncio.sleep(seconds)
        self.database.available = True
        self.trace.note("fault", "the store is back")

    # -- users
    async def apply(self, key: Key, spec: Mapping[str, Any], **more: Any) -> None:
        self.actions += 1
        self.trace.note("user", f"apply {key} {dict(spec)} {more or ''}")
        await self.user.apply(Manifest(key, spec, **more), source="sql")

    async def delete(self, key: Key) -> None:
        self.actions += 1
        self.trace.note("user", f"delete {key}")
        await self.user.delete(key, source=None)

    # -- waiting
    async def until(
        self,
        holds: Callable[[], Any],
        seconds: float,
        what: str | Callable[[], str],
        every: float = 1.0,
    ) -> float:
        """Waits in virtual time; returns how long. Raises AssertionError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not holds():
            self.check()
            if loop.time() - began >= seconds:
                told = what() if callable(what) else what
                raise AssertionError(f"not within {seconds:g} s: {told}")
            await asyncio.sleep(every)
        return loop.time() - began

    def check(self) -> None:
        assert not self.failures, self.failures[0]


Scenario = Callable[[Simulation], Awaitable[T]]


def simulate(sim: Simulation, scenario: Scenario[T]) -> T:
    """Runs it to its end. Raises AssertionError with seed and trace."""
    before = structlog.get_config()
    structlog.configure(
        processors=[lambda _l, _m, line: _logged(sim, line)],
        wrapper_class=structlog.make_filtering_bound_logger(30),
    )

    async def main() -> T:
        try:
            return await scenario(sim)
        finally:
            await sim.bury()

    try:
        result = run_virtually(main)
        sim.check()
    except BaseException as error:
        shown = "\n".join(sim.trace.lines()[-SHOWN:])
        raise AssertionError(f"{error}\n\nseed {sim.seed}, {sim.rates}\n{shown}") from error
    finally:
        structlog.configure(**before)
    return result


def _logged(sim: Simulation, line: dict[str, Any]) -> Any:
    """A controller's warnings are part of the trace; a bug in a pass is a failure."""
    process = PROCESS.get()
    name = process.name if process is not None else "?"
    event = str(line.pop("event"))
    if "exc_info" in line:
        error = sys.exc_info()[1]
        sim.failures.append(f"{event}: {error!r} {line}")
        line["error"] = _where(error)
    sim.trace.note(
        name, f"| {event}", " ".join(f"{k}={v}" for k, v in line.items() if k != "exc_info")
    )
    raise structlog.DropEvent


def _where(error: BaseException | None) -> str:
    import traceback

    return "".join(traceback.format_exception(error)) if error is not None else ""
