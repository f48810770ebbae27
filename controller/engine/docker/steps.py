"""One method per step: one call that changes something, as told.

Repeating a step whose reply was lost is harmless wherever the engine lets it be: what is already
gone, started, stopped, unpaused or detached counts as done. Where it does not (a name is taken),
the error is retryable and the next pass reads what is there.
"""

from __future__ import annotations

from typing import Any

from controller.engine.docker import archive, convert, faults, render
from controller.engine.docker.reading import EngineReader
from controller.engine.docker.wire import Wire, segment
from controller.together import together
from resources.container_spec import FileContent
from resources.errors import UserError
from resources.labels import L_UID, is_ours
from resources.steps import (
    CheckVolumes,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    PutFiles,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)

GONE = 404
NOT_MODIFIED = 304


class Steps:
    def __init__(self, wire: Wire, reader: EngineReader) -> None:
        self._wire = wire
        self._reader = reader

    # -- networks
    async def create_network(self, step: CreateNetwork) -> None:
        await self._wire.call(
            "create_network", "POST", "networks/create",
            json=render.network(step), subject=step.name,
        )  # fmt: skip

    async def remove_network(self, step: RemoveNetwork) -> None:
        await self._wire.call(
            "remove_network", "DELETE", f"networks/{segment(step.id)}",
            subject=step.name, accept=(GONE,),
        )  # fmt: skip

    async def connect_network(self, step: ConnectNetwork) -> None:
        await self._wire.call(
            "connect_network", "POST", f"networks/{segment(step.network)}/connect",
            json={"Container": step.container,
                  "EndpointConfig": {"Aliases": list(step.aliases)}},
            subject=step.container_name,
        )  # fmt: skip

    async def disconnect_network(self, step: DisconnectNetwork) -> None:
        try:
            await self._wire.call(
                "disconnect_network", "POST", f"networks/{segment(step.network)}/disconnect",
                json={"Container": step.container, "Force": True},
                subject=step.container_name, accept=(GONE,),
            )  # fmt: skip
        except UserError as error:
            if "is not connected" not in error.details.get("engine", ""):
                raise

    # -- volumes
    async def create_volume(self, step: CreateVolume) -> None:
        """The engine answers with an existing volume of that name and ignores our labels."""
        reply = await self._wire.call(
            "create_volume", "POST", "volumes/create",
            json={"Name": step.name, "Driver": "local", "Labels": dict(step.labels)},
            subject=step.name,
        )  # fmt: skip
        labels = reply.json().get("Labels") or {}
        if labels.get(L_UID) != step.labels.get(L_UID):
            raise faults.not_ours("volume", step.name, labels)

    async def remove_volume(self, step: RemoveVolume) -> None:
        """Looked at right before it goes: data of another uid, or of another controller's (whose
        uids may be the same in a copied store), is never removed."""
        volume = await self._reader.inspect_volume(step.name)
        if volume is None:
            return
        labels = volume.labels
        if labels.get(L_UID) != step.uid or not is_ours(labels, step.instance):
            raise faults.not_ours("volume", step.name, labels)
        await self._wire.call(
            "remove_volume", "DELETE", f"volumes/{segment(step.name)}",
            subject=step.name, accept=(GONE,),
        )  # fmt: skip

    async def check_volumes(self, step: CheckVolumes) -> None:
        names = sorted(step.volume_uids)
        found = await together(*(self._reader.inspect_volume(name) for name in names))
        lost = {
            name: why
            for name, volume in zip(names, found, strict=True)
            if (why := faults.loss(volume, step.volume_uids[name]))
        }
        if lost:
            raise faults.volume_lost(lost, step.container_name)

    # -- images
    async def remove_image(self, step: RemoveImage) -> None:
        """By its reference while that still means it; else by its id, if it has no tag at all.
        Neither forced nor with its untagged parents."""
        name = step.reference
        current = await self._reader.inspect_image(step.reference)
        if current is None or current.id != step.id:
            path = f"images/{segment(step.id)}/json"
            raw = await self._wire.get("inspect_image", path)
            if raw is None or convert.tags(raw):
                return
            name = step.id
        await self._wire.call(
            "remove_image", "DELETE", f"images/{segment(name)}",
            params={"noprune": "1"}, subject=step.reference, accept=(GONE,),
        )  # fmt: skip

    # -- containers
    async def create_container(self, step: CreateContainer) -> None:
        await self._wire.call(
            "create_container", "POST", "containers/create",
            params={"name": step.spec.name}, json=render.container(step.spec),
            subject=step.spec.name,
        )  # fmt: skip

    async def put_files(self, step: PutFiles) -> None:
        """In one archive at the root, unless that is read-only: then each file on its own at its
        nearest directory, which works inside mounted volumes."""
        try:
            await self._unpack(step, step.files, "/")
        except UserError as error:
            if error.code != "DEPLOYMENT_FILES_REFUSED":
                raise
            for file in step.files:
                await self._put_near(step, file)

    async def _put_near(self, step: PutFiles, file: FileContent) -> None:
        for folder in archive.folders(file):
            if await self._unpack(step, (file,), folder):
                return

    async def _unpack(self, step: PutFiles, files: tuple[FileContent, ...], folder: str) -> bool:
        """False when the folder does not exist."""
        reply = await self._wire.call(
            "put_files", "PUT", f"containers/{segment(step.container)}/archive",
            params={"path": folder}, data=archive.pack(files, folder),
            subject=step.container_name, accept=(GONE,) if folder != "/" else (),
        )  # fmt: skip
        return reply.status != GONE

    async def start_container(self, step: StartContainer) -> None:
        await self._wire.call(
            "start_container", "POST", f"containers/{segment(step.container)}/start",
            subject=step.container_name, accept=(NOT_MODIFIED,),
        )  # fmt: skip

    async def stop_container(self, step: StopContainer) -> None:
        await self._wire.call(
            "stop_container", "POST", f"containers/{segment(step.container)}/stop",
            params={"t": str(step.grace)}, subject=step.container_name,
            accept=(NOT_MODIFIED, GONE), timeout=step.grace + self._wire.timeout,
        )  # fmt: skip

    async def unpause_container(self, step: UnpauseContainer) -> None:
        try:
            await self._wire.call(
                "unpause_container", "POST", f"containers/{segment(step.container)}/unpause",
                subject=step.container_name,
            )  # fmt: skip
        except UserError as error:
            if "is not paused" not in error.details.get("engine", ""):
                raise

    async def rename_container(self, step: RenameContainer) -> None:
        try:
            await self._wire.call(
                "rename_container", "POST", f"containers/{segment(step.container)}/rename",
                params={"name": step.name}, subject=step.container_name,
            )  # fmt: skip
        except UserError as error:
            if "same name as its current name" not in error.details.get("engine", ""):
                raise

    async def remove_container(self, step: RemoveContainer) -> None:
        await self._wire.call(
            "remove_container", "DELETE", f"containers/{segment(step.container)}",
            params={"force": "1", "v": "1"}, subject=step.container_name, accept=(GONE,),
        )  # fmt: skip

    async def update_container(self, step: UpdateContainer) -> None:
        body: dict[str, Any] = dict(render.limits(step.limits)) if step.limits else {}
        if step.restart is not None:
            body["RestartPolicy"] = render.restart(step.restart)
        await self._wire.call(
            "update_container", "POST", f"containers/{segment(step.container)}/update",
            json=body, subject=step.container_name,
        )  # fmt: skip
