"""The floor: what the engine itself needs for the same objects, called by aiodocker alone.

The bodies of the requests are the controller's own, recorded on the wire from one organization with
one service, so that both sides ask the engine for the same thing, label for label.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiodocker

from benchmarks.rig import Rig, organization_of, running
from benchmarks.wiretap import wiretap
from tests.e2e.harness import short_directory

CANDIDATES = (4, 6, 8)
"""Numbers of creates and starts under way at once, among which the best is looked for."""
GRACE = 1
"""Seconds between a stop's two signals, as the services of all rows declare it."""
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Recorded:
    network: dict[str, Any]
    container: dict[str, Any]


async def record(rig: Rig) -> Recorded:
    """What the controller asks of the engine for one organization and one service."""
    with short_directory() as place:
        async with (
            wiretap(place, rig.engine) as tap,
            running(tap.host, rig.engine) as controller,
        ):
            await controller.commit(*organization_of("bench", ["web"], rig.image))
            await controller.ready()
            bodies = {
                path: next(
                    r.document for r in tap.requests if r.method == "POST" and path in r.path
                )
                for path in ("/networks/create", "/containers/create")
            }
    return Recorded(bodies["/networks/create"], bodies["/containers/create"])


class Bare:
    """Makes and removes organizations as the controller would, without thinking."""

    def __init__(self, docker: aiodocker.Docker, recorded: Recorded) -> None:
        self._docker = docker
        self._recorded = recorded
        self._made: list[Any] = []
        self._networks: list[Any] = []

    async def converge(self, services: int, concurrency: int) -> float:
        """Seconds for a network and so many containers, created and started."""
        number = next(_NUMBERS)
        began = time.perf_counter()
        network = await self.network(number)
        slots = asyncio.Semaphore(concurrency)

        async def one(index: int) -> None:
            async with slots:
                await self.start(f"bare_{number}_{index}", network)

        async with asyncio.TaskGroup() as group:
            for index in range(services):
                group.create_task(one(index))
        return time.perf_counter() - began

    async def roll(self, settle: float, concurrency: int) -> float:
        """Seconds for replacing every container that was made by one with another environment,
        which runs for ``settle`` seconds before the old one is stopped and removed."""
        number = next(_NUMBERS)
        began = time.perf_counter()
        slots = asyncio.Semaphore(concurrency)
        (network,) = self._networks

        async def one(index: int, old: Any) -> None:
            async with slots:
                await self.start(f"bare_{number}_{index}", str(network.id), f"ROUND={number}")
            await asyncio.sleep(settle)
            await old.stop(t=GRACE)
            async with slots:
                await old.delete(force=True, v=True)
            self._made.remove(old)

        async with asyncio.TaskGroup() as group:
            for index, old in enumerate(list(self._made)):
                group.create_task(one(index, old))
        return time.perf_counter() - began

    async def network(self, number: int) -> str:
        """Its id. In a corner of the private addresses where the controller has no pool."""
        body = copy.deepcopy(self._recorded.network)
        place = (os.getpid() * 211 + number) % 4_000  # an earlier run may have left one behind
        body["Name"] = f"skypanel-bench-{os.getpid()}-{number}"
        body["IPAM"]["Config"] = [{"Subnet": f"10.{100 + place // 200}.{place % 200}.0/24"}]
        body["Options"] = {}
        body["Labels"] = _foreign(body["Labels"])
        made = await self._docker.networks.create(body)
        self._networks.append(made)
        return str(made.id)

    async def start(self, name: str, network: str, *environment: str) -> str:
        """Id of a container that runs."""
        body = copy.deepcopy(self._recorded.container)
        body["Env"] = [*(body.get("Env") or ()), *environment]
        (endpoint,) = body["NetworkingConfig"]["EndpointsConfig"].values()
        body["NetworkingConfig"]["EndpointsConfig"] = {network: endpoint}
        body["HostConfig"]["NetworkMode"] = network
        body["Labels"] = _foreign(body["Labels"])
        container = await self._docker.containers.create(body, name=f"skypanel-bench-{name}")
        self._made.append(container)
        await container.start()
        return str(container.id)

    async def clear(self) -> None:
        await self.remove_containers()
        networks, self._networks = self._networks, []
        for network in networks:
            await network.delete()

    async def remove_containers(self) -> None:
        slots = asyncio.Semaphore(4)

        async def remove(container: Any) -> None:
            async with slots:
                await container.delete(force=True, v=True)

        made, self._made = self._made, []
        async with asyncio.TaskGroup() as group:
            for container in made:
                group.create_task(remove(container))

    async def best_concurrency(self, rig: Rig) -> int:
        """The quickest of the candidates, each tried twice."""
        seconds = dict.fromkeys(CANDIDATES, float("inf"))
        for _ in range(2):
            for candidate in CANDIDATES:
                took = await self.converge(rig.services, candidate)
                seconds[candidate] = min(seconds[candidate], took)
                await self.clear()
        best = min(seconds, key=seconds.__getitem__)
        rig.say(f"bare aiodocker at concurrency {best}: {seconds}")
        return best


def _foreign(labels: dict[str, str]) -> dict[str, str]:
    """The same number of bytes, but nobody's."""
    return {name.replace("io.skypanel.", "io.skybench."): text for name, text in labels.items()}


@asynccontextmanager
async def bare(rig: Rig, recorded: Recorded) -> AsyncIterator[Bare]:
    docker = aiodocker.Docker(url=rig.host)
    floor = Bare(docker, recorded)
    try:
        yield floor
    finally:
        await floor.clear()
        await docker.close()
