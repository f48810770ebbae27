"""Containers of the platform's own, which are no resource's: put there, listed, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.engine.docker.puller import ImagePuller
from controller.engine.docker.wire import Wire, filters, segment
from controller.engine.platform_containers import PlatformContainer
from resources.steps import PullImage

GONE = 404
NOT_MODIFIED = 304


class DockerPlatformContainers:
    """Implements ``PlatformContainers``."""

    def __init__(self, wire: Wire, puller: ImagePuller) -> None:
        self._wire = wire
        self._puller = puller

    async def list(self, labels: Mapping[str, str]) -> Sequence[PlatformContainer]:
        wanted = [f"{name}={value}" for name, value in labels.items()]
        reply = await self._wire.call(
            "list_containers", "GET", "containers/json",
            params={"all": "1", **filters(label=wanted)},
        )  # fmt: skip
        return [_read(raw) for raw in reply.json()]

    async def run(self, name: str, image: str, config: Mapping[str, Any]) -> str:
        if await self._wire.get("inspect_image", f"images/{segment(image)}/json") is None:
            await self._puller.pull_image(PullImage(reference=image, cause="the platform runs it"))
        made = await self._wire.call(
            "create_container", "POST", "containers/create",
            params={"name": name}, json=dict(config), subject=name,
        )  # fmt: skip
        id_ = str(made.json()["Id"])
        await self._wire.call(
            "start_container", "POST", f"containers/{segment(id_)}/start",
            subject=name, accept=(NOT_MODIFIED,),
        )  # fmt: skip
        return id_

    async def pid(self, id_: str) -> int | None:
        found = await self._wire.get("inspect_container", f"containers/{segment(id_)}/json")
        return None if found is None else found["State"].get("Pid") or None

    async def remove(self, id_: str, grace: float) -> None:
        if grace > 0:
            await self._wire.call(
                "stop_container", "POST", f"containers/{segment(id_)}/stop",
                params={"t": str(round(grace))},
                accept=(NOT_MODIFIED, GONE), timeout=grace + self._wire.timeout,
            )  # fmt: skip
        await self._wire.call(
            "remove_container", "DELETE", f"containers/{segment(id_)}",
            params={"force": "1", "v": "1"}, accept=(GONE,),
        )  # fmt: skip


def _read(raw: Mapping[str, Any]) -> PlatformContainer:
    names = raw.get("Names") or [""]
    return PlatformContainer(
        id=raw["Id"],
        name=names[0].lstrip("/"),
        state=raw.get("State") or "",
        labels=raw.get("Labels") or {},
    )
