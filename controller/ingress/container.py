"""Traefik as a container of the engine, in the host's network: the engine starts it again, also
after a reboot, so routes are served before any controller runs.

In the host's network it needs no place on the tenants' networks, and its API stays on the loopback.
It may do nothing but listen on low ports, and sees nothing of the host but its own directory, under
the same path: when the controller is a container too, its state directory must be mounted at the
path that it has on the host.

It carries our mark, and no uid: it is nobody's resource, so no pass and no sweep concerns it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.engine.platform_containers import PlatformContainer, PlatformContainers
from controller.ingress.alive import OPTION, Alive, Ours
from controller.ingress.process import acme_environment, command_line
from controller.ingress.traefik import Start, static
from controller.settings import Settings
from resources.labels import L_CONTROLLER, L_KIND, L_NAME, L_REVISION

PLATFORM, NAME = "Platform", "ingress"
POLL = 0.5
RUNNING = frozenset({"running", "restarting", "paused"})
"""States in which it has its ports; one that is paused answers nobody, and is replaced for that."""
LOGS = {"max-size": "10m", "max-file": "3"}


class ContainerRunner:
    """instance: ours."""

    def __init__(self, settings: Settings, engine: PlatformContainers, instance: str) -> None:
        self._settings = settings
        self._engine = engine
        self._instance = instance
        self._ours = Ours(settings.ingress_dir.resolve(), instance)

    @property
    def home(self) -> Path:
        return self._ours.home

    @property
    def _labels(self) -> dict[str, str]:
        return {L_CONTROLLER: self._instance, L_KIND: PLATFORM, L_NAME: NAME}

    async def desired(self) -> str:
        environment = await asyncio.to_thread(acme_environment, self._settings)
        config = self._config(Start(self.home, 0), environment, "")
        return json.dumps([static(self._settings, Start(self.home, 0)), config], sort_keys=True)

    def _config(self, start: Start, environment: Mapping[str, str], path: str) -> dict[str, Any]:
        return {
            "Image": self._settings.ingress_image,
            "Cmd": [f"{OPTION}{path}"],
            "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
            "User": f"{os.geteuid()}:{os.getegid()}",
            "Labels": {**self._labels, L_REVISION: path},
            "StopTimeout": round(self._settings.ingress_grace + 5.0),
            "HostConfig": {
                "NetworkMode": "host",
                "RestartPolicy": {"Name": "always"},
                "Binds": [f"{start.home}:{start.home}"],
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "CapAdd": ["NET_BIND_SERVICE"],
                "SecurityOpt": ["no-new-privileges"],
                "LogConfig": {"Type": "json-file", "Config": LOGS},
            },
        }

    async def running(self) -> list[Alive]:
        found = await self._engine.list(self._labels)
        alive = [self._alive(one) for one in found if one.state in RUNNING]
        return [proxy for proxy in alive if proxy is not None]

    def _alive(self, one: PlatformContainer) -> Alive | None:
        """It carries our instance's mark, wherever its file lies."""
        path = Path(one.labels.get(L_REVISION, ""))
        return Ours(path.parent).started_with(one.id, [f"{OPTION}{path}"])

    async def spawn(self, digest: str, api_port: int) -> Alive:
        for one in await self._engine.list(self._labels):
            if one.state not in RUNNING:
                await self._engine.remove(one.id, 0.0)
        await asyncio.to_thread(self._ours.sweep, await self.running())
        start = Start(self.home, api_port)
        told = static(self._settings, start)
        path = await asyncio.to_thread(self._ours.write, digest, api_port, told)
        environment = await asyncio.to_thread(acme_environment, self._settings)
        config = self._config(start, environment, str(path))
        name = f"skypanel_ingress_{self._instance[:8]}_{api_port}"
        id_ = await self._engine.run(name, self._settings.ingress_image, config)
        return Alive(id_, digest, api_port, self.home)

    async def pid(self, proxy: Alive) -> int | None:
        """None where its processes are not ours to see."""
        pid = await self._engine.pid(proxy.id)
        command = None if pid is None else await asyncio.to_thread(command_line, pid)
        told = Ours(proxy.home).started_with(proxy.id, (command or [])[1:])
        return pid if told == proxy else None

    async def last_words(self, proxy: Alive) -> str:
        for one in await self._engine.list(self._labels):
            if one.id == proxy.id:
                return "" if one.state == "running" else f"its container is {one.state}"
        return "its container is gone"

    async def ended(self, proxy: Alive) -> None:
        while proxy in await self.running():  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(POLL)

    async def stop(self, proxy: Alive, grace: float) -> None:
        await self._engine.remove(proxy.id, grace)
