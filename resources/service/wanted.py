"""What a declaration of a service wants, with everything it refers to resolved.

Computed once per declaration and then remembered: a pass over an unchanged service compares
identities and renders nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from resources.domain.container_labels import NOTHING, ContainerLabels
from resources.memo import Memo
from resources.meta import ANNOTATION_RESTARTED_AT, Entry, Key
from resources.naming import VolumeIdentity, container_name, volume_identity
from resources.observed import Limits, Mount
from resources.sealed import Sealed
from resources.service.capabilities import requested
from resources.service.revision import Resolved, RevisionLabels, revision
from resources.service.secrets import values
from resources.service.spec import ServiceSpec
from resources.service.tenancy import Tenancy, tenancy

Role = Literal["newest", "earlier", "fallback"]

PRE_DEPLOY = "preDeploy"
"""The role label of one-off containers."""


@dataclass(frozen=True)
class Wanted:
    """grace: whole seconds. volumes: by the Volume's name, only those that exist. mounts name
    engine volumes. names: of the replicas' containers, by ordinal. secrets: the sealed values that
    containers are made with, by Secret and key; only those that are in force. routes: what they
    carry of its Domains."""

    key: Key
    uid: str
    spec: ServiceSpec
    tenancy: Tenancy
    restarted_at: str
    revision: RevisionLabels
    limits: Limits
    grace: int
    volumes: Mapping[str, VolumeIdentity]
    mounts: tuple[Mount, ...]
    volume_uids: Mapping[str, str]
    names: tuple[str, ...]
    one_off_name: str
    secrets: Mapping[tuple[str, str], Sealed]
    routes: ContainerLabels = NOTHING
    rendered: dict[int, tuple[Any, Any]] = field(default_factory=dict, compare=False, repr=False)
    """Replicas rendered so far, by ordinal (see ``container.remembered``)."""

    def name(self, ordinal: int) -> str:
        """Of that replica's container; there may be one beyond those that are declared."""
        if ordinal < len(self.names):
            return self.names[ordinal]
        return container_name(self.key.organization, self.key.name, ordinal, self.revision.label)


def wanted(
    entry: Entry,
    spec: ServiceSpec,
    refs: Mapping[Key, Entry | None],
    *,
    role: Role = "newest",
    restarted_at: str | None = None,
    routes: ContainerLabels = NOTHING,
) -> Wanted:
    """An organization that does not exist counts as one that decides nothing. role: which of the
    resource's specs it is (remembered apart, several are looked at in one pass). restarted_at:
    the restart that it was asked for, when it is not the one that is asked for now."""
    resource = entry.resource
    organization = refs.get(Key("Organization", "", resource.key.organization))
    inputs = (
        resource.key,
        spec,
        tenancy(organization) if organization is not None else Tenancy(),
        _volumes(resource.key, spec, refs),
        values(resource.key, spec, refs),
        _restarted_at(entry) if restarted_at is None else restarted_at,
        routes,
    )
    return _MEMO.get((resource.uid, role), inputs, lambda: _resolve(resource.uid, *inputs))


def _restarted_at(entry: Entry) -> str:
    """As asked for now. Only a new value rolls: one that was taken away stays in force."""
    asked = entry.resource.annotations.get(ANNOTATION_RESTARTED_AT, "")
    return asked or entry.record.ready_restarted_at or ""


def fallback_wanted(
    entry: Entry,
    spec: ServiceSpec,
    refs: Mapping[Key, Entry | None],
    routes: ContainerLabels = NOTHING,
) -> Wanted:
    """What a failed rollout goes back to, with the restart that it had been asked for then."""
    restarted_at = entry.record.ready_restarted_at
    return wanted(entry, spec, refs, role="fallback", restarted_at=restarted_at, routes=routes)


def _volumes(
    key: Key, spec: ServiceSpec, refs: Mapping[Key, Entry | None]
) -> tuple[tuple[str, VolumeIdentity], ...]:
    if not spec.volumes:
        return ()
    names = sorted({mount.volume for mount in spec.volumes})
    entries = ((name, refs.get(Key("Volume", key.organization, name))) for name in names)
    return tuple((name, volume_identity(entry)) for name, entry in entries if entry is not None)


def _resolve(
    uid: str,
    key: Key,
    spec: ServiceSpec,
    tenancy: Tenancy,
    volumes: tuple[tuple[str, VolumeIdentity], ...],
    secrets: tuple[Sealed, ...],
    restarted_at: str,
    routes: ContainerLabels,
) -> Wanted:
    identities = dict(volumes)
    capabilities = requested(spec, tenancy)
    resolved = Resolved(
        volumes, restarted_at, tenancy.profile, capabilities, secrets, routes.revision
    )
    label = (its := revision(spec, resolved)).label
    return Wanted(
        key=key,
        uid=uid,
        spec=spec,
        tenancy=tenancy,
        restarted_at=restarted_at,
        revision=its,
        limits=tenancy.limits(spec.resources),
        grace=math.ceil(spec.grace),
        volumes=identities,
        mounts=tuple(
            Mount(identities[m.volume].engine_name, m.mount_path, m.read_only)
            for m in spec.volumes
            if m.volume in identities
        ),
        volume_uids={identity.engine_name: identity.uid for identity in identities.values()},
        names=tuple(
            container_name(key.organization, key.name, ordinal, label)
            for ordinal in range(spec.replicas)
        ),
        one_off_name=container_name(key.organization, key.name, "predeploy", label),
        secrets={(value.secret, value.key): value for value in secrets},
        routes=routes,
    )


_MEMO: Memo[Wanted] = Memo()
