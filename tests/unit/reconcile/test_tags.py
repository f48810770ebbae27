"""When registries are asked about a tag, and what a plan makes of their answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from controller.reconcile.tags import LONGEST, Tags, docker_hub
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from resources.observed import Image
from resources.plan import Plan
from resources.registry import kinds
from resources.steps import CreateContainer, PullImage, Step
from tests.unit.service.test_service_secrets import Scene, box

APP = "r.example/team/app:1"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def image(id_: str, digest: str) -> Image:
    return Image(id_, APP, (f"r.example/team/app@{digest}",), tags=(APP,))


def stage(**spec: Any) -> tuple[Scene, Key]:
    """A service that runs, of a tag that is always to be the newest."""
    scene = Scene()
    scene.secret("registry", username=box("u"), password=box("p"))
    scene.world.put_image(image("sha256:old", OLD))
    told = {"imagePullSecret": "registry", "imagePullPolicy": "Always", **spec}
    web = scene.service(image=APP, **told)
    scene.go(web)
    return scene, web


def context(scene: Scene, web: Key, newest: str) -> Context:
    return replace(scene.context(web), tag_digest=newest)


def plan(scene: Scene, web: Key, newest: str) -> Plan:
    return kinds()["Service"].plan(context(scene, web, newest))


def test_a_tag_that_moved_is_pulled_with_the_services_credentials() -> None:
    scene, web = stage()
    assert plan(scene, web, OLD).converged
    assert plan(scene, web, "").converged
    (step,) = plan(scene, web, NEW).steps
    assert isinstance(step, PullImage)
    assert step.credentials is not None
    assert step.render() == (
        f"PullImage {APP} (its tag means bbbbbbbbbbbb by now; signed in with Secret registry)"
        " [drift: image]"
    )


def test_whoever_runs_the_old_one_follows() -> None:
    scene, web = stage()
    scene.world.put_image(image("sha256:new", NEW))
    steps: tuple[Step, ...] = plan(scene, web, NEW).steps
    assert not any(isinstance(step, PullImage) for step in steps)
    assert any(isinstance(step, CreateContainer) for step in steps)


def test_it_is_only_told_where_drift_is_only_reported() -> None:
    scene, web = stage(driftPolicy="report")
    found = plan(scene, web, NEW)
    assert not found.steps
    assert [drift.field for drift in found.drift] == ["image"]


@pytest.mark.parametrize("spec", [{"imagePullPolicy": "IfNotPresent"}, {"state": "stopped"}])
def test_nobody_else_follows_a_tag(spec: dict[str, Any]) -> None:
    scene, web = stage()
    web = scene.service(
        image=APP, imagePullSecret="registry", **{"imagePullPolicy": "Always", **spec}
    )
    scene.go(web)
    assert plan(scene, web, NEW).converged


def test_what_was_never_pulled_is_left_alone() -> None:
    scene, web = stage()
    scene.world.put_image(Image("sha256:old", APP))
    assert plan(scene, web, NEW).converged


def test_a_tag_that_means_nothing_here_any_more_is_pulled() -> None:
    scene, web = stage()
    scene.world.images.clear()
    assert plan(scene, web, "").converged
    (step,) = plan(scene, web, OLD).steps
    assert isinstance(step, PullImage)


# ---------------------------------------------------------------- asking


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.time


class Registry:
    def __init__(self, interval: float = 60.0) -> None:
        self.asked: list[PullImage] = []
        self.woken: list[Key] = []
        self.answer: str | UserError = OLD
        self.clock = Clock()
        self.tags = Tags(
            self.ask,
            lambda s: f"open {s.key}",
            self.woken.append,
            lambda: True,
            self.clock,
            interval,
        )

    async def ask(self, step: PullImage) -> str:
        self.asked.append(step)
        if isinstance(self.answer, UserError):
            raise self.answer
        return self.answer

    async def after(self, seconds: float) -> None:
        self.clock.time += seconds
        await self.tags.look()

    def watch(self, scene: Scene, web: Key) -> None:
        self.tags.observed(SimpleNamespace(context=scene.context(web)), web)  # type: ignore[arg-type]


async def test_asked_at_its_time_signed_in_and_told_when_it_is_news() -> None:
    scene, web = stage()
    registry = Registry()
    registry.watch(scene, web)
    await registry.after(59)
    assert not registry.asked
    await registry.after(1)
    (step,) = registry.asked
    assert step.login is not None
    assert step.login.password == "open password"
    assert (registry.tags.digest(web), registry.woken) == (OLD, [web])
    await registry.after(60)
    assert registry.woken == [web]
    registry.answer = NEW
    await registry.after(60)
    assert registry.woken == [web, web]
    registry.tags.pulled(step)
    assert registry.tags.digest(web) == ""


async def test_one_that_fails_is_asked_less_and_less() -> None:
    scene, web = stage()
    registry = Registry()
    registry.watch(scene, web)
    registry.answer = UserError("IMAGE_REGISTRY_UNREACHABLE", "down", retryable=True)
    for _ in range(600):
        await registry.after(60)
    assert len(registry.asked) < 20
    registry.answer = NEW
    await registry.after(LONGEST)
    assert registry.tags.digest(web) == NEW


async def test_who_stops_to_follow_is_forgotten() -> None:
    scene, web = stage()
    registry = Registry()
    registry.watch(scene, web)
    registry.tags.observed(None, web)
    await registry.after(60)
    assert not registry.asked
    off = Registry(0)
    off.watch(scene, web)
    await off.after(LONGEST)
    assert not off.asked


@pytest.mark.parametrize(
    ("reference", "hub"),
    [
        ("nginx", True),
        ("bitnami/nginx:1", True),
        ("docker.io/library/nginx", True),
        ("localhost/app", False),
        ("127.0.0.1:5000/app", False),
        ("registry.example.com/app:1", False),
    ],
)
def test_docker_hub(reference: str, hub: bool) -> None:
    assert docker_hub(reference) is hub
