"""What a container is made from: everything that the engine is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.observed import Limits, Mount
from resources.sealed import Sealed


@dataclass(frozen=True, slots=True)
class FileContent:
    """path: absolute, inside the container. mode: permission bits. sealed: what the content is,
    once it is opened."""

    path: str
    content: str
    mode: int = 0o444
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class PortBinding:
    """host_port None: exposed inside only."""

    container_port: int
    protocol: str = "tcp"
    host_port: int | None = None
    host_address: str = ""


@dataclass(frozen=True, slots=True)
class ExecCheck:
    """The engine's own health check. Durations in seconds."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container as the engine shall have it; engine-neutral, rendered by us alone.

    entrypoint/command None: the image's. mounts name engine volumes. volume_uids: engine volume
    name -> the ``io.skypanel.uid`` it must carry. stop_grace in seconds. restart: ``always``,
    ``onFailure``, ``never``. network: engine id. capabilities: those added after dropping all.
    sealed: further variables, whose values are opened when the container is made. users: further
    labels, whose value is made of these when it is: a line of basic authentication for each.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    network: str
    aliases: tuple[str, ...]
    limits: Limits
    restart: str = "always"
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_dir: str | None = None
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    sealed: Mapping[str, Sealed] = field(default_factory=dict)
    ports: tuple[PortBinding, ...] = ()
    mounts: tuple[Mount, ...] = ()
    volume_uids: Mapping[str, str] = field(default_factory=dict)
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    shm_size: int | None = None
    files: tuple[FileContent, ...] = ()
    check: ExecCheck | None = None
    stop_signal: str | None = None
    stop_grace: int = 10
    capabilities: tuple[str, ...] = ()
    read_only_root: bool = False
    hostname: str = ""
    users: Mapping[str, tuple[Sealed, ...]] = field(default_factory=dict)
