"""A stage on which routes are labels on containers, and everybody is played in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from resources.conditions import find
from resources.context import Platform
from resources.labels import L_ROUTES
from resources.meta import Key
from resources.observed import Container
from resources.routing.container_routes import carriers, domains, services
from resources.routing.routes_label import read
from resources.routing.world import Ingress
from resources.steps import StartContainer
from tests.property.apply import INSTANCE, uid_of
from tests.unit.service.theatre import Theatre

WEB, SHOP = Key("Service", "acme", "web"), Key("Domain", "acme", "shop")
UID = uid_of(*SHOP)
INGRESS = Ingress(mode="external", publish="labels", verification="none", asked=False)
KEY_ID = "0123456789abcdef"


class Labelling(Theatre):
    """Everything is played in turn. ``proxies``: what they have seen of a container."""

    def __init__(self, ingress: Ingress = INGRESS, **web: Any) -> None:
        self._given = 1
        self.conflicts: list[str] = []
        self.proxies: Callable[[Container], bool] = lambda _: True
        keys = frozenset({KEY_ID})
        super().__init__(platform=Platform(INSTANCE, ingress=ingress, sealing_keys=keys))
        self.service("web", **{"ports": [{"containerPort": 80}], "replicas": 2, **web})

    def domain(self, name: str = "shop", **spec: Any) -> Key:
        whole = {"hostname": "shop.example.com", "service": "web", **spec}
        return self.declare("Domain", "acme", name, whole)

    def look(self) -> None:
        world = self.world
        found = carriers(world, INSTANCE)
        world.labelled = domains(found, self.proxies)
        world.serving = services(found, self.proxies, world.networks, world.serving, self.now)

    def apply(self, key: Key, step: Any) -> None:
        super().apply(key, step)
        if isinstance(step, StartContainer):
            self._address(step)
        found = carriers(self.world, INSTANCE)
        self.conflicts += conflicts([container for container in found if container.running])

    def _address(self, step: StartContainer) -> None:
        found = self.world.container_named(step.container_name)
        assert found is not None
        self._given += 1
        (place,) = found.networks
        self.change(found, networks=(replace(place, address=f"10.0.0.{self._given}"),))

    def play(self) -> list[str]:
        """Until nobody has had anything to do for a while; what was done, rendered."""
        said: list[str] = []
        quiet = 0
        for _ in range(60):
            before = len(said)
            for key in tuple(self.rows):
                if key in self.rows:
                    said += [step.render() for step in self.pass_(key).steps]
                    self.look()
            self.wait(1)
            quiet = quiet + 1 if len(said) == before else 0
            if quiet == 4:
                return said
        raise AssertionError("it never ends:\n" + "\n".join(said))

    def condition(self, type_: str, key: Key = SHOP) -> tuple[str, str]:
        found = find(self.status(key), type_)
        assert found is not None
        return found["status"], found["reason"]

    def carried(self, key: Key = WEB) -> list[list[str]]:
        return [
            sorted({each.name for each in read(c.labels[L_ROUTES])}) for c in self.containers(key)
        ]

    def labels(self, key: Key = WEB) -> dict[str, str]:
        """Of all replicas: they are equal."""
        first, *others = [
            {name: text for name, text in c.labels.items() if name.startswith("traefik.")}
            for c in self.containers(key)
        ]
        assert all(other == first for other in others)
        return first

    def rules(self, key: Key = WEB) -> set[str]:
        return {text for name, text in self.labels(key).items() if name.endswith(".rule")}


def conflicts(containers: list[Container]) -> list[str]:
    """Names that two define unequally, which Traefik drops."""
    parts: dict[str, dict[str, dict[str, str]]] = {}
    for container in containers:
        for name, text in container.labels.items():
            if name.startswith("traefik.http."):
                _, _, kind, part, *_ = name.split(".")
                whole = parts.setdefault(f"{kind}.{part}", {})
                whole.setdefault(container.id, {})[name] = text
    return [
        name
        for name, by in parts.items()
        if any(one != other for one in by.values() for other in by.values())
    ]


def active(**spec: Any) -> Labelling:
    stage = Labelling()
    stage.domain(**spec)
    stage.play()
    assert stage.status(SHOP)["state"] == "active", stage.status(SHOP)
    return stage
