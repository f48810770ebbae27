"""The actual world behind one Protocol. The Docker engine is the first implementation.

An engine does what it is told, one call per step, and decides nothing. It raises ``UserError``
with the contract's codes; a listing either is complete or raises (never delete on an incomplete
view). Every call has a deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from resources.observed import Container, Image, Network, Volume
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
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)
from resources.world import Scope, World


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """id: the engine's own identity, stable over restarts. reach: host | attached | none.
    local: it shares our kernel's network, so host routes must be respected."""

    id: str
    version: str
    api_version: str
    reach: str = "host"
    local: bool = True
    capabilities: frozenset[str] = frozenset({"inPlaceUpdate", "execCheck"})
    security: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A hint that something about an object changed. type: container, network, volume, image.
    action: the engine's word ('die', 'destroy', 'connect', ...). labels: only containers' events
    have them. container: for network connect/disconnect, the container's id. exit_code: of 'die'
    alone."""

    type: str
    action: str
    id: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    container: str = ""
    time_nano: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class PullProgress:
    """current/total: bytes over all layers known so far; total 0 when unknown. pull: the identity
    of the step, by which two pulls of one image are told apart. layers_done: those that are there
    already among them."""

    reference: str
    status: str
    current: int = 0
    total: int = 0
    pull: tuple[str, ...] = ()
    layers: int = 0
    layers_done: int = 0

    @property
    def organization(self) -> str | None:
        """Whose credentials it is pulled with; None: nobody's."""
        return self.pull[1] if len(self.pull) > 1 else None


@dataclass(frozen=True, slots=True)
class LogLine:
    """stream: stdout | stderr. time: RFC 3339 with nanoseconds, as the engine gives it."""

    stream: str
    time: str
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of a container's consumption. cpu_ratio and memory relate to its limits."""

    cpu_ratio: float
    memory: int
    memory_limit: int
    pids: int
    network_rx: int = 0
    network_tx: int = 0
    disk_read: int = 0
    disk_write: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a container's process consumed since its start. at: seconds, of no particular beginning.
    cpu: seconds. memory: bytes now, without page cache. The rest: bytes; None: not known."""

    at: float
    cpu: float
    memory: int
    network_receive: int | None
    network_transmit: int | None
    disk_read: int | None
    disk_write: int | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """found: by the container's id. cost: seconds of CPU for all of it, about."""

    found: Mapping[str, Sample]
    cost: float


class ExecSession(Protocol):
    """A running exec. Bytes in, (stream, bytes) out, then an exit code."""

    async def write(self, data: bytes) -> None: ...
    async def close_input(self) -> None: ...
    async def resize(self, rows: int, columns: int) -> None: ...
    def output(self) -> AsyncIterator[tuple[str, bytes]]: ...
    async def exit_code(self) -> int: ...
    async def close(self) -> None: ...


class Engine(Protocol):
    # -- reading
    async def info(self) -> EngineInfo: ...

    async def list(self) -> World:
        """Everything, ours or not, as listed (containers not inspected; no images)."""
        ...

    async def read(self, scope: Scope) -> World:
        """The scope, authoritative: listed by label and name, every container inspected."""
        ...

    async def inspect_container(self, id_: str) -> Container | None: ...
    async def inspect_network(self, id_: str) -> Network | None: ...
    async def inspect_volume(self, name: str) -> Volume | None: ...
    async def inspect_image(self, reference: str) -> Image | None: ...

    async def list_images(self) -> Mapping[str, frozenset[str]]:
        """Every image: its id -> its tags."""
        ...

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[EngineEvent]]:
        """Entered: subscribed (list only then). The iterator ends or raises on any gap; it
        never reconnects by itself."""
        ...

    async def host_networks(self) -> Sequence[str]:
        """CIDRs that the engine's host routes or owns already (empty for a remote engine)."""
        ...

    # -- steps
    async def create_network(self, step: CreateNetwork) -> None: ...
    async def remove_network(self, step: RemoveNetwork) -> None: ...
    async def connect_network(self, step: ConnectNetwork) -> None: ...
    async def disconnect_network(self, step: DisconnectNetwork) -> None: ...
    async def create_volume(self, step: CreateVolume) -> None: ...
    async def remove_volume(self, step: RemoveVolume) -> None: ...
    async def pull_image(self, step: PullImage) -> None: ...
    async def ask_registry(self, step: PullImage) -> str:
        """Which digest the image's registry has under that reference, for whom the step signs in.
        Changes nothing, and never answers from what the engine has. Raises as ``pull_image``."""
        ...

    async def remove_image(self, step: RemoveImage) -> None:
        """Nothing when it is gone, or when only others' tags are left on it. Raises RESOURCE_BUSY
        when it is in use."""
        ...

    async def create_container(self, step: CreateContainer) -> None: ...
    async def put_files(self, step: PutFiles) -> None: ...
    async def check_volumes(self, step: CheckVolumes) -> None: ...
    async def start_container(self, step: StartContainer) -> None: ...
    async def stop_container(self, step: StopContainer) -> None: ...
    async def unpause_container(self, step: UnpauseContainer) -> None: ...
    async def rename_container(self, step: RenameContainer) -> None: ...
    async def remove_container(self, step: RemoveContainer) -> None: ...
    async def update_container(self, step: UpdateContainer) -> None: ...

    # -- the running thing
    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> AsyncIterator[LogLine]: ...

    async def exec(
        self, container: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> ExecSession: ...

    async def usage(self, container: str) -> Usage | None: ...

    async def sample(self, containers: Sequence[Container]) -> Sampled:
        """Of those that run; who is gone, or cannot be read now, is not among what is found."""
        ...

    async def close(self) -> None: ...
