"""A service under every kind of disturbance, and what must hold at each step meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from resources.context import Context
from resources.labels import L_REVISION, L_ROLE
from resources.observed import Container
from resources.plan import Plan
from resources.registry import kinds
from resources.service.addressing import addressed
from resources.service.declaration import ServiceDeclaration
from resources.service.plan import deliberate
from resources.service.survey import FAILED, Survey, paused, survey
from resources.steps import (
    ContainerStep,
    CreateContainer,
    EngineStep,
    RemoveContainer,
    Step,
    StopContainer,
)
from resources.world import World
from tests.unit.service.theatre import Theatre

CHECKS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"exec": ["true"], "patience": "60s"},
    {"http": {"port": 80}, "patience": "60s"},
)
FOREIGN = "foreign"


class Trial(Theatre):
    """One service with everything that can happen to it. Numbers choose what exactly."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.optimistic = False
        self.random = random.Random(seed)
        self.spec: dict[str, Any] = {}
        if self.random.random() < 0.7:
            self.spec = {"update": {"progressDeadline": "20s"}, "healthCheck": {"exec": ["true"]}}
        self.volume()
        self.web = self.service(**self.spec)
        self.put(Container(FOREIGN, FOREIGN, {}, "other:1", "sha256:o", "running", inspected=True))

    # -- what people declare
    def declares(self, **changes: Any) -> None:
        self.spec = {k: v for k, v in {**self.spec, **changes}.items() if v is not None}
        self.service(**self.spec)

    def image(self, n: int) -> None:
        self.declares(image=f"nginx:1.{n}")

    def replicas(self, n: int) -> None:
        self.declares(replicas=n % 5)

    def check(self, n: int) -> None:
        self.declares(healthCheck=CHECKS[n % 3])

    def update(self, n: int) -> None:
        order = ("auto", "startFirst", "stopFirst")[n % 3]
        failure = ("rollback", "rollback", "pause")[n % 4 % 3]
        deadline = ("20s", "300s")[n % 2]
        self.declares(
            update={
                "order": order,
                "parallelism": 1 + n % 2,
                "onFailure": failure,
                "progressDeadline": deadline,
            }
        )

    def mount(self, n: int) -> None:
        path = {"volume": "data", "mountPath": "/data", "readOnly": n % 2 == 0}
        self.declares(volumes=None if n % 3 == 0 else [path])

    def limits(self, n: int) -> None:
        self.declares(resources={"memory": f"{64 + n}Mi"})

    def restart(self, n: int) -> None:
        self.declares(restart={"policy": ("always", "onFailure", "always")[n % 3]})

    def once(self, n: int) -> None:
        self.declares(preDeploy=None if n % 2 else {"command": ["x"], "timeout": "30s"})

    def stop(self, n: int) -> None:
        self.declares(state="stopped" if n % 2 else None)

    def nonsense(self, n: int) -> None:
        self.declare("Service", "acme", "web", {"image": "nginx:1.26", "replicas": f"{n}"})

    def unresolved(self, n: int) -> None:
        spec = {"image": f"nginx:1.{n}", "dependsOn": ["nobody"]}
        self.declare("Service", "acme", "web", spec)

    def suspend(self, n: int) -> None:
        self.declare("Organization", "", "acme", {"suspended": bool(n % 2)})

    def roll(self, n: int) -> None:
        self.annotate(self.web, restartedAt=str(n))

    # -- what happens on the engine
    def one(self, n: int) -> Container | None:
        mine = self.containers(self.web)
        return mine[n % len(mine)] if mine else None

    def with_one(self, n: int, disturb: Callable[[Container], object]) -> None:
        if (container := self.one(n)) is not None:
            disturb(container)

    def heals(self, n: int) -> None:
        self.with_one(n, self._good)

    def sickens(self, n: int) -> None:
        self.with_one(n, self._bad)

    def _good(self, container: Container) -> None:
        if container.health:
            self.change(container, health="healthy")
        self.probe(container, "healthy")

    def _bad(self, container: Container) -> None:
        if container.health:
            self.change(container, health="unhealthy")
        self.probe(container, "unhealthy", "HTTP 500")

    def fails(self, n: int) -> None:
        """What is new never becomes ready, for long enough."""
        found = survey(self.context(self.web))
        if isinstance(found, Survey) and found.setback is None:
            for container in found.fleet.current.values():
                if not found.proven(container):
                    self._bad(container)
        self.wait(25.0)
        for _ in range(n % 5):
            self.passes(n)

    def dies(self, n: int) -> None:
        self.with_one(n, lambda c: self.exits(c, 1 + n % 2))

    def crashes(self, n: int) -> None:
        self.with_one(
            n, lambda c: self.change(c, state="restarting", restarts=c.restarts + 1, exit_code=1)
        )

    def comes_back(self, n: int) -> None:
        def again(container: Container) -> None:
            if container.state == "restarting":
                self.change(container, state="running", started_at=self.now, exit_code=None)

        self.with_one(n, again)

    def vanishes(self, n: int) -> None:
        self.with_one(n, lambda c: self.world.drop_container(c.id))

    def is_paused(self, n: int) -> None:
        self.with_one(n, lambda c: c.running and self.change(c, state="paused"))

    def is_being_removed(self, n: int) -> None:
        self.with_one(n, lambda c: self.change(c, state="removing"))

    def is_gone(self, n: int) -> None:
        for container in self.containers(self.web):
            if container.state == "removing":
                self.world.drop_container(container.id)

    def drifts(self, n: int) -> None:
        def disturb(container: Container) -> None:
            assert container.limits is not None
            options: tuple[dict[str, Any], ...] = (
                {"limits": replace(container.limits, memory=1)},
                {"restart_policy": "never"},
                {"image": "evil:1"},
                {"networks": ()},
            )
            self.change(container, **options[n % 4])

        self.with_one(n, disturb)

    def is_doubled(self, n: int) -> None:
        self.with_one(n, lambda c: self.put(c, id=f"twin{n}", name=f"twin{n}"))

    def image_goes(self, n: int) -> None:
        self.world.images.clear()

    def forgets(self, n: int) -> None:
        self.forget()

    def time_passes(self, n: int) -> None:
        self.wait(float(n * 7))

    # -- what the controller does
    def passes(self, n: int) -> None:
        self.checked(None)
        self.status(self.web)

    def is_killed(self, n: int) -> None:
        self.checked(n)

    def checked(self, steps: int | None) -> Plan:
        """One plan, carried out up to that many steps, looked at after each."""
        context = self.context(self.web)
        plan = kinds()["Service"].plan(context)
        found = survey(context)
        self._repeats(context, plan)
        for index, step in enumerate(plan.steps[:steps]):
            self._before(found, plan, index, step)
            self.apply(self.web, step)
        return plan

    def _repeats(self, context: Context, plan: Plan) -> None:
        """Equal input, in any order, gives an equal plan; a status is as repeatable."""
        objects = list(
            context.world.slice(kinds()["Service"].scope(context.entry, context.spec, context.refs))
        )
        self.random.shuffle(objects)
        again = replace(context, world=World.of(objects))
        service = kinds()["Service"]
        assert service.plan(again) == plan
        if isinstance(found := survey(again), Survey) and not (again.deleting or paused(again)):
            assert addressed(deliberate(found), again.key) == plan
        assert service.status(again, plan, None) == service.status(context, plan, None)

    def _before(
        self, found: Survey | ServiceDeclaration, plan: Plan, index: int, step: Step
    ) -> None:
        if isinstance(step, ContainerStep):
            container = self.world.containers.get(step.container)
            container = container or self.world.container_named(step.container)
            assert container is not None, f"{step.render()}: no such container"
            assert container.id != FOREIGN
        if isinstance(found, ServiceDeclaration) or found.stop_reason:
            return
        if found.setback is not None and isinstance(step, CreateContainer):
            revision = step.spec.labels[L_REVISION]
            assert revision in found.wanted.revision.known, "a failed generation is tried again"
        held = [c for c in found.fleet.old if not found.idle(c)]
        if found.rollout == FAILED and held and isinstance(step, EngineStep):
            assert step.drift or not isinstance(step, CreateContainer), "a failed rollout goes on"
            assert getattr(step, "container", "") not in {
                c.id for c in held if isinstance(step, RemoveContainer)
            }
        if isinstance(step, CreateContainer) and L_ROLE not in step.spec.labels:
            self._bounded(found)
        if isinstance(step, StopContainer | RemoveContainer) and not step.drift:
            self._served(found, plan, index, step)

    def _bounded(self, found: Survey) -> None:
        surge = found.spec.update.parallelism if found.spec.start_first else 0
        mine = [c for c in self.containers(self.web) if c.state != "removing"]
        total = [c for c in mine if L_ROLE not in c.labels]
        assert len(total) + 1 <= found.spec.replicas + surge, "too many at once"

    def _served(self, found: Survey, plan: Plan, index: int, step: ContainerStep) -> None:
        """With startFirst nothing that serves goes before something proven stands in for it."""
        going = self.world.containers.get(step.container)
        if going is None or going not in found.fleet.old or not found.spec.start_first:
            return
        if not found.serves(going):
            return
        replaced = {s.container for s in plan.steps if isinstance(s, RemoveContainer) and s.drift}
        proven = [
            c for c in found.fleet.current.values() if found.proven(c) and c.id not in replaced
        ]
        removed = {s.container for s in plan.steps if isinstance(s, RemoveContainer)}
        left = [c for c in found.fleet.old if c.id not in removed and found.serves(c)]
        assert len(proven) + len(left) >= found.spec.replicas, (
            f"{step.render()}: {len(proven)} proven, {len(left)} old left"
        )

    # -- the end
    def settles_down(self) -> None:
        """Nobody declares anything any more, and what was declared last is a good declaration."""
        self.suspend(0)
        self.run(self.organization)
        self.declares(state=None, environment={"CALM": "1"}, replicas=self.spec.get("replicas", 1))

    def works(self) -> None:
        """From here on everything does."""
        self.is_gone(0)
        self.optimistic = True
        for container in self.containers(self.web):
            if container.state == "restarting":
                self.change(container, state="running", started_at=self.now, exit_code=None)
            self._good(self.world.containers[container.id])


DECLARATIONS = (
    "image", "replicas", "check", "update", "mount", "limits", "restart", "once", "stop",
    "nonsense", "unresolved", "suspend", "roll",
)  # fmt: skip
DISTURBANCES = (
    "heals", "sickens", "fails", "dies", "crashes", "comes_back", "vanishes", "is_paused",
    "is_being_removed", "is_gone", "drifts", "is_doubled", "image_goes", "forgets", "time_passes",
    "passes", "is_killed",
)  # fmt: skip
ACTIONS = (
    *DECLARATIONS, *DISTURBANCES,
    "passes", "passes", "passes", "is_killed", "heals", "time_passes", "fails", "image", "heals",
)  # fmt: skip
