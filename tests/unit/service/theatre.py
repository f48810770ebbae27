"""A stage with an organization on it, and hands that disturb the containers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from resources.meta import Key
from resources.observed import Container, Probe
from resources.plan import Plan
from resources.steps import StartContainer, Step
from tests.property.apply import Stage

IMAGE = {"image": "nginx:1.26"}


class Theatre(Stage):
    """organization acme, settled; services are played by ``go``."""

    def __init__(self, organization: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.organization = self.declare("Organization", "", "acme", organization or {})
        self.settle(self.organization)

    def service(self, name: str = "web", /, **spec: Any) -> Key:
        return self.declare("Service", "acme", name, {**IMAGE, **spec})

    def volume(self, name: str = "data", **spec: Any) -> Key:
        key = self.declare("Volume", "acme", name, spec)
        self.settle(key)
        return key

    def annotate(self, key: Key, **annotations: str) -> None:
        entry = self.rows[key]
        named = {f"skypanel.io/{name}": value for name, value in annotations.items()}
        resource = replace(entry.resource, annotations={**entry.resource.annotations, **named})
        self.rows[key] = replace(entry, resource=resource)

    def go(self, key: Key, limit: int = 60) -> list[str]:
        """Plans, applied and reported, time passing when that is what is waited for. Returns
        everything said."""
        said: list[str] = []
        for _ in range(limit):
            plan = self.pass_(key)
            if text := plan.render():
                said.append(text)
            if key not in self.rows:
                return said
            if plan.steps:
                continue
            if plan.wait is None or plan.wait.seconds is None:
                return said
            self.wait(plan.wait.seconds)
        raise AssertionError("it never ends:\n" + "\n".join(said))

    def pass_(self, key: Key) -> Plan:
        plan = self.run(key)
        if key in self.rows:
            self.status(key)
        return plan

    def text(self, key: Key) -> str:
        """The next plan, rendered."""
        return self.plan(key).render()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # -- the engine
    optimistic: bool = True
    """Started containers are healthy by every check at once; else they are ``starting``."""

    def apply(self, key: Key, step: Step) -> None:
        super().apply(key, step)
        if isinstance(step, StartContainer) and not self.optimistic:
            found = self.world.containers.get(step.container)
            found = found or self.world.container_named(step.container)
            assert found is not None
            self.world.probes.pop(found.id, None)
            if found.health:
                self.change(found, health="starting")

    # -- the world, by hand
    def containers(self, key: Key) -> list[Container]:
        found = self.world.containers_of(self.rows[key].resource.uid)
        return sorted(found, key=lambda c: c.name)

    def only(self, key: Key) -> Container:
        (container,) = self.containers(key)
        return container

    def change(self, container: Container, **fields: Any) -> Container:
        changed = replace(container, **fields)
        self.world.put_container(changed)
        return changed

    def put(self, container: Container, **fields: Any) -> Container:
        """Another one."""
        other = replace(container, **fields)
        self.world.put_container(other)
        return other

    def exits(self, container: Container, code: int = 137) -> Container:
        return self.change(container, state="exited", exit_code=code, finished_at=self.now)

    def probe(self, container: Container, health: str, message: str = "") -> None:
        self.world.probes[container.id] = Probe(health, self.now, message)

    def forget(self) -> None:
        """What the controller knew by itself is gone: it was restarted."""
        self.world.probes.clear()


def settled(**spec: object) -> tuple[Theatre, Key]:
    stage = Theatre()
    web = stage.service(**spec)
    stage.go(web)
    assert stage.plan(web).converged
    return stage, web
