"""Hands on the engine that are not ours: what people and scripts do behind our back."""

from __future__ import annotations

import random

from resources.labels import L_CONTROLLER, L_ROLE
from resources.observed import Container, Limits, Volume
from tests.fakes.objects import Refused
from tests.sim.harness import Simulation

STRANGER = "stranger"
"""Names of what is not ours begin with it."""


class Vandal:
    """Draws from its own source. lost: engine volumes of ours that it removed."""

    def __init__(self, sim: Simulation, random_: random.Random) -> None:
        self._sim = sim
        self._random = random_
        self._hand = sim.engine.hand
        self._number = 0
        self.lost: set[str] = set()
        self.strangers: set[str] = set()
        self.deeds = 0

    def act(self) -> None:
        """One deed, if there is anything to do it to."""
        deed = self._random.choice(DEEDS)
        try:
            told = deed(self)
        except Refused as refused:
            told = f"{deed.__name__} refused: {refused.message[:80]}"
        if told:
            self.deeds += 1
            self._sim.trace.note("hand", told)

    # -- what there is
    def _ours(self, *states: str) -> Container | None:
        """One of our replicas. One that shall end by itself is left alone: nobody could tell
        afterwards what it would have come to; a preDeploy as well."""
        found = [
            c
            for c in self._sim.engine.world.containers.values()
            if L_CONTROLLER in c.labels
            and L_ROLE not in c.labels
            and (not states or c.state in states)
            and c.restart_policy == "always"
        ]
        return self._random.choice(found) if found else None

    def _on_container(self, verb: str, *states: str) -> str:
        container = self._ours(*states)
        if container is None:
            return ""
        getattr(self._hand, verb)(container.name)
        return f"{verb} {container.name}"

    def rm(self) -> str:
        return self._on_container("rm")

    def stop(self) -> str:
        return self._on_container("stop", "running")

    def start(self) -> str:
        """Not one that is still being made: what it lacks then, nobody can see afterwards."""
        return self._on_container("start", "exited")

    def kill(self) -> str:
        return self._on_container("kill", "running")

    def crash(self) -> str:
        return self._on_container("crash", "running")

    def pause(self) -> str:
        return self._on_container("pause", "running")

    def restart(self) -> str:
        return self._on_container("restart", "running")

    def sicken(self) -> str:
        """For a while, as after a hiccup: the engine's check finds it well again later."""
        container = self._ours("running")
        if container is None or not container.health:
            return ""
        self._hand.health(container.name, "unhealthy")
        id_, machine = container.id, self._sim.engine.machine
        machine.after(id_, self._random.uniform(5.0, 80.0), lambda i: machine.health(i, "healthy"))
        return f"unhealthy {container.name}"

    def rename(self) -> str:
        container = self._ours()
        if container is None:
            return ""
        self._number += 1
        self._hand.rename(container.name, f"renamed-{self._number}")
        return f"rename {container.name} renamed-{self._number}"

    def limit(self) -> str:
        container = self._ours()
        if container is None:
            return ""
        self._hand.update(container.name, limits=Limits(10**8, 32 * 1024 * 1024, 16))
        return f"update {container.name}"

    def policy(self) -> str:
        container = self._ours()
        if container is None:
            return ""
        self._hand.update(container.name, restart="never")
        return f"update --restart no {container.name}"

    def disconnect(self) -> str:
        container = self._ours()
        if container is None or not container.networks:
            return ""
        self._hand.disconnect(container.networks[0].network_id, container.name)
        return f"disconnect {container.name}"

    def connect(self) -> str:
        """Onto a network where it does not belong."""
        container, networks = self._ours("running"), list(self._sim.engine.world.networks.values())
        if container is None or not networks:
            return ""
        network = self._random.choice(networks)
        self._hand.connect(network.id, container.name)
        return f"connect {network.name} {container.name}"

    def rm_network(self) -> str:
        found = [n for n in self._sim.engine.world.networks.values() if L_CONTROLLER in n.labels]
        if not found:
            return ""
        network = self._random.choice(found)
        for container in self._sim.engine.world.containers_on(network.id):
            if self._random.random() < 0.7:
                self._hand.disconnect(network.id, container.name)
        self._hand.rm_network(network.id)
        return f"network rm {network.name}"

    def rm_volume(self) -> str:
        """With all that use it, as a person has to."""
        found = [v for v in self._sim.engine.world.volumes.values() if L_CONTROLLER in v.labels]
        if not found or self._random.random() < 0.7:
            return ""
        volume: Volume = self._random.choice(found)
        users = self._sim.engine.world.containers_mounting(volume.name)
        if any(c.restart_policy != "always" for c in users):
            return ""
        for container in users:
            self._hand.rm(container.id)
        self._hand.rm_volume(volume.name)
        self.lost.add(volume.name)
        return f"volume rm {volume.name}"

    def rmi(self) -> str:
        local = list(self._sim.engine.machine.local)
        if not local:
            return ""
        reference = self._random.choice(local)
        self._hand.rmi(reference)
        return f"rmi {reference}"

    # -- strangers
    def stranger(self) -> str:
        self._number += 1
        name = f"{STRANGER}-{self._number}"
        ours = [n for n in self._sim.engine.world.networks.values() if L_CONTROLLER in n.labels]
        network = self._random.choice(ours).id if ours and self._random.random() < 0.3 else ""
        self._sim.engine.hand.run(name, "app:3", network=network)
        self.strangers.add(name)
        return f"run {name} {network[:12]}"

    def strange_network(self) -> str:
        self._number += 1
        name = f"{STRANGER}-{self._number}"
        subnet = f"10.{self._random.randrange(128, 255)}.{self._random.randrange(256)}.0/24"
        self._hand.create_network(name, subnet)
        return f"network create {name} {subnet}"

    def squat(self) -> str:
        """A stranger with the name of a container of ours that just went."""
        container = self._ours()
        if container is None:
            return ""
        self._hand.rm(container.name)
        self._hand.run(container.name, "app:3")
        return f"run {container.name} in the place of ours"


DEEDS = (
    Vandal.rm,
    Vandal.rm,
    Vandal.stop,
    Vandal.start,
    Vandal.kill,
    Vandal.crash,
    Vandal.pause,
    Vandal.restart,
    Vandal.sicken,
    Vandal.rename,
    Vandal.limit,
    Vandal.policy,
    Vandal.disconnect,
    Vandal.connect,
    Vandal.rm_network,
    Vandal.rm_volume,
    Vandal.rmi,
    Vandal.stranger,
    Vandal.strange_network,
    Vandal.squat,
)


def make_way(sim: Simulation) -> None:
    """What is in the way of ours goes, as a person would do it after reading the status."""
    for container in list(sim.engine.world.containers.values()):
        if L_CONTROLLER not in container.labels and not container.name.startswith(STRANGER):
            sim.engine.hand.rm(container.id)
        elif L_CONTROLLER not in container.labels:
            for place in container.networks:
                network = sim.engine.world.networks.get(place.network_id)
                if network is not None and L_CONTROLLER in network.labels:
                    sim.engine.hand.disconnect(network.id, container.id)
