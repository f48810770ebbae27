"""Routes are published and withdrawn whether or not the engine answers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from controller.reconcile.execute import Executor
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.steps import RemoveContainer
from tests.contract.engine.bench import fake_bench
from tests.fakes.store import FakeStore


class Routes:
    def __init__(self) -> None:
        self.withdrawn: list[str] = []

    async def publish(self, step: PublishRoutes) -> None: ...

    async def withdraw(self, step: WithdrawRoutes) -> None:
        self.withdrawn.append(step.name)


async def test_a_withdrawal_does_not_wait_for_an_engine_that_hangs() -> None:
    engine, store, routes = fake_bench().engine, FakeStore(), Routes()
    hanging = asyncio.Event()

    async def hang(_: RemoveContainer) -> None:
        hanging.set()
        await asyncio.Event().wait()

    engine.remove_container = hang  # type: ignore[method-assign]
    executor = Executor(
        engine, store, lambda: store.database.epoch, concurrency=1, pulls=1,
        secrets=SimpleNamespace(open=str), routes=routes,  # type: ignore[arg-type]
    )  # fmt: skip
    removal = RemoveContainer(container="1", container_name="x", cause="test")
    stuck = asyncio.create_task(executor.remove([removal], lambda _: None))
    async with asyncio.timeout(10):
        await hanging.wait()
        step = WithdrawRoutes(uid="1", name="gone", cause="test")
        await executor.remove([step], lambda _: None)
    assert routes.withdrawn == ["gone"]
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    await executor.close()
