"""What a Service declares: an image that runs in some replicas, and how.

Everything here reaches the engine only through ``container.py``; no field names a host path, a
device, a namespace, a privileged flag or a label. What holds across fields is in ``rules.py``.
``type: database`` changes defaults (grace, order), never what a written value means.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from resources.organization.spec import Capability
from resources.quantity import (
    MI,
    CheckInterval,
    CheckTimeout,
    CpuLimit,
    Duration,
    MemoryLimit,
    Period,
    Size,
    StorageSize,
)
from resources.service.rules import check
from resources.service.values import (
    Arguments,
    Command,
    EnvironmentName,
    EnvironmentValue,
    FileMode,
    HeaderName,
    HeaderValue,
    HostAddress,
    HttpPath,
    ImageReference,
    InsidePath,
    Signal,
    User,
)
from resources.spec import AbsolutePath, DnsLabel, Items, PortNumber, SecretKey, SecretRef, Spec

MAX_REPLICAS = 100
GRACE = {"app": 10.0, "database": 60.0}


class ConfigFile(Spec):
    """A file placed into the container before it starts."""

    path: InsidePath = Field(description="Where, as an absolute path inside the container.")
    content: str | None = Field(None, description="The text itself; or secret and key.")
    secret: DnsLabel | None = Field(None, description="Name of a Secret that holds the content.")
    key: SecretKey | None = Field(None, description="Key within that Secret.")
    mode: FileMode = Field(0o444, description='Permission bits as text, like "0644".')


class Port(Spec):
    """A port that the service listens on."""

    name: DnsLabel | None = Field(None, description="Name for people and for routes.")
    container_port: PortNumber = Field(description="Port inside the container, 1..65535.")
    protocol: Literal["tcp", "udp"] = Field("tcp", description="tcp or udp.")
    host_port: PortNumber | None = Field(
        None, description="Port of the host to publish it on, where the platform allows it."
    )
    host_address: HostAddress | None = Field(
        None, description="Address of the host to publish on; absent: all."
    )


class VolumeMount(Spec):
    """A Volume of the organization, mounted into every replica."""

    volume: DnsLabel = Field(description="Name of a Volume of the same organization.")
    mount_path: InsidePath = Field(description="Where, as an absolute path in the container.")
    read_only: bool = Field(False, description="true: the container cannot write to it.")


class Tmpfs(Spec):
    """A directory in memory; it counts towards the memory limit."""

    mount_path: InsidePath = Field(description="Where, as an absolute path in the container.")
    size: StorageSize = Field(64 * MI, description="How much it may hold, like '64Mi'.")


class Resources(Spec):
    """Limits of each container; what is absent comes from the organization's defaults."""

    cpu: CpuLimit | None = Field(None, description="Cores, like 0.5 or '500m'.")
    memory: MemoryLimit | None = Field(None, description="Memory, like '256Mi'; no swap beside.")
    pids: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Processes and threads."
    )


class HttpCheck(Spec):
    """Healthy when a GET is answered with 2xx or 3xx."""

    path: HttpPath = Field("/", description="Path to ask for.")
    port: PortNumber = Field(description="Port inside the container.")
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=32)] = Field(
        {}, description="Headers to send along."
    )


class TcpCheck(Spec):
    """Healthy when the port accepts a connection."""

    port: PortNumber = Field(description="Port inside the container.")


class HealthCheck(Spec):
    """How to tell that a replica is able to serve: one of exec, http, tcp."""

    exec: Command | None = Field(None, description="Command inside the container; 0 is healthy.")
    http: HttpCheck | None = Field(None, description="Asked from outside the container.")
    tcp: TcpCheck | None = Field(None, description="Connected to from outside the container.")
    interval: CheckInterval = Field(
        5.0, description="Time between two checks, like '5s'; 1s to 1h."
    )
    timeout: CheckTimeout = Field(
        5.0, description="How long one check may take, like '5s'; 60s at most."
    )
    retries: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Failures in a row that make it unhealthy."
    )
    start_period: Duration = Field(
        30.0, description="Time after the start in which failures do not count, like '30s'."
    )
    patience: Period = Field(
        300.0, description="Unhealthy for that long, a replica is replaced, like '5m'."
    )

    @property
    def from_outside(self) -> bool:
        """Probed by us over the network, not by the engine."""
        return self.exec is None


class Update(Spec):
    """How a changed declaration reaches the replicas."""

    order: Literal["auto", "startFirst", "stopFirst"] = Field(
        "auto",
        description="startFirst: the new replica is proven before the old one goes; stopFirst: "
        "the old one goes first; auto: stopFirst where a writable volume or a host port is used.",
    )
    parallelism: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] = Field(
        1, description="Replicas replaced at once."
    )
    min_ready: Duration = Field(
        0.0, description="How long a new replica must be ready to count, like '10s'."
    )
    progress_deadline: Period = Field(
        300.0, description="A new replica not ready for that long fails the rollout, like '5m'."
    )
    drain: Duration = Field(
        30.0, description="How long an old replica may finish its connections, like '30s'."
    )
    on_failure: Literal["rollback", "pause"] = Field(
        "rollback", description="What happens when a rollout fails."
    )


class Restart(Spec):
    """What happens when the process ends; done by the engine itself."""

    policy: Literal["always", "onFailure", "never"] = Field(
        "always", description="always, onFailure (exit code other than 0), or never."
    )


class PreDeploy(Spec):
    """A one-off container with the new image before a rollout; failing stops the rollout."""

    command: Command = Field(description="The command and its arguments.")
    timeout: Period = Field(300.0, description="How long it may take, like '5m'.")


class ServiceSpec(Spec):
    """An image that runs in some replicas, and how."""

    type: Literal["app", "database"] = Field(
        "app",
        description="database: one replica, stopFirst, 60s grace, a writable volume required.",
    )
    image: ImageReference = Field(description="Image reference, like 'nginx:1.27'.")
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        "IfNotPresent", description="When the image is pulled."
    )
    image_pull_secret: DnsLabel | None = Field(
        None,
        description="Name of a Secret with the registry's username and password, under these keys.",
    )
    state: Literal["running", "stopped"] = Field(
        "running", description="stopped: containers are kept but do not run."
    )
    replicas: Annotated[int, Field(ge=0, le=MAX_REPLICAS)] = Field(
        1, description="Number of containers, 0..100."
    )
    command: Command | None = Field(None, description="Replaces the image's entrypoint.")
    args: Arguments | None = Field(None, description="Replaces the image's command.")
    working_dir: AbsolutePath | None = Field(None, description="Working directory; else image's.")
    user: User | None = Field(
        None, description="User and group, like '1000', '1000:1000'; else the image's."
    )
    environment: Annotated[dict[EnvironmentName, EnvironmentValue], Field(max_length=1000)] = Field(
        {}, description="Variables: text, number, boolean, or {secret, key}."
    )
    files: Annotated[Items[ConfigFile], Field(max_length=100)] = Field(
        (), description="Files placed into the container before it starts."
    )
    ports: Annotated[Items[Port], Field(max_length=100)] = Field(
        (), description="Ports that it listens on."
    )
    volumes: Annotated[Items[VolumeMount], Field(max_length=50)] = Field(
        (), description="Volumes mounted into every replica."
    )
    tmpfs: Annotated[Items[Tmpfs], Field(max_length=50)] = Field(
        (), description="Directories in memory."
    )
    shm_size: Size | None = Field(None, description="Size of /dev/shm, like '64Mi'.")
    resources: Resources = Field(Resources(), description="Limits of each container.")
    health_check: HealthCheck | None = Field(None, description="Absent: running is healthy.")
    update: Update = Field(Update(), description="How changes reach the replicas.")
    restart: Restart = Field(Restart(), description="What happens when the process ends.")
    termination_grace_period: Annotated[Duration, Field(le=3600)] | None = Field(
        None,
        description="Time between the stop signal and the kill; absent: 10s, databases 60s.",
    )
    stop_signal: Signal | None = Field(None, description="Signal that asks it to end.")
    depends_on: Annotated[Items[DnsLabel], Field(max_length=50)] = Field(
        (), description="Services of the organization that must be Ready first."
    )
    pre_deploy: PreDeploy | None = Field(
        None, description="A one-off command with the new image before a rollout."
    )
    read_only_root_filesystem: bool = Field(
        False, description="true: only volumes and tmpfs can be written."
    )
    capabilities: Annotated[Items[Capability], Field(max_length=32)] = Field(
        (), description="Kernel capabilities beside the usual, within the organization's profile."
    )
    drift_policy: Literal["heal", "report"] = Field(
        "heal", description="report: changes made behind our back are shown, not undone."
    )

    @model_validator(mode="after")
    def _rules(self) -> Self:
        check(self)
        return self

    @cached_property
    def grace(self) -> float:
        """Seconds between the stop signal and the kill."""
        given = self.termination_grace_period
        return GRACE[self.type] if given is None else given

    @cached_property
    def writes_volume(self) -> bool:
        return any(not mount.read_only for mount in self.volumes)

    @cached_property
    def publishes(self) -> bool:
        """A host port can be held by one container at a time."""
        return any(port.host_port is not None for port in self.ports)

    @cached_property
    def start_first(self) -> bool:
        """The order in force. stopFirst also where the declared one cannot work."""
        if self.type == "database" or self.publishes:
            return False
        if self.update.order == "auto":
            return not self.writes_volume
        return self.update.order == "startFirst"

    @cached_property
    def secret_values(self) -> tuple[SecretRef, ...]:
        """What its containers are made with, each once, sorted."""
        used = {(v.secret, v.key): v for v in self.environment.values() if isinstance(v, SecretRef)}
        for file in self.files:
            if file.secret is not None and file.key is not None:
                used[file.secret, file.key] = SecretRef(secret=file.secret, key=file.key)
        return tuple(used[name] for name in sorted(used))

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Names of the Secrets it refers to, sorted."""
        names = [v.secret for v in self.environment.values() if isinstance(v, SecretRef)]
        names += [file.secret for file in self.files if file.secret is not None]
        if self.image_pull_secret is not None:
            names.append(self.image_pull_secret)
        return tuple(sorted(set(names)))
