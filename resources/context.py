"""The whole input of a plan, gathered by observe: nothing else may influence a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.errors import UserError
from resources.host_firewall import HostFirewall
from resources.image_access import ImageAccess
from resources.installation import NOTHING, UNASKED, EngineStatus, InForce
from resources.labels import L_UID, is_ours
from resources.meta import Entry, Key
from resources.observed import Ending, Image
from resources.quota import Admission
from resources.routing.world import NO_INGRESS, Ingress, Requests
from resources.world import World


@dataclass(frozen=True, slots=True)
class Platform:
    """What holds for every resource.

    instance: our id, the ``io.skypanel.controller`` label. pool/prefix: where organizations'
    subnets are cut from. host_ports: allowed range or None. engine: capabilities the engine
    declared (e.g. 'inPlaceUpdate', 'execCheck'). reach: host | attached | none. sealing_keys: ids
    of the keys whose sealed values can be opened here. firewall: whether the host's listeners are
    closed to containers; None: nobody wants to know. image_policy: images are to be verified.
    ingress: the proxies.
    access: whose the engine's images are. configuration: what the controller runs by.
    engine_status: whether the engine answers. listeners: tcp ports of this host that we listen on
    ourselves, beside those of the proxies.
    """

    instance: str
    network_pool: str = "10.128.0.0/9"
    network_prefix: int = 24
    host_ports: tuple[int, int] | None = None
    engine: frozenset[str] = frozenset()
    reach: str = "host"
    sealing_keys: frozenset[str] = frozenset()
    firewall: HostFirewall | None = None
    image_policy: bool = False
    ingress: Ingress = NO_INGRESS
    access: ImageAccess = field(default_factory=ImageAccess)
    configuration: InForce = NOTHING
    engine_status: EngineStatus = UNASKED
    listeners: frozenset[int] = frozenset()

    @property
    def own_ports(self) -> frozenset[int]:
        """Of the host, tcp: no service's, whatever range is allowed."""
        return self.listeners | self.ingress.own_ports


@dataclass(frozen=True, slots=True)
class Retained:
    """A retained volume (one row of ``retained_volumes``). uid: the former resource's; its data
    is adopted under it. label_uid: the ``io.skypanel.uid`` on the engine ('': the same).
    purged_by: who asked for its end ('': nobody says who); None: nobody did."""

    uid: str
    engine_name: str
    organization: str
    expires_at: datetime | None
    label_uid: str = ""
    purged_by: str | None = None


@dataclass(frozen=True)
class Context:
    """entry: the row with its record. spec: the model of the *effective* generation (the newest
    if acceptable, else the last accepted; None when there is none). rejection: why the newest
    generation was refused as invalid. refs: what the spec refers to (None: does not exist).
    members: for an Organization, how many rows are still in it; undeleted: how many of them nobody
    has asked to delete (None: not known, any may be). world: only what ``scope`` asked for.
    admissions: for an Organization, by uid, what its members hold of the quota and wait for.
    subnet_offer: for an Organization without a reserved subnet, or whose reserved one something
    else took while it has no network, a free one.
    unreadable: for a Secret, what is wrong with the values that cannot be opened, by key. endings:
    by a container's id, how its process ended the last time. circle: how a Service depends on
    itself, by name. turn: may it begin to replace containers now? tag_digest: the digest that a
    Service's image has at its registry by now, '' when nobody knows. referrers: for a Service, the
    Domains that name it. rivals: who else names what only one may have (a Service's ports of
    the host, an Organization's external id), of any organization. requests: for a Service, what was
    counted during its newest rollout; None: it is not over, or nobody knows. held: for a Domain,
    the hostnames that its organization has proven.
    """

    entry: Entry
    spec: Any
    effective_generation: int
    refs: Mapping[Key, Entry | None]
    world: World
    platform: Platform
    now: datetime
    rejection: UserError | None = None
    members: int = 0
    undeleted: int | None = None
    subnet_offer: str | None = None
    retained: Mapping[str, Retained] = field(default_factory=dict)
    unreadable: Mapping[str, UserError] = field(default_factory=dict)
    endings: Mapping[str, Ending] = field(default_factory=dict)
    circle: tuple[str, ...] = ()
    turn: bool = True
    admissions: Mapping[str, Admission] = field(default_factory=dict)
    referrers: tuple[Entry, ...] = ()
    tag_digest: str = ""
    rivals: tuple[Entry, ...] = ()
    requests: Requests | None = None
    held: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        return self.entry.resource.key

    @property
    def uid(self) -> str:
        return self.entry.resource.uid

    @property
    def deleting(self) -> bool:
        return self.entry.resource.deleting

    @property
    def generation(self) -> int:
        return self.entry.resource.generation

    def ref(self, kind: str, name: str) -> Entry | None:
        """A referred resource of the same organization (the Organization itself by its name)."""
        organization = "" if kind == "Organization" else self.key.organization
        return self.refs.get(Key(kind, organization, name))

    def image(self, reference: str) -> Image | None:
        """What the engine has under that name, as far as this organization may know. (What
        ``world`` has may be another's.)"""
        found = self.world.image(reference)
        if found is None or not self.platform.access.shown(found, self.key.organization):
            return None
        return found

    def ours(self, labels: Mapping[str, str]) -> bool:
        """Does the object carry this controller's mark and this resource's uid?"""
        return is_ours(labels, self.platform.instance) and labels.get(L_UID) == self.uid
