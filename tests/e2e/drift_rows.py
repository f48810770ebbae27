"""The rows of the drift matrix: what is done to the world, by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.harness import Docker

LIMITS = {"cpu": "50m", "memory": "16Mi", "pids": 32}


@dataclass(frozen=True)
class Row:
    """field: under which it is told. kind: whose drift it is. heals: False: told, and left as it
    is. twin: also played under ``driftPolicy: report``. frozen: done while the controller cannot
    react. alone: in an organization of its own. then: what the spec is changed to before the deed.
    clear: takes away what stands in the way; then all is right again."""

    slug: str
    title: str
    how: str
    field: str
    deed: Callable[[Case], None]
    kind: str = "Service"
    heals: bool = True
    twin: bool = True
    frozen: bool = False
    alone: bool = False
    volume: bool = False
    own_image: bool = False
    spec: dict[str, Any] = field(default_factory=dict)
    then: dict[str, Any] | None = None
    clear: Callable[[Case], None] | None = None


@dataclass
class Case:
    """A service that something is done to. mark: the label of what is the program's. first: its
    replica at the beginning; before: right before the deed. acted: when its last call began."""

    docker: Docker
    mark: str
    row: Row
    organization: str
    service: str
    image: str
    plain: str
    other: str
    spec: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    shape: Any = None
    left: Any = None
    acted: float = 0.0
    made: list[str] = field(default_factory=list)

    # -- looking
    def containers(self) -> list[dict[str, Any]]:
        labels = [
            self.mark,
            f"io.skypanel.organization={self.organization}",
            f"io.skypanel.name={self.service}",
            "io.skypanel.kind=Service",
        ]
        return self.docker.containers(*labels)

    def inspect(self, ordinal: int | None = None) -> dict[str, Any]:
        """The replica of that ordinal, else of the highest."""
        found = sorted(
            (self.docker.inspect(c["Id"]) for c in self.containers()),
            key=lambda c: c["Config"]["Labels"]["io.skypanel.ordinal"],
        )
        return found[-1 if ordinal is None else ordinal]

    def shapes(self) -> Any:
        """What must be the same afterwards: everything but ids, addresses and times."""
        where = self.row.clear is None  # while another has its subnet, ours gets a new one
        return sorted(str(_shape(self.docker.inspect(c["Id"]), where)) for c in self.containers())

    def right(self) -> bool:
        return bool(self.shapes() == self.shape)

    @property
    def id(self) -> str:
        return str(self.before["Id"])

    @property
    def name(self) -> str:
        return str(self.before["Name"]).lstrip("/")

    @property
    def network(self) -> str:
        (place,) = self.before["NetworkSettings"]["Networks"].values()
        return str(place["NetworkID"])

    # -- doing
    def act(self) -> None:
        self.row.deed(self)
        self.left = self.shapes()

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        self.acted = time.time()
        return self.docker.call(method, path, **kwargs)

    def rm(self, id_: str = "") -> None:
        self.call("DELETE", f"/containers/{id_ or self.id}", params={"force": "1"})

    def post(self, action: str, **query: str) -> None:
        self.call("POST", f"/containers/{self.id}/{action}", params=query)

    def update(self, **body: Any) -> None:
        self.call("POST", f"/containers/{self.id}/update", json=body)

    def connect(self, network: str, *aliases: str) -> None:
        body = {"Container": self.id, "EndpointConfig": {"Aliases": list(aliases)}}
        self.call("POST", f"/networks/{network}/connect", json=body)

    def disconnect(self) -> None:
        body = {"Container": self.id, "Force": True}
        self.call("POST", f"/networks/{self.network}/disconnect", json=body)

    def copy(
        self,
        name: str,
        of: dict[str, Any] | None = None,
        *,
        image: str = "",
        host: dict[str, Any] | None = None,
        labels: dict[str, str] | None = None,
    ) -> str:
        """A container as ours, labels and all, but for what is said; started."""
        origin = of or self.before
        config = origin["Config"]
        body = {
            "Image": image or config["Image"],
            "Labels": config["Labels"] if labels is None else {**config["Labels"], **labels},
            "Env": config["Env"],
            "Cmd": None if image else config["Cmd"],
            "HostConfig": {**origin["HostConfig"], **(host or {})},
            "NetworkingConfig": {
                "EndpointsConfig": {self.network: {"Aliases": [self.service]}},
            },
        }
        made = self.docker.call("POST", "/containers/create", params={"name": name}, json=body)
        self.call("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def stranger(self, path: str, body: dict[str, Any], **query: str) -> str:
        """Something that is nobody's, remembered to be taken away."""
        self.acted = time.time()
        made = self.docker.call("POST", f"/{path}/create", params=query, json=body)
        thing = str(made.get("Id") or made.get("Name"))
        self.made.append(f"/{path}/{thing}")
        return thing

    def tidy(self) -> None:
        for path in self.made:
            if path.startswith("/networks/"):
                _emptied(self.docker, path)
            self.docker.call("DELETE", path, params={"force": "1"}, ok=(404, 403, 409, 500))
        if self.image != self.plain:
            self.docker.call("DELETE", f"/images/{self.image}", ok=(404, 409))


def _shape(seen: dict[str, Any], where: bool) -> tuple[Any, ...]:
    host, config = seen["HostConfig"], seen["Config"]
    places = {
        name: [
            place["Gateway"] if where else "",
            *sorted(a for a in place["Aliases"] or () if a != seen["Id"][:12]),
        ]
        for name, place in seen["NetworkSettings"]["Networks"].items()
    }
    return (
        seen["Name"],
        seen["State"]["Status"],
        config["Image"],
        config["Labels"]["io.skypanel.revision"],
        config["Labels"]["io.skypanel.ordinal"],
        config["Env"],
        host["NanoCpus"],
        host["Memory"],
        host["PidsLimit"],
        host["RestartPolicy"]["Name"],
        host["Privileged"],
        sorted(places.items()),
        sorted((m["Type"], m.get("Name", ""), m["Destination"]) for m in seen["Mounts"]),
    )


# ---------------------------------------------------------------- deeds


def _foreign_network(case: Case) -> None:
    number = int(case.id[:4], 16)
    subnet = f"10.199.{number % 256}.{number // 256 % 16 * 16}/28"
    network = case.stranger("networks", _network(f"drift-{case.id[:8]}", subnet))
    case.connect(network)


def _network(name: str, subnet: str, **labels: str) -> dict[str, Any]:
    return {"Name": name, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]}}


def _alias_lost(case: Case) -> None:
    case.disconnect()
    case.connect(case.network)


def _squatted(case: Case) -> None:
    case.rm()
    case.stranger("containers", {"Image": case.other}, name=case.name)


def _replaced(case: Case) -> None:
    case.rm()
    case.copy(case.name, image=case.other)


def _usurped(case: Case) -> None:
    """The same image, but it sees the host's files."""
    case.rm()
    case.copy(case.name, host={"Binds": ["/etc:/host:ro"]})


def _impostor(case: Case) -> None:
    case.copy(f"{case.name}-x", labels={"io.skypanel.revision": "whatever"})


def _twice(case: Case) -> None:
    case.copy(f"{case.name}-x")


def _beyond(case: Case) -> None:
    case.copy(str(case.first["Name"]).lstrip("/"), case.first)


def _without_mount(case: Case) -> None:
    case.rm()
    case.copy(case.name, host={"Mounts": []})


def _tag_moved(case: Case) -> None:
    name, _, tag = case.image.partition(":")
    case.call("POST", f"/images/{case.other}/tag", params={"repo": name, "tag": tag})


def _snapshot(case: Case) -> None:
    """What ran is gone; what ran a generation ago is back."""
    case.rm()
    case.copy(str(case.first["Name"]).lstrip("/"), case.first)


def _network_gone(case: Case) -> dict[str, Any]:
    seen: dict[str, Any] = case.docker.get(f"/networks/{case.network}")
    case.disconnect()
    case.call("DELETE", f"/networks/{case.network}")
    return seen


def _network_replaced(case: Case, **labels: str) -> None:
    seen = _network_gone(case)
    subnet = seen["IPAM"]["Config"][0]["Subnet"]
    made = case.stranger("networks", _network(seen["Name"], subnet, **labels))
    case.connect(made, case.service)


def _network_elsewhere(case: Case) -> None:
    seen = _network_gone(case)
    number = int(case.id[:4], 16)
    body = _network(seen["Name"], f"10.198.{number % 256}.0/24", **seen["Labels"])
    made = case.docker.call("POST", "/networks/create", json=body)["Id"]
    case.connect(made, case.service)


def _network_twice(case: Case) -> None:
    seen = case.docker.get(f"/networks/{case.network}")
    number = int(case.id[:4], 16)
    case.stranger("networks", _network(seen["Name"], f"10.197.{number % 256}.0/24"))


def _strange_network_goes(case: Case) -> None:
    (path,) = case.made
    _emptied(case.docker, path)
    case.docker.call("DELETE", path)


def _emptied(docker: Docker, path: str) -> None:
    seen = docker.call("GET", path, ok=(404,)) or {}
    for container in seen.get("Containers") or {}:
        body = {"Container": container, "Force": True}
        docker.call("POST", f"{path}/disconnect", json=body, ok=(404, 500))


def _stranger_goes(case: Case) -> None:
    (path,) = case.made
    case.docker.call("DELETE", path, params={"force": "1"})


def _volume_gone(case: Case) -> str:
    (mount,) = case.before["Mounts"]
    case.rm()
    case.call("DELETE", f"/volumes/{mount['Name']}")
    return str(mount["Name"])


def _volume_remade(case: Case) -> None:
    name = _volume_gone(case)
    case.stranger("volumes", {"Name": name})


STOPS = {"terminationGracePeriod": "1s"}
A = {"environment": {"GENERATION": "1"}}
B = {"environment": {"GENERATION": "2"}}

ROWS: tuple[Row, ...] = (
    Row("removed", "container removed", "docker rm -f", "missing", Case.rm),
    Row("stopped", "stopped", "docker stop", "state", lambda c: c.post("stop", t="1")),
    Row("killed", "killed", "docker kill", "state", lambda c: c.post("kill")),
    Row("paused", "paused", "docker pause", "state", lambda c: c.post("pause")),
    Row(
        "renamed", "renamed", "docker rename", "name",
        lambda c: c.post("rename", name=f"{c.name}-mine"),
    ),
    Row(
        "restarted", "restarted by hand", "docker restart", "state",
        lambda c: c.post("restart", t="1"), twin=False, frozen=True,
    ),
    Row(
        "cpu", "cpu changed", "docker update --cpus", "cpu",
        lambda c: c.update(NanoCPUs=500_000_000),
    ),
    Row(
        "memory", "memory changed", "docker update --memory", "memory",
        lambda c: c.update(Memory=64 << 20, MemorySwap=64 << 20),
    ),
    Row("pids", "pids limit changed", "docker update --pids-limit", "pids",
        lambda c: c.update(PidsLimit=99)),
    Row(
        "policy", "restart policy changed", "docker update --restart", "restart",
        lambda c: c.update(RestartPolicy={"Name": "no"}),
    ),
    Row("off", "disconnected from its network", "docker network disconnect", "networks",
        Case.disconnect),
    Row("astray", "connected to a foreign one", "docker network connect", "networks",
        _foreign_network),
    Row("alias", "alias lost", "docker network disconnect, connect", "networks", _alias_lost,
        frozen=True),
    Row(
        "squatted", "replaced by one that is not ours, under its name",
        "docker rm -f; docker create --name", "missing", _squatted, heals=False, frozen=True,
        twin=False, clear=_stranger_goes,
    ),
    Row("replaced", "replaced under its name by another image, labels and all",
        "docker rm -f; docker run --name --label", "image", _replaced, frozen=True),
    Row("usurped", "replaced under its name by one with a host path, labels and all",
        "docker rm -f; docker run -v /etc:/host", "security", _usurped, frozen=True),
    Row("impostor", "an impostor with our labels", "docker run --label", "surplus", _impostor),
    Row("twice", "two containers for one ordinal", "docker run --label", "surplus", _twice),
    Row("beyond", "removed replica beyond the count is back", "docker run --label", "surplus",
        _beyond, spec={"replicas": 2}, then={"replicas": 1}),
    Row("mount", "mount missing", "docker rm -f; docker run without -v", "mounts",
        _without_mount, volume=True, frozen=True),
    Row(
        "tag", "image tag moved under Always", "docker tag", "image", _tag_moved,
        own_image=True, spec={"imagePullPolicy": "IfNotPresent"},
        then={"imagePullPolicy": "Always"},
    ),
    Row("snapshot", "engine state of an old snapshot", "the old generation's container is back",
        "surplus", _snapshot, spec=A, then=B, frozen=True),
    Row("net-removed", "network removed", "docker network rm", "network",
        lambda c: _network_gone(c) and None, kind="Organization", alone=True, twin=False,
        frozen=True),
    Row("net-foreign", "network recreated by hand, without labels",
        "docker network rm; create", "network", _network_replaced, kind="Organization",
        alone=True, twin=False, frozen=True, heals=False, clear=_strange_network_goes),
    Row("net-double", "network duplicated under its name", "docker network create", "network",
        _network_twice, kind="Organization", alone=True, twin=False, heals=False,
        clear=_strange_network_goes),
    Row("net-subnet", "network with another subnet, labels and all",
        "docker network rm; create --subnet", "network", _network_elsewhere,
        kind="Organization", alone=True, twin=False, frozen=True),
    Row("vol-removed", "volume removed", "docker rm -f; docker volume rm", "volume",
        lambda c: _volume_gone(c) and None, kind="Volume", volume=True, twin=False,
        frozen=True, heals=False),
    Row("vol-remade", "volume recreated by hand", "docker volume rm; create", "volume",
        _volume_remade, kind="Volume", volume=True, twin=False, frozen=True, heals=False),
)  # fmt: skip
