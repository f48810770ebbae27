"""A tag that moves between the verdict on it and the container that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from controller.clock import SystemClock
from controller.reconcile.execute import Executor
from controller.reconcile.image_policy import DENIED, ImagePolicy
from resources.errors import UserError
from resources.observed import Image
from resources.plan import Plan
from resources.service import moves
from resources.steps import Step, VerifyImage
from tests.contract.engine.bench import FakeBench, fake_bench
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeStore
from tests.unit.service.theatre import Theatre

EVIL = "sha256:evil"


class Judge(ImagePolicy):
    """Allows everything but one image."""

    async def _answer(self, step: VerifyImage, image: Image) -> bytes:
        return b'{"allowed": false}' if image.id == EVIL else b'{"allowed": true}'


class Scene:
    """The plan that makes a container of app:1. Between the steps the tag may move."""

    def __init__(self) -> None:
        self.bench: FakeBench = fake_bench()
        self.engine, self.store = self.bench.engine, FakeStore()
        self.engine.images["app:1"] = Behaviour(local=True)
        epoch: Callable[[], int] = lambda: self.store.database.epoch  # noqa: E731
        clock = SystemClock()
        policy = Judge(
            "judge", 5.0, inspect=self.engine.inspect_image, store=self.store,
            epoch=epoch, clock=clock,
        )  # fmt: skip
        self.executor = Executor(
            self.engine, self.store, epoch, concurrency=1, pulls=1,
            secrets=SimpleNamespace(open=str), verify=policy,  # type: ignore[arg-type]
        )  # fmt: skip
        self.spec = replace(self.bench.spec("box"), image="app:1")
        self.done: list[Step] = []

    def move(self) -> None:
        self.engine.machine.local["app:1"] = Image(EVIL, "app:1", ())

    async def play(self) -> None:
        stage = Theatre()
        context = stage.context(stage.service())
        verify = VerifyImage(reference="app:1", organization="acme", service="web", cause="test")
        plan = Plan((verify, *moves.make(self.spec, "test")))
        await self.executor.execute(context, plan, self.done.append)

    @property
    def state(self) -> str | None:
        found = self.engine.world.container_named(self.spec.name)
        return found.state if found is not None else None


async def test_what_was_judged_is_what_runs() -> None:
    scene = Scene()
    await scene.play()
    assert scene.state == "running"
    await scene.executor.close()


async def test_it_does_not_start_and_does_not_stay() -> None:
    scene = Scene()

    def moves_(phase: str, operation: str, _subject: Any) -> None:
        if (phase, operation) == ("before", "create_container"):
            scene.move()

    scene.engine.faults = moves_
    with pytest.raises(UserError) as caught:
        await scene.play()
    assert caught.value.code == DENIED
    assert scene.state is None
    await scene.executor.close()


async def test_nor_after_a_crash_in_between() -> None:
    """Made by whoever led before, and never started: judged before it is."""
    scene = Scene()
    scene.move()
    make = moves.make(scene.spec, "test")
    await scene.engine.create_container(make[0])  # type: ignore[arg-type]
    stage = Theatre()
    context = stage.context(stage.service())
    with pytest.raises(UserError) as caught:
        await scene.executor.execute(context, Plan((make[-1],)), scene.done.append)
    assert caught.value.code == DENIED
    assert (scene.state, scene.done) == (None, [])
    await scene.executor.close()
