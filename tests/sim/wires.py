"""The wires between a process and what serves it: where calls are slow, get lost and fail.

A call is carried out in the neutral context, as it would be in another process: when the caller
is killed meanwhile, it may well be done. The reply goes to whoever still waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from controller.engine.base import EngineEvent, LogLine
from controller.engine.docker import faults as words
from controller.ingress.gateway import Gateway, Wiring, document_mirror
from controller.store.base import Change, Deposed, Lease, StoreUnavailable
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.steps import EngineStep, PullImage, Step, StopContainer
from tests.fakes.ingress import FakeIngress
from tests.fakes.store import FakeStore
from tests.fakes.store_lease import FakeLease
from tests.sim.clockwork import Killed, Process, neutral
from tests.sim.faults import Fate

if TYPE_CHECKING:
    from tests.sim.harness import Simulation

ENGINE_SECONDS, PULL_SECONDS, STORE_SECONDS, INGRESS_SECONDS = 60.0, 900.0, 10.0, 15.0
"""Deadlines, as the real clients have them."""
LATE_SECONDS = 12.0
"""Longer than a lease lasts."""
STORE_WRITES = frozenset(
    {
        "record",
        "write_status",
        "emit",
        "hold",
        "drop_held",
        "claim_expired",
        "release_retained",
        "bind_engine",
        "bind_sealing_key",
        "seal_inbox",
        "record_pulled",
        "forget_pulled",
    }
)
QUICK = {"create_container": 0.1, "start_container": 0.1, "remove_container": 0.06}
Act = Callable[[], Awaitable[Any]]


class Wire:
    """lost: the error that a caller sees whose request or reply got lost."""

    def __init__(self, sim: Simulation, process: Process, lost: Callable[[], Exception]) -> None:
        self._sim = sim
        self._process = process
        self._lost = lost

    async def call(
        self, name: str, subject: Any, act: Act, *, seconds: float, changes: bool, refusable: bool
    ) -> Any:
        sim, process = self._sim, self._process
        if process.dead:
            raise Killed
        quick = QUICK.get(name, 0.002)
        fate = sim.effect(quick) if changes or name == "epoch" else None
        fate = fate or sim.faults.fate(name, changes=changes, quick=quick)
        if not fate.kind and refusable and sim.faults.chance("refused"):
            fate = Fate("refused", fate.before, fate.after)
        if fate.kind == "crash_before":
            sim.kill(process, f"before {_shown(name, subject)}")
            await asyncio.Event().wait()
        if fate.kind in ("late", "asleep"):
            sim.freeze(process, LATE_SECONDS)
        if fate.kind == "late":
            await asyncio.sleep(0)
        if sim.faults.chance("freeze_call"):
            sim.freeze(process)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        served = neutral(self._serve(name, subject, act, fate, reply, changes))
        try:
            async with asyncio.timeout(seconds):
                return await reply
        except TimeoutError as error:
            raise self._lost() from error
        except asyncio.CancelledError:
            if fate.kind != "late" and sim.random.random() < 0.5:
                served.cancel()
            raise

    async def _serve(
        self,
        name: str,
        subject: Any,
        act: Act,
        fate: Fate,
        reply: asyncio.Future[Any],
        changes: bool,
    ) -> None:
        sim, process = self._sim, self._process
        result: Any = None
        error: Exception | None = None
        await asyncio.sleep(fate.before)
        if fate.kind == "request_lost":
            error = self._lost()
        elif fate.kind in ("refused", "terminal"):
            error = sim.faults.refusal(name, terminal=fate.kind == "terminal")
        else:
            try:
                result = await act()
            except Exception as failure:
                error = failure
        if changes or error is not None or fate.kind:
            sim.trace.note(process.name, _shown(name, subject), _outcome(fate, error))
        if changes and not isinstance(error, Deposed):  # of an earlier leader, and it wrote nothing
            sim.changed(name)
        if fate.kind == "crash_after":
            sim.kill(process, f"after {_shown(name, subject)}")
            return
        if fate.kind == "reply_lost":
            error = self._lost()
        await asyncio.sleep(fate.after)
        if reply.done():
            return
        if error is not None:
            reply.set_exception(error)
            reply.exception()
        else:
            reply.set_result(result)


class EngineWire(Wire):
    """One process' view of the engine. Implements ``controller.engine.base.Engine``."""

    def __init__(self, sim: Simulation, process: Process) -> None:
        super().__init__(sim, process, lambda: words.unreachable("fake://", "connection reset"))
        self._engine = sim.engine

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._engine, name)

        async def call(*given: Any, **more: Any) -> Any:
            subject = given[0] if given else ""
            changes = isinstance(subject, EngineStep)
            if changes:
                self._sim.issued(self._process, subject)
            return await self.call(
                name,
                subject,
                lambda: method(*given, **more),
                seconds=_deadline(subject),
                changes=changes,
                refusable=name != "events",
            )

        return call

    async def logs(self, container: str, **options: Any) -> AsyncIterator[LogLine]:
        async def act() -> list[LogLine]:
            return [line async for line in self._engine.logs(container, **options)]

        lines = await self.call(
            "logs", container, act, seconds=ENGINE_SECONDS, changes=False, refusable=True
        )
        for line in lines:
            yield line

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[EngineEvent]]:
        await self.call(
            "events", "", self._knock, seconds=ENGINE_SECONDS, changes=False, refusable=True
        )
        with self._engine.stream.subscribed() as heard:
            yield heard

    async def _knock(self) -> None:
        async with self._engine.events():
            return

    async def close(self) -> None:
        return None


class IngressWire(Wire):
    """One process' view of the proxies: a publisher and proxies of ``controller.ingress.base``."""

    def __init__(self, sim: Simulation, process: Process, ingress: FakeIngress) -> None:
        super().__init__(sim, process, _ingress_lost)
        self._ingress = ingress

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._ingress, name)

        async def call(*given: Any) -> Any:
            return await self.call(
                name,
                given[0] if given else "",
                lambda: method(*given),
                seconds=INGRESS_SECONDS,
                changes=name in ("publish", "withdraw"),
                refusable=False,
            )

        return call

    def gateway(self, wiring: Wiring) -> Gateway:
        return Gateway(wiring, document_mirror(wiring, self, self), mode=lambda: "process")


def _ingress_lost() -> Exception:
    return UserError("CONFIGURATION_INGRESS_UNREACHABLE", "the answer got lost", retryable=True)


def _deadline(subject: Any) -> float:
    match subject:
        case PullImage():
            return PULL_SECONDS
        case StopContainer():
            return ENGINE_SECONDS + subject.grace
    return ENGINE_SECONDS


class StoreWire(Wire):
    """One process' client of the database. Implements ``controller.store.base.Store``."""

    def __init__(self, sim: Simulation, process: Process) -> None:
        super().__init__(sim, process, lambda: StoreUnavailable("the connection was lost"))
        self.client = FakeStore(sim.database, before=self._lease_hook, after=self._lease_hook)
        self.lease: FakeLease | None = None

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.client, name)

        async def call(*given: Any, **more: Any) -> Any:
            return await self._ask(name, given, lambda: method(*given, **more))

        return call

    async def _ask(self, name: str, given: Sequence[Any], act: Act) -> Any:
        return await self.call(
            name,
            given,
            act,
            seconds=STORE_SECONDS,
            changes=name in STORE_WRITES,
            refusable=False,
        )

    async def entry(self, key: Key) -> Entry | None:
        async def act() -> Entry | None:
            found = await self.client.entry(key)
            if found is not None and self._sim.faults.chance("stale"):
                return self._sim.earlier.get(found.resource.uid, found)
            return found

        return await self._ask("entry", (key,), act)

    async def entries(self) -> Sequence[Entry]:
        async def act() -> Sequence[Entry]:
            found = list(await self.client.entries())
            if found and self._sim.faults.chance("stale"):
                at = self._sim.random.randrange(len(found))
                found[at] = self._sim.earlier.get(found[at].resource.uid, found[at])
            return found

        return await self._ask("entries", (), act)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        await self._ask("changes", (), self._knock)
        async with self.client.changes() as stream:
            yield stream

    async def _knock(self) -> None:
        self.client.check()

    def leadership(self, process: str) -> Lease:
        self.lease = FakeLease(self.client, process)
        return self.lease

    async def _lease_hook(self, op: str, *_: Any) -> None:
        """A beat travels as every other call does; the rest is hooked by ``call``."""
        if not op.startswith("lease."):
            return
        if self._process.dead:
            raise Killed
        fate = self._sim.faults.fate(op, changes=False, quick=0.001)
        await asyncio.sleep(fate.before)
        if fate.kind:
            raise StoreUnavailable("the connection was lost")


def _shown(name: str, subject: Any) -> str:
    if isinstance(subject, Step):
        return subject.render()
    if isinstance(subject, str | Key):
        return f"{name} {subject}"
    return f"{name} {_brief(subject)}"


def _brief(given: Any) -> str:
    parts = []
    for item in given if isinstance(given, tuple) else (given,):
        match item:
            case [Step(), *_]:
                parts.append("; ".join(step.render() for step in item))
            case dict() if "phase" in item:
                parts.append(f"{item['phase']}: {item.get('message')}")
            case str() | int() | Key():
                parts.append(str(item)[:80])
            case _:
                parts.append(type(item).__name__)
    return " ".join(parts)


def _outcome(fate: Fate, error: Exception | None) -> str:
    told = [fate.kind] if fate.kind else []
    if error is not None:
        told.append(repr(error)[:160])
    return ", ".join(told) or "ok"
