"""Which call carries out which step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from controller.engine.base import Engine
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.steps import (
    CheckVolumes,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    PullImage,
    PutFiles,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
    VerifyImage,
)

Calls = dict[type[Step], Callable[[Any], Awaitable[None]]]


class Routes(Protocol):
    """What executing needs of the ingress. Raises UserError."""

    async def publish(self, step: PublishRoutes) -> None: ...

    async def withdraw(self, step: WithdrawRoutes) -> None: ...


def calls(
    engine: Engine,
    pull: Callable[[PullImage], Awaitable[None]] | None = None,
    verify: Callable[[VerifyImage], Awaitable[None]] | None = None,
    routes: Routes | None = None,
) -> Calls:
    """Of all steps but those of the store. pull: instead of the engine alone. verify, routes: None
    where no step asks for them."""
    found: Calls = {
        CreateNetwork: engine.create_network,
        RemoveNetwork: engine.remove_network,
        ConnectNetwork: engine.connect_network,
        DisconnectNetwork: engine.disconnect_network,
        CreateVolume: engine.create_volume,
        RemoveVolume: engine.remove_volume,
        PullImage: pull or engine.pull_image,
        RemoveImage: engine.remove_image,
        CreateContainer: engine.create_container,
        PutFiles: engine.put_files,
        CheckVolumes: engine.check_volumes,
        StartContainer: engine.start_container,
        StopContainer: engine.stop_container,
        UnpauseContainer: engine.unpause_container,
        RenameContainer: engine.rename_container,
        RemoveContainer: engine.remove_container,
        UpdateContainer: engine.update_container,
    }
    if verify is not None:
        found[VerifyImage] = verify
    if routes is not None:
        found |= {PublishRoutes: routes.publish, WithdrawRoutes: routes.withdraw}
    return found
