"""Identity of a resource, and what the store knows about it.

A ``Key`` is what the queue carries and what people type. The ``uid`` is the identity: a
resource deleted and made again under the same key has another one. ``Entry`` is one consistent
reading of everything the store holds for a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from resources.quota import Admission

API_VERSION = "skypanel.io/v1"
FINALIZER = "skypanel.io/engine"

ANNOTATION_RESTARTED_AT = "skypanel.io/restartedAt"
ANNOTATION_PAUSED = "skypanel.io/paused"
ANNOTATION_PROTECT = "skypanel.io/protect"


def heeded(annotations: Mapping[str, str], name: str) -> str | None:
    """What one that switches something on says; None when it is off: absent, '' or ``false``."""
    value = annotations.get(name, "")
    return None if value in ("", "false") else value


class Key(NamedTuple):
    """``organization`` is ``''`` for kinds that have none."""

    kind: str
    organization: str
    name: str

    def __str__(self) -> str:
        """As in NOTIFY payloads: ``Service/acme/web``, ``Organization//acme``."""
        return f"{self.kind}/{self.organization}/{self.name}"

    @property
    def short(self) -> str:
        """As people write it, the organization apart: ``Service/web``."""
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Inverse of ``str``. Raises ValueError."""
        kind, organization, name = text.split("/")
        return cls(kind, organization, name)


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of ``skyctl.resources``. ``spec`` is raw JSON, perhaps invalid. applied_annotations:
    the names, of those that the controller heeds, which the last applied manifest had set."""

    key: Key
    uid: str
    spec: Mapping[str, Any]
    generation: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    source: str = "sql"
    owner: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deletion_requested_at: datetime | None = None
    finalizers: tuple[str, ...] = ()
    api_version: str = API_VERSION
    applied_annotations: tuple[str, ...] = ()

    @property
    def deleting(self) -> bool:
        return self.deletion_requested_at is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A document as its author wrote it (validated for shape, not yet for meaning). removed:
    annotations written as null, to be taken away whoever set them."""

    key: Key
    spec: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    api_version: str = API_VERSION
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rollout:
    """One row of ``skyctl.rollouts``: what the world cannot say about a generation.

    outcome: '' while it runs, else ``ready``, ``failed`` (not tried again until the spec changes
    or a restart is asked for), ``rolledBack`` (failed, and the generation that was Ready before is
    in its place again) or ``superseded``. failure: the error of one that failed, in its shape.
    """

    generation: int
    started_at: datetime
    revision: str = ""
    ready_at: datetime | None = None
    outcome: str = ""
    reason: str = ""
    failure: Mapping[str, Any] | None = None

    @property
    def failed(self) -> bool:
        return self.outcome in ("failed", "rolledBack")


@dataclass(frozen=True, slots=True)
class HostnameClaim:
    """One row of ``domain_claims``. conflict: '' while it holds, else as ``hostname_claims.decide``
    says."""

    hostname: str
    path: str = ""
    verified: bool = False
    conflict: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What the store remembers beside spec and status. Written before the step relying on it.

    accepted_generation/accepted_spec: the newest revision that was accepted.
    ready_generation: the newest that was Ready; ready_restarted_at: the restart that it had been
    asked for by then (None: not known). ready_spec: its spec, to go back to; known only while the
    rollout has failed. rollout: of the newest generation tried.
    subnet: an Organization's reserved network, CIDR. volume_created: the engine volume of this
    Volume once existed, so its absence is a loss and never a reason to make an empty one.
    volume_name/volume_label_uid: its engine name and the uid label it carries (another
    resource's when adopted; None: this resource's own).
    predeploy: generation -> exit status text of a finished preDeploy.
    admission: what it holds of its organization's quota, and what it waits for. hostnames: what a
    Domain claims.
    """

    accepted_generation: int | None = None
    accepted_spec: Mapping[str, Any] | None = None
    ready_generation: int | None = None
    ready_spec: Mapping[str, Any] | None = None
    ready_restarted_at: str | None = None
    rollout: Rollout | None = None
    subnet: str | None = None
    volume_created: bool = False
    volume_name: str | None = None
    volume_label_uid: str | None = None
    predeploy: Mapping[int, str] = field(default_factory=dict)
    admission: Admission | None = None
    hostnames: tuple[HostnameClaim, ...] = ()

    @property
    def fallback(self) -> Mapping[str, Any] | None:
        """The spec that a failed rollout goes back to, None when none failed or none was Ready."""
        failed = self.rollout is not None and self.rollout.failed
        return self.ready_spec if failed else None


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything the store holds for one key, read at once."""

    resource: Resource
    record: Record = Record()
    status: Mapping[str, Any] | None = None
    observed_generation: int | None = None

    @property
    def key(self) -> Key:
        return self.resource.key
