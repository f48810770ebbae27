"""What an engine said that it has, as immutable values, and what we found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from resources.labels import L_UID
from resources.making import Made, Process


@dataclass(frozen=True, slots=True)
class Limits:
    """nano_cpus: billionths of a core. memory, memory_swap: bytes (equal = no extra swap)."""

    nano_cpus: int
    memory: int
    pids: int
    memory_swap: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's place on a network. aliases is None when only listed, not inspected."""

    network_id: str
    address: str = ""
    aliases: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Container:
    """state: created, running, paused, restarting, removing, exited, dead.
    health: the engine's word, '' when it checks nothing: starting, healthy, unhealthy.
    limits, restart_policy, pid, exit details are None/default until inspected. pid: of its process,
    on the engine's machine. powers: what it may do on the host that no container of ours may
    (``privileged``, ``bind /etc``), sorted. made: None until inspected."""

    id: str
    name: str
    labels: Mapping[str, str]
    image: str
    image_id: str
    state: str
    health: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0
    pid: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    networks: tuple[Attachment, ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits | None = None
    restart_policy: str | None = None
    powers: tuple[str, ...] = ()
    made: Made | None = None
    inspected: bool = False

    @property
    def uid(self) -> str:
        return self.labels.get(L_UID, "")

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container's last process ended. tail: the last lines that it wrote."""

    at: datetime | None
    exit_code: int | None = None
    oom_killed: bool = False
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[str, ...] = ()
    internal: bool = False
    bridge: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    labels: Mapping[str, str]
    created_at: str = ""
    mountpoint: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """reference: what was asked for. digests, tags: under which the engine knows it. user: its
    USER. process: what it runs unless told otherwise; None: not known."""

    id: str
    reference: str
    digests: tuple[str, ...] = ()
    user: str = ""
    tags: tuple[str, ...] = ()
    process: Process | None = None

    @property
    def names(self) -> frozenset[str]:
        """All that it goes by."""
        return frozenset((*self.tags, *self.digests))


@dataclass(frozen=True, slots=True)
class Probe:
    """Our own health check from outside, for http and tcp. health: starting|healthy|unhealthy.
    since: when it last changed."""

    health: str
    since: datetime
    message: str = ""
