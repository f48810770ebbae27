"""What a Docker engine holds, in memory: images, networks, volumes, and who uses them.

Semantics are those measured on dockerd 20.10 and held to it by the contract tests; a refusal
carries dockerd's status and words, so that the same table translates it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from controller.clock import Clock
from controller.engine.base import EngineEvent
from resources.image_access import familiar
from resources.labels import LABEL
from resources.observed import Attachment, Container, Image, Network, Volume
from resources.world import World


class Refused(Exception):
    """status and message as dockerd's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an image acts. Durations in seconds.

    pull: ok, missing, unauthorized, unreachable or full. local: no pull needed. exits_after:
    None runs for ever. healthy_after: when a check is declared; None never gets healthy.
    start_error: the engine's words when its process cannot be started. digest: that its registry
    has under its tag now; '': always the same. stop_seconds: how long
    it takes to react to the stop signal; longer than the grace, it is killed.
    """

    pull: str = "ok"
    pull_seconds: float = 0.0
    local: bool = False
    exits_after: float | None = None
    exit_code: int = 0
    healthy_after: float | None = 0.0
    start_error: str = ""
    stop_seconds: float = 0.0
    stop_code: int = 143
    user: str = ""
    digest: str = ""


PULL_ERRORS = {
    "missing": "manifest for {0} not found: manifest unknown: manifest unknown",
    "unauthorized": "unauthorized: authentication required",
    "unreachable": 'Get "https://registry/v2/": dial tcp: lookup registry: no such host',
    "full": "failed to register layer: write: no space left on device",
}


class Objects:
    """emit: takes every event as it happens. data: volume name -> a serial of its content, so
    that a test can tell data from an empty volume of the same name."""

    def __init__(self, clock: Clock, emit: Callable[[EngineEvent], None], seed: str = "") -> None:
        self.world = World()
        self.images: dict[str, Behaviour] = {}
        self.local: dict[str, Image] = {}
        self.data: dict[str, int] = {}
        self._clock = clock
        self._emit = emit
        self._seed = seed
        self._serial = 0
        self._addresses: dict[str, int] = {}

    # -- words
    def fresh_id(self) -> str:
        self._serial += 1
        return hashlib.sha256(f"{self._seed}:{self._serial}".encode()).hexdigest()

    def emit(self, type_: str, action: str, id_: str, name: str, **more: Any) -> None:
        self._emit(
            EngineEvent(
                type_, action, id_, name, time_nano=int(self._clock.now().timestamp() * 1e9), **more
            )
        )

    def tell(self, action: str, container: Container, **more: Any) -> None:
        labels = {k: v for k, v in container.labels.items() if k.startswith(LABEL)}
        self.emit("container", action, container.id, container.name, labels=labels, **more)

    def container(self, ref: str) -> Container:
        """By id or name. Raises Refused 404."""
        found = self.world.containers.get(ref) or self.world.container_named(ref)
        if found is None:
            raise Refused(404, f"No such container: {ref}")
        return found

    def network(self, ref: str) -> Network:
        """By id, or by a name that is not ambiguous. Raises Refused 404."""
        found = self.world.networks.get(ref)
        named = self.world.networks_named(ref)
        if found is None and len(named) == 1:
            found = named[0]
        if found is None:
            raise Refused(404, f"network {ref} not found")
        return found

    def put(self, container: Container) -> Container:
        self.world.put_container(container)
        return container

    # -- images
    def behaviour(self, reference: str) -> Behaviour:
        return self.images.get(reference, Behaviour(pull="missing"))

    def published(self, reference: str) -> str:
        """The digest that its registry has. Raises Refused in the words of a registry."""
        behaviour = self.behaviour(reference)
        if behaviour.pull in PULL_ERRORS:
            raise Refused(500, PULL_ERRORS[behaviour.pull].format(reference))
        return behaviour.digest or f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"

    def pulled(self, reference: str) -> Image:
        """Raises Refused in the words of a registry."""
        behaviour = self.behaviour(reference)
        if behaviour.pull in PULL_ERRORS:
            raise Refused(500, PULL_ERRORS[behaviour.pull].format(reference))
        image = self.have(reference)
        self.emit("image", "pull", reference, reference.partition(":")[0])
        return image

    def have(self, reference: str) -> Image:
        digest = hashlib.sha256(reference.encode()).hexdigest()
        image = Image(
            f"sha256:{digest}",
            reference,
            (),
            self.behaviour(reference).user,
            (familiar(reference),),
        )
        self.local[reference] = image
        return image

    def image(self, reference: str) -> Image | None:
        if reference not in self.local and self.behaviour(reference).local:
            self.have(reference)
        by_id = (image for image in self.local.values() if image.id == reference)
        return self.local.get(reference) or next(by_id, None)

    def images_by_id(self) -> dict[str, frozenset[str]]:
        for reference in self.images:
            self.image(reference)
        found: dict[str, set[str]] = {}
        for image in self.local.values():
            found.setdefault(image.id, set()).add(image.reference)
        return {id_: frozenset(names) for id_, names in found.items()}

    def remove_image(self, reference: str, id_: str) -> None:
        """Raises Refused in dockerd's words while a container is made of it."""
        image = self.local.get(reference)
        if image is None or image.id != id_:
            return
        for container in self.world.containers.values():
            if container.image_id == id_:
                raise Refused(
                    409,
                    f"conflict: unable to remove repository reference {reference!r} (must force) "
                    f"- container {container.id[:12]} is using its referenced image {id_[:12]}",
                )
        del self.local[reference]
        self.world.images.pop(reference, None)
        self.emit("image", "delete", id_, "")

    # -- networks
    def create_network(
        self,
        name: str,
        labels: Mapping[str, str],
        subnet: str,
        *,
        internal: bool = False,
        bridge: str = "",
        check: bool = True,
    ) -> Network:
        """check: refuse a second network of that name, which the engine does when asked to."""
        if check and self.world.networks_named(name):
            raise Refused(409, f"network with name {name} already exists")
        wanted = ipaddress.ip_network(subnet)
        for other in self.world.networks.values():
            if any(wanted.overlaps(ipaddress.ip_network(s)) for s in other.subnets):
                raise Refused(403, "Pool overlaps with other one on this address space")
            if bridge and other.bridge == bridge:
                raise Refused(403, f"conflicts with {other.id}: networks have same bridge name")
        id_ = self.fresh_id()
        network = Network(id_, name, dict(labels), (subnet,), internal, bridge or f"br-{id_[:12]}")
        self.world.put_network(network)
        self.emit("network", "create", id_, name)
        return network

    def remove_network(self, ref: str) -> None:
        network = self.network(ref)
        if any(c.state in ("running", "paused") for c in self.world.containers_on(network.id)):
            raise Refused(
                403,
                f"error while removing network: network {network.name} id {network.id} "
                "has active endpoints",
            )
        self.world.drop_network(network.id)
        self._addresses.pop(network.id, None)
        self.emit("network", "destroy", network.id, network.name)

    def connect(self, network_ref: str, container_ref: str, aliases: tuple[str, ...]) -> None:
        network, container = self.network(network_ref), self.container(container_ref)
        live = container.state in ("running", "paused")
        there = {a.network_id: a for a in container.networks}
        if live and network.id in there:
            raise Refused(
                403,
                f"endpoint with name {container.name} already exists in network {network.name}",
            )
        there[network.id] = Attachment(network.id, self.address(network.id, live), aliases)
        self.put(replace(container, networks=in_order(there.values())))
        if live:
            self.emit("network", "connect", network.id, network.name, container=container.id)

    def disconnect(self, network_ref: str, container_ref: str) -> None:
        network, container = self.network(network_ref), self.container(container_ref)
        rest = tuple(a for a in container.networks if a.network_id != network.id)
        if rest == container.networks:
            raise Refused(
                500, f"container {container.id} is not connected to the network {network.name}"
            )
        self.put(replace(container, networks=rest))
        self.emit("network", "disconnect", network.id, network.name, container=container.id)

    def address(self, network_id: str, live: bool) -> str:
        network = self.world.networks.get(network_id)
        if not live or network is None or not network.subnets:
            return ""
        subnet = ipaddress.ip_network(network.subnets[0])
        last = self._addresses.get(network_id, 1) % (subnet.num_addresses - 3) + 1
        self._addresses[network_id] = last
        return str(subnet.network_address + last)

    # -- volumes
    def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume:
        """An existing one is returned as it is; its labels stay."""
        if (volume := self.world.volume(name)) is None:
            self._serial += 1
            self.data[name] = self._serial
            volume = Volume(name, dict(labels), self._clock.now().isoformat(), f"/volumes/{name}")
            self.world.put_volume(volume)
        self.emit("volume", "create", name, name)
        return volume

    def remove_volume(self, name: str) -> None:
        if self.world.volume(name) is None:
            raise Refused(404, f"get {name}: no such volume")
        if users := self.world.containers_mounting(name):
            raise Refused(409, f"remove {name}: volume is in use - [{users[0].id}]")
        self.world.drop_volume(name)
        del self.data[name]
        self.emit("volume", "destroy", name, name)


def in_order(places: Iterable[Attachment]) -> tuple[Attachment, ...]:
    return tuple(sorted(places, key=lambda a: a.network_id))
