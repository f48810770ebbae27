"""Steps. A step is one call (of the engine, or of the store) and says why.

Engine steps address existing objects by id and show their name; what an earlier step of the
same plan makes is addressed by name.

``drift`` names the field that somebody changed behind our back, when that is the cause
(`drift_total{kind,field}`); it is empty when the declaration changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from resources.container_spec import ContainerSpec, FileContent
from resources.observed import Limits
from resources.sealed import Login, SealedCredentials


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
