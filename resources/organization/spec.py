"""What an Organization declares: a tenant, its network, its limits, its defaults."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from resources.organization.security import GRANTABLE_CAPABILITIES, Profile, capability
from resources.quantity import Cpu, CpuLimit, Duration, MemoryLimit, Size
from resources.spec import Items, Line, Spec, worded

RETAIN_VOLUMES = 7 * 86400.0

_PRIVATE = tuple(
    ipaddress.IPv4Network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def _subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text, strict=True)
    except ValueError as error:
        raise ValueError(f"is not an IPv4 network like 10.20.30.0/24 ({error})") from None
    if not any(network.subnet_of(block) for block in _PRIVATE):
        raise ValueError("must lie in a private range (10/8, 172.16/12, 192.168/16, 100.64/10)")
    if not 16 <= network.prefixlen <= 29:
        raise ValueError("must have a prefix length from 16 to 29")
    return str(network)


Subnet = Annotated[
    str,
    StringConstraints(max_length=18),
    AfterValidator(_subnet),
    Field(json_schema_extra={"pattern": r"^[0-9.]+/(1[6-9]|2[0-9])$"}),
]
Capability = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(capability),
    Field(json_schema_extra={"enum": sorted(GRANTABLE_CAPABILITIES)}),
]
ImagePattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    *worded(
        r"^[-a-zA-Z0-9._/:@*?\[\]!]+$",
        "is not a pattern of image references like 'registry.example.com/acme/*'",
    ),
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Quota(Spec):
    """Limits over everything in the organization; what is absent is unlimited."""

    cpu: Cpu | None = Field(None, description="Cores over all services, like 4 or '500m'.")
    memory: Size | None = Field(None, description="Memory over all services, like '8Gi'.")
    storage: Size | None = Field(None, description="Sizes of all volumes together, like '100Gi'.")
    services: Count | None = Field(None, description="Number of services.")
    containers: Count | None = Field(None, description="Number of containers (replicas).")
    volumes: Count | None = Field(None, description="Number of volumes.")
    domains: Count | None = Field(None, description="Number of domains.")


class OrganizationNetwork(Spec):
    """The organization's own bridge; only its services are on it."""

    subnet: Subnet | None = Field(
        None,
        description="IPv4 network in CIDR form; absent: allocated from the platform's pool. "
        "Changing it reconnects every container.",
    )
    internal: bool = Field(False, description="true: no way out to other networks.")


class Security(Spec):
    """What services of the organization may ask for."""

    profile: Profile = Field(
        "baseline", description="restricted: non-root, no capability; baseline: usual."
    )
    allowed_images: Annotated[Items[ImagePattern], Field(max_length=1000)] = Field(
        (),
        description="Glob patterns of image references, like 'registry.example.com/acme/*'; "
        "empty: any image.",
    )
    allowed_capabilities: Annotated[Items[Capability], Field(max_length=64)] = Field(
        (), description="Capabilities beyond the profile's, like NET_ADMIN."
    )


class DefaultResources(Spec):
    """Limits of services that name none."""

    cpu: CpuLimit | None = Field(None, description="Cores per container, like 0.5 or '500m'.")
    memory: MemoryLimit | None = Field(None, description="Memory per container, like '256Mi'.")
    pids: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Processes and threads per container."
    )


class Defaults(Spec):
    """What holds for services that do not say otherwise."""

    resources: DefaultResources = Field(
        DefaultResources(), description="Limits per container; else 0.5, 256Mi, 256."
    )


class Deletion(Spec):
    """What is kept when things are deleted."""

    retain_volumes: Duration = Field(
        RETAIN_VOLUMES,
        description="How long a deleted Volume with deletionPolicy Expire is kept, like '7d'.",
    )


class Subscription(Spec):
    """Shown, never acted on."""

    status: Line | None = Field(None, description="The panel's word, like 'active'.")
    period_end: Line | None = Field(None, description="End of the paid period, as text.")


class Member(Spec):
    """Somebody of the organization."""

    user: Annotated[Line, Field(min_length=1)] = Field(description="The panel's id of the user.")
    role: Annotated[Line, Field(min_length=1)] = Field(
        "member", description="The panel's role, like 'owner', 'admin' or 'member'."
    )


class OrganizationSpec(Spec):
    """A tenant: its network, its limits, its defaults."""

    display_name: Line | None = Field(None, description="Name for people.")
    external_id: Annotated[Line, Field(min_length=1)] | None = Field(
        None, description="The panel's organizations.id; unique: who was accepted with it keeps it."
    )
    suspended: bool = Field(False, description="true: everything in it stops, nothing is deleted.")
    plan: Line | None = Field(None, description="Free text, quoted in quota messages.")
    quota: Quota = Field(Quota(), description="Limits over all in it; absent: unlimited.")
    network: OrganizationNetwork = Field(
        OrganizationNetwork(), description="The organization's own network."
    )
    security: Security = Field(Security(), description="What its services may ask for.")
    defaults: Defaults = Field(
        Defaults(), description="What holds for services that do not say otherwise."
    )
    deletion: Deletion = Field(Deletion(), description="What is kept when things are deleted.")
    subscription: Subscription | None = Field(
        None, description="Of the customer; shown, never acted on."
    )
    billing: dict[str, JsonValue] | None = Field(None, description="Free; shown, never acted on.")
    members: Annotated[Items[Member], Field(max_length=10_000)] = Field(
        (), description="Users and their roles."
    )

    def quotas(self) -> dict[str, int]:
        """The limits that are set: resource -> limit (nano cpus, bytes or a number)."""
        limits: dict[str, Any] = dict(self.quota)
        return {name: limit for name, limit in limits.items() if limit is not None}
