"""Organization: a tenant, its own network, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.meta import Entry, Key
from resources.naming import network_name
from resources.organization.network import organization_network
from resources.organization.plan import plan
from resources.organization.spec import OrganizationSpec
from resources.organization.status import status
from resources.registry import Kind
from resources.world import Scope

__all__ = ["ORGANIZATION", "OrganizationSpec", "organization_network"]


def _refs(_key: Key, _spec: Any) -> tuple[Key, ...]:
    return ()


def _scope(entry: Entry, _spec: Any, _refs: Mapping[Key, Entry | None]) -> Scope:
    uid = entry.resource.uid
    return Scope(
        uids=frozenset({uid}),
        networks=frozenset({network_name(entry.resource.key.name, uid)}),
        attached=frozenset({uid}),
    )


ORGANIZATION = Kind(
    name="Organization",
    plural="Organizations",
    short="org",
    namespaced=False,
    model=OrganizationSpec,
    refs=_refs,
    scope=_scope,
    plan=plan,
    status=status,
    summary="A tenant: its network, its limits, its defaults.",
)
