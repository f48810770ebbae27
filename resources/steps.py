"""Steps. A step is one call (of the engine, or of the store) and says why.

Engine steps address existing objects by id and show their name; what an earlier step of the
same plan makes is addressed by name.

``drift`` names the field that somebody changed behind our back, when that is the cause
(`drift_total{kind,field}`); it is empty when the declaration changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from resources.quota import Claims, Terms, described
from resources.sealed import Login, Sealed, SealedCredentials
from resources.world import Limits, Mount


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Base of all steps. verb is the class name; target is what it acts on, for people."""

    cause: str
    drift: str = ""
    destructive: ClassVar[bool] = False

    @property
    def target(self) -> str:
        raise NotImplementedError

    def render(self) -> str:
        drift = f" [drift: {self.drift}]" if self.drift else ""
        return f"{type(self).__name__} {self.target} ({self.cause}){drift}"


# ---------------------------------------------------------------- engine steps


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep(Step):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork(EngineStep):
    name: str
    labels: Mapping[str, str]
    subnet: str
    internal: bool
    bridge: str

    @property
    def target(self) -> str:
        return f"{self.name} {self.subnet}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork(EngineStep):
    destructive: ClassVar[bool] = True
    id: str
    name: str

    @property
    def target(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectNetwork(EngineStep):
    network: str
    network_name: str
    container: str
    container_name: str
    aliases: tuple[str, ...]

    @property
    def target(self) -> str:
        return f"{self.container_name} to {self.network_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectNetwork(EngineStep):
    destructive: ClassVar[bool] = True
    network: str
    network_name: str
    container: str
    container_name: str

    @property
    def target(self) -> str:
        return f"{self.container_name} from {self.network_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume(EngineStep):
    name: str
    labels: Mapping[str, str]
    size: int | None = None

    @property
    def target(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume(EngineStep):
    """Removes data. uid, instance: the labels (whose data, whose controller's) that the volume must
    still carry when it goes."""

    destructive: ClassVar[bool] = True
    name: str
    uid: str
    instance: str

    @property
    def target(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage(EngineStep):
    """credentials: what its registry is told, as yet sealed; login: the same, opened, in the copy
    that goes to the engine. Both None: nothing is told."""

    reference: str
    credentials: SealedCredentials | None = None
    login: Login | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two pulls one: the image, and on whose word the registry gives it."""
        told = self.credentials
        if told is None:
            return (self.reference,)
        return (self.reference, told.organization, told.secret, told.fingerprint)

    @property
    def target(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyImage(EngineStep):
    """The image policy is asked whether containers of that image may be made. Raises
    IMAGE_POLICY_DENIED."""

    reference: str
    organization: str
    service: str

    @property
    def target(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage(EngineStep):
    """Pulled by us under that reference, and in use nowhere."""

    destructive: ClassVar[bool] = True
    reference: str
    id: str

    @property
    def target(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer(EngineStep):
    spec: ContainerSpec

    @property
    def target(self) -> str:
        return self.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFiles(EngineStep):
    container: str
    container_name: str
    files: tuple[FileContent, ...]

    @property
    def target(self) -> str:
        return f"{self.container_name} {', '.join(f.path for f in self.files)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVolumes(EngineStep):
    """Fails with STORAGE_VOLUME_LOST when a mounted volume lacks its uid label: the engine
    silently makes a missing volume when it creates a container."""

    container: str
    container_name: str
    volume_uids: Mapping[str, str]

    @property
    def target(self) -> str:
        return f"{self.container_name} {', '.join(sorted(self.volume_uids))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStep(EngineStep):
    """container: id, or name when made by an earlier step of the plan."""

    container: str
    container_name: str

    @property
    def target(self) -> str:
        return self.container_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer(ContainerStep):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseContainer(ContainerStep):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameContainer(ContainerStep):
    """Back to the name that it was made with. name: that one."""

    name: str

    @property
    def target(self) -> str:
        return f"{self.container_name} to {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer(ContainerStep):
    """grace: seconds between the stop signal and SIGKILL."""

    destructive: ClassVar[bool] = True
    grace: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer(ContainerStep):
    """Forced: also a running container goes. Anonymous volumes of it go with it, named stay."""

    destructive: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContainer(ContainerStep):
    """Limits and restart policy in place; None leaves as it is."""

    limits: Limits | None = None
    restart: str | None = None


# ---------------------------------------------------------------- store steps
# Consecutive store steps are written in one transaction.


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStep(Step):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(StoreStep):
    """The generation is accepted; the finalizer is put on the row before any side effect.

    claims: recorded along, where terms set no limit to them. Raises RESOURCE_CONFLICT (retryable)
    when the organization's row is not of the terms' generation any more. None: nothing is to be
    recorded, or it has been (``Claim``)."""

    generation: int
    claims: Claims | None = None
    terms: Terms | None = None

    @property
    def target(self) -> str:
        return f"generation {self.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealInbox(StoreStep):
    """What waits in the inbox for these keys of a Secret is sealed, and the inbox emptied."""

    keys: tuple[str, ...]

    @property
    def target(self) -> str:
        return ", ".join(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(StoreStep):
    """Asks for a share of the organization's quota: granted at once, or written down as waiting.
    Decided in one transaction at a time for each organization, together with whoever waits.
    Raises RESOURCE_CONFLICT (retryable) when the terms are outdated, or while claims of others
    have never been recorded."""

    generation: int
    claims: Claims
    terms: Terms

    @property
    def target(self) -> str:
        return described(self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(StoreStep):
    """What it holds is this from now on, without asking: less than before, or what runs already
    and was never counted."""

    generation: int
    claims: Claims

    @property
    def target(self) -> str:
        return described(self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(StoreStep):
    """An Organization's: whoever waits in it and fits now is let in, in order. Raises as
    ``Claim``."""

    terms: Terms

    @property
    def target(self) -> str:
        return f"quota of {self.terms.organization}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRollout(StoreStep):
    generation: int
    revision: str

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRollout(StoreStep):
    """outcome: ready | failed | rolledBack | superseded. restarted_at: of what is ready, the
    restart that it was asked for. failure: of what failed, the error in its shape. told: what the
    event says beside the step, like the last lines of a crash."""

    generation: int
    outcome: str
    reason: str = ""
    restarted_at: str = ""
    failure: Mapping[str, Any] | None = None
    told: str = ""

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.outcome}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPreDeploy(StoreStep):
    """result: 'succeeded' or a failure's text."""

    generation: int
    result: str

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.result}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveSubnet(StoreStep):
    """Raises RESOURCE_CONFLICT (retryable) when another organization was faster."""

    subnet: str

    @property
    def target(self) -> str:
        return self.subnet


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVolume(StoreStep):
    """From here on the absence of this engine volume is a loss."""

    engine_name: str

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainVolume(StoreStep):
    """The row goes, the data stays. seconds: None until ``skyctl purge``, else the window.
    label_uid: the uid that the engine's volume carries."""

    engine_name: str
    seconds: float | None
    label_uid: str = ""

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptVolume(StoreStep):
    """Takes a retained volume's data over to this resource. retained_uid: of the former one,
    whose row in ``retained_volumes`` goes (RESOURCE_CONFLICT when it is gone already).
    label_uid: the uid that the engine's volume carries, kept in the record."""

    engine_name: str
    retained_uid: str
    label_uid: str = ""

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDeletion(StoreStep):
    """Of everything in the organization, in one statement."""

    organization: str

    @property
    def target(self) -> str:
        return f"everything in {self.organization}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize(StoreStep):
    """Nothing of it is left on the engine: the row goes."""

    destructive: ClassVar[bool] = True

    @property
    def target(self) -> str:
        return "row"
