"""What users declare: a small universe of two organizations, and random specs for everything in it.

Good specs can come to rest; a bad one has an image that cannot run, refers to what is not there, or
does not validate. ``repaired`` makes good what was bad, so that the end is the same whatever the
way there was.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from resources.meta import Key

ORGANIZATIONS = ("acme", "beta")
VOLUMES = ("data", "logs")
SERVICES = ("web", "api", "db")
GOOD = ("app:1", "app:2", "app:3", "slow:1", "stubborn:1")
BAD = ("gone:1", "private:1", "far:1", "crash:1", "sick:1", "broken:1")
Spec = dict[str, Any]


def organization_key(name: str) -> Key:
    return Key("Organization", "", name)


KEYS: tuple[Key, ...] = tuple(
    key
    for organization in ORGANIZATIONS
    for key in (
        organization_key(organization),
        *(Key("Volume", organization, name) for name in VOLUMES),
        *(Key("Service", organization, name) for name in SERVICES),
    )
)


class Author:
    """Writes specs. Draws from its own source."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_

    def _maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    # -- specs
    def spec(self, key: Key, *, good: bool = False) -> Spec:
        if not good and self._maybe(0.08):
            return self.invalid(key)
        match key.kind:
            case "Organization":
                return self.organization()
            case "Volume":
                return self.volume()
        return self.service(key, good=good)

    def organization(self) -> Spec:
        spec: Spec = {}
        if self._maybe(0.15):
            spec["suspended"] = True
        if self._maybe(0.15):
            spec["network"] = {"internal": True}
        if self._maybe(0.15):
            spec["defaults"] = {"resources": {"memory": self.random.choice(("64Mi", "128Mi"))}}
        if self._maybe(0.1):
            spec["deletion"] = {"retainVolumes": "30s"}
        return spec

    def volume(self) -> Spec:
        spec: Spec = {"deletionPolicy": self.random.choice(("Retain", "Expire", "Delete"))}
        if self._maybe(0.3):
            spec["size"] = self.random.choice(("1Gi", "2Gi"))
        return spec

    def service(self, key: Key, *, good: bool = False) -> Spec:
        choose = self.random.choice
        image = choose(GOOD) if good or self._maybe(0.8) else choose(BAD)
        spec: Spec = {"image": image, "replicas": choose((0, 1, 1, 2, 2, 3))}
        update: Spec = {"order": choose(("auto", "startFirst", "stopFirst"))}
        if self._maybe(0.3):
            update["parallelism"] = 2
        if self._maybe(0.3):
            update["minReady"] = choose(("1s", "4s"))
        if self._maybe(0.3):
            update["onFailure"] = "pause"
        update["progressDeadline"] = "20m" if image in GOOD else choose(("20s", "60s"))
        spec["update"] = update
        self._inside(spec)
        self._mounts(spec)
        self._life(spec)
        self._relations(key, spec, good)
        return spec

    def _inside(self, spec: Spec) -> None:
        if self._maybe(0.3):
            spec["environment"] = {"MODE": self.random.choice(("a", "b")), "N": 1}
        if self._maybe(0.15):
            spec["files"] = [{"path": "/etc/app.conf", "content": self.random.choice("xyz")}]
        if self._maybe(0.2):
            spec["resources"] = {
                "cpu": self.random.choice(("100m", 1)),
                "memory": self.random.choice(("64Mi", "128Mi")),
            }
        if self._maybe(0.2):
            spec["terminationGracePeriod"] = self.random.choice(("1s", "20s"))

    def _mounts(self, spec: Spec) -> None:
        if self._maybe(0.4):
            names = self.random.sample(VOLUMES, self.random.choice((1, 1, 2)))
            spec["volumes"] = [
                {"volume": name, "mountPath": f"/{name}", "readOnly": self._maybe(0.3)}
                for name in names
            ]

    def _life(self, spec: Spec) -> None:
        if self._maybe(0.08):
            spec["state"] = "stopped"
        if self._maybe(0.1):
            spec["image"] = "job:1"
            spec["restart"] = {"policy": self.random.choice(("never", "onFailure"))}
        elif self._maybe(0.45):
            check: Spec = self.random.choice(
                ({"exec": ["true"]}, {"tcp": {"port": 80}}, {"http": {"port": 80}})
            )
            spec["healthCheck"] = {
                **check,
                "interval": "2s",
                "retries": 2,
                "startPeriod": "10s",
                "patience": "40s",
            }

    def _relations(self, key: Key, spec: Spec, good: bool) -> None:
        earlier = SERVICES[: SERVICES.index(key.name)]
        if earlier and self._maybe(0.15):
            spec["dependsOn"] = [self.random.choice(earlier)]
        if self._maybe(0.08) and spec["image"] != "job:1":
            command = ["migrate"] if good or self._maybe(0.8) else ["fail"]
            spec["preDeploy"] = {"command": command, "timeout": "30s"}

    def invalid(self, key: Key) -> Spec:
        choices: list[Spec] = [{"imagine": 1}]
        if key.kind == "Service":
            choices += [
                {"image": "app:1", "replicas": -1},
                {"image": "app:1", "volumes": [{"volume": "nowhere", "mountPath": "/x"}]},
                {"image": "UPPER CASE"},
                {"replicas": 2},
            ]
        elif key.kind == "Volume":
            choices += [{"size": "many"}, {"deletionPolicy": "Perhaps"}]
        else:
            choices += [{"suspended": "sometimes"}]
        return self.random.choice(choices)

    # -- small changes
    def changed(self, key: Key, spec: Mapping[str, Any]) -> Spec:
        """The same with one thing different, or another one."""
        new = dict(spec)
        if key.kind != "Service" or self._maybe(0.3) or "image" not in new:
            return self.spec(key)
        match self.random.randrange(6):
            case 0:
                new["replicas"] = self.random.choice((0, 1, 2, 3))
            case 1 if new.get("image") != "job:1":
                new["image"] = self.random.choice(GOOD if self._maybe(0.7) else BAD)
            case 2:
                new["environment"] = {"MODE": str(self.random.randrange(100))}
            case 3 if new.get("image") != "job:1":
                new["image"] = self.random.choice(GOOD if self._maybe(0.5) else BAD)
                new["resources"] = {"memory": self.random.choice(("64Mi", "96Mi", "128Mi"))}
                new["update"] = {**new.get("update", {}), "progressDeadline": "20s"}
            case 4:
                new["state"] = self.random.choice(("running", "stopped"))
            case _:
                new["resources"] = {"memory": self.random.choice(("64Mi", "96Mi", "128Mi"))}
        return new


def is_good(key: Key, spec: Mapping[str, Any], specs: Mapping[Key, Mapping[str, Any]]) -> bool:
    """Can it come to rest as declared, with these beside it?"""
    from resources.errors import UserError
    from resources.validate import validate

    try:
        model = validate(key.kind, spec)
    except UserError:
        return False
    if key.organization and organization_key(key.organization) not in specs:
        return False
    if key.kind != "Service":
        return True
    if model.image in BAD or (model.pre_deploy and "fail" in model.pre_deploy.command):
        return False
    if any(Key("Volume", key.organization, m.volume) not in specs for m in model.volumes):
        return False
    return all(_serves(Key("Service", key.organization, n), specs) for n in model.depends_on)


def _serves(key: Key, specs: Mapping[Key, Mapping[str, Any]]) -> bool:
    """Will somebody who depends on it see it Ready?"""
    spec = specs.get(key)
    if spec is None or not is_good(key, spec, specs):
        return False
    return spec.get("state") != "stopped" and spec.get("replicas", 1) > 0


def repaired(
    author: Author, specs: Mapping[Key, Mapping[str, Any]]
) -> dict[Key, Mapping[str, Any]]:
    """All good: what is bad is replaced, what is referred to and missing is made."""
    good = dict(specs)
    for key in KEYS:
        if (
            key.organization
            and organization_key(key.organization) not in good
            and any(k.organization == key.organization for k in good)
        ):
            good[organization_key(key.organization)] = {}
    for key in KEYS:
        spec = good.get(key)
        if spec is None:
            continue
        for _ in range(50):
            if is_good(key, spec, good):
                break
            spec = author.spec(key, good=True)
            for mount in spec.get("volumes", ()):
                good.setdefault(Key("Volume", key.organization, mount["volume"]), {})
            spec.pop("dependsOn", None)
            good[key] = spec
    return good
