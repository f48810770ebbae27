"""The shapes of HTTP: what OpenAPI shows and what ``skyctl`` reads.

Field names are camelCase as everywhere outside. These models are the edge: inside, the store's
and the planner's own types are used, and each model has one constructor from them in
``documents.py``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """camelCase outside, snake_case inside; unknown fields of a request are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid"
    )


class ErrorBody(Shape):
    """The contract's error, the whole body of every response that is not a success."""

    code: str
    message: str
    details: dict[str, Any] = {}
    suggestions: list[str] = []
    retryable: bool = False


class Metadata(Shape):
    name: str
    organization: str | None = None
    uid: str
    generation: int
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deletion_requested_at: datetime | None = None
    source: str
    owner: str | None = None
    created_by: str | None = None
    finalizers: list[str] = []

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What a resource does not have is not shown, as in a manifest."""
        return {name: value for name, value in handler(self).items() if value is not None}


class ResourceBody(Shape):
    """A resource as stored. ``status`` is null until the controller has looked at it."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: dict[str, Any]
    status: dict[str, Any] | None = None


class ResourceList(Shape):
    kind: str = "List"
    items: list[ResourceBody]


class ApplyRequest(Shape):
    """manifests: documents as in files. dryRun: validate and compare, write nothing."""

    manifests: list[Any] = Field(min_length=1, max_length=10_000)
    dry_run: bool = False


class ApplyResult(Shape):
    """index: of the document in the request. action: created, configured, unchanged, refused.
    kind and name are as written, as far as they could be read."""

    index: int
    kind: str = ""
    organization: str = ""
    name: str = ""
    action: str
    uid: str | None = None
    generation: int | None = None
    error: ErrorBody | None = None


class ApplyResponse(Shape):
    dry_run: bool
    results: list[ApplyResult]


class DiffRequest(Shape):
    manifests: list[Any] = Field(min_length=1, max_length=10_000)


class StepBody(Shape):
    """text: the one rendering that logs and events print too. drift: the field that somebody
    changed behind our back, when that is the cause."""

    verb: str
    target: str
    cause: str
    drift: str = ""
    destructive: bool
    text: str


class WaitBody(Shape):
    """seconds: looked at again then at the latest; null: when something changes."""

    reason: str
    seconds: float | None = None


class DriftBody(Shape):
    field: str
    cause: str


class PlanBody(Shape):
    """drift: what is left as it is (reported only, beyond us, or over already). resumed: what it
    would do if nobody paused it; null when nobody does."""

    kind: str
    organization: str
    name: str
    steps: list[StepBody]
    drift: list[DriftBody] = []
    wait: WaitBody | None = None
    problem: ErrorBody | None = None
    text: str
    resumed: list[StepBody] | None = None


class PlanList(Shape):
    plans: list[PlanBody]


class DifferenceBody(Shape):
    """action: create, configure, unchanged, delete, refused. changes: of the declaration. accepted:
    false when the row would be written and then not accepted, as the problem says."""

    kind: str
    organization: str = ""
    name: str = ""
    action: str
    changes: list[str] = []
    steps: list[StepBody] = []
    wait: WaitBody | None = None
    problem: ErrorBody | None = None
    text: str = ""
    error: ErrorBody | None = None
    accepted: bool = True


class DiffResponse(Shape):
    differences: list[DifferenceBody]


class EventBody(Shape):
    at: datetime | None
    first_at: datetime | None = None
    uid: str
    kind: str
    organization: str
    name: str
    type: str
    reason: str
    message: str
    count: int


class EventList(Shape):
    items: list[EventBody]


class RevisionBody(Shape):
    """changes: against the revision before, one line each. rollout: how it went: ready, failed,
    rolledBack, superseded, progressing; None when there was none."""

    generation: int
    at: datetime
    by: str | None
    accepted: bool
    current: bool
    rollout: str | None = None
    changes: list[str]
    spec: dict[str, Any]


class RevisionList(Shape):
    items: list[RevisionBody]


class TrafficBody(Shape):
    """Of a Domain, of the last so many seconds. requests: by the class of the code; failed: 5xx.
    within: seconds in which 50, 95 and 99 % were answered; absent where there were none."""

    seconds: float
    requests: dict[str, int]
    failed: int
    within: dict[str, float]


class Description(Shape):
    """traffic: of a Domain, where the proxies tell."""

    resource: ResourceBody
    events: list[EventBody]
    revisions: list[RevisionBody]
    traffic: TrafficBody | None = None


class Written(Shape):
    """What a change of one resource came to. action: configured or unchanged."""

    resource: ResourceBody
    action: str


class Deleted(Shape):
    kind: str
    organization: str
    name: str
    uid: str


class ScaleRequest(Shape):
    replicas: int = Field(ge=0, le=100)


class PauseRequest(Shape):
    reason: str = Field(default="paused by skyctl", min_length=1, max_length=500)


class UndoRequest(Shape):
    """generation: to go back to; null: the newest accepted one that differs from now."""

    generation: int | None = Field(default=None, ge=1)


class AdoptRequest(Shape):
    source: str = Field(min_length=1, max_length=200)


class HeldBody(Shape):
    """A batch of inferred deletions that waits for a person. total: what the source had."""

    id: str
    source: str
    items: list[str]
    total: int
    state: str
    at: datetime


class HeldList(Shape):
    items: list[HeldBody]


class RetainedBody(Shape):
    uid: str
    engine_name: str
    organization: str
    expires_at: datetime | None


class RetainedList(Shape):
    items: list[RetainedBody]


class UsageBody(Shape):
    """cpuRatio: of the limit. Sizes in bytes."""

    organization: str
    service: str
    ordinal: int
    container: str
    cpu_ratio: float
    memory: int
    memory_limit: int
    pids: int
    network_rx: int
    network_tx: int
    disk_read: int
    disk_write: int


class UsageList(Shape):
    items: list[UsageBody]


class EngineBody(Shape):
    id: str
    version: str
    api_version: str
    reach: str
    local: bool


class ControllerBody(Shape):
    """role: leader, standby or starting. reasons: why it is not ready. secrets: why what is sealed
    cannot be opened here; all else works."""

    version: str
    instance: str
    role: str
    ready: bool
    reasons: list[str]
    engine: EngineBody | None
    bound_engine: str | None
    secrets: ErrorBody | None = None


class SettingsBody(Shape):
    """given: names of those that were set by flags or environment. configured: of those that the
    CaasConfiguration says. values: by field, without what may be secret. database: its URL without
    the password; null: the embedded one. docker: DOCKER_* by which it finds the engine."""

    given: list[str]
    configured: list[str]
    values: dict[str, Any]
    database: str | None
    docker: dict[str, str]


class SealingKeyBody(Shape):
    """publicKey: base64 of an X25519 public key. usable: the controller that answers has the
    private half."""

    id: str
    public_key: str
    usable: bool


class EngineAdopted(Shape):
    engine: str | None
