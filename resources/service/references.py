"""What a service refers to: which resources and which objects of the engine concern it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from resources.context import Context
from resources.effective import accepted, fallback
from resources.errors import UserError
from resources.memo import Memo
from resources.meta import Entry, Key
from resources.observed import Network
from resources.organization.network import organization_network
from resources.service import problems, secrets
from resources.service.spec import ServiceSpec
from resources.service.wanted import Wanted, fallback_wanted, wanted
from resources.world import Scope


def refs(key: Key, spec: ServiceSpec | None) -> tuple[Key, ...]:
    organization = Key("Organization", "", key.organization)
    if spec is None:
        return (organization,)
    volumes = dict.fromkeys(mount.volume for mount in spec.volumes)
    return (
        organization,
        *(Key("Volume", key.organization, name) for name in volumes),
        *(Key("Secret", key.organization, name) for name in spec.secrets),
        *(Key("Service", key.organization, n) for n in spec.depends_on if n != key.name),
    )


def unresolved(context: Context, spec: ServiceSpec) -> UserError | None:
    """The first volume or secret that is not there: without it no container can be made."""
    for index, mount in enumerate(spec.volumes):
        if context.ref("Volume", mount.volume) is None:
            place = f"spec.volumes[{index}].volume"
            return problems.missing(context, "Volume", mount.volume, place)
    return secrets.unresolved(context, spec)


def scope(entry: Entry, spec: Any, references: Mapping[Key, Entry | None]) -> Scope:
    """Our own containers; of others the organization's network, the volumes we mount, the images,
    and who has the names we want."""
    organization = references.get(Key("Organization", "", entry.key.organization))
    volumes: set[str] = set()
    images: set[str] = set()
    names: set[str] = set()
    for want in _wanted(entry, spec, references):
        volumes.update(want.volume_uids)
        images.add(want.spec.image)
        names.update(want.names)
        names.add(want.one_off_name)
    others = Scope(
        networks_of=frozenset((organization.resource.uid,) if organization is not None else ()),
        containers=frozenset(names),
        volumes=frozenset(volumes),
        images=frozenset(images),
    )
    own = frozenset((entry.resource.uid,))
    return Scope(containers_of=own, routes_of=own, others=others)


def _wanted(
    entry: Entry, spec: ServiceSpec | None, references: Mapping[Key, Entry | None]
) -> Iterable[Wanted]:
    """Of the declarations that may be in force: the newest, the last accepted one, and the one
    that a failed rollout goes back to."""
    if spec is None:
        return
    yield wanted(entry, spec, references)
    if entry.record.accepted_generation not in (None, entry.resource.generation):
        earlier: ServiceSpec | None = accepted(entry)
        if earlier is not None and earlier != spec:
            yield wanted(entry, earlier, references, role="earlier")
    before: ServiceSpec | None = fallback(entry)
    if before is not None:
        yield fallback_wanted(entry, before, references)


def network_of(context: Context) -> Network | None:
    """The organization's network, once it is there as wanted. The same for all its services."""
    organization = context.ref("Organization", context.key.organization)
    if organization is None:
        return None
    uid, instance = organization.resource.uid, context.platform.instance
    return _NETWORKS.get(
        uid,
        (organization, instance, context.world.networks_of(uid)),
        lambda: organization_network(organization, context.world, instance),
    )


_NETWORKS: Memo[Network | None] = Memo()
