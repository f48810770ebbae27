"""What was last fully in force, kept in the status: it tells a changed declaration from drift.

Some things change in place without leaving a trace in the world: limits, the restart policy, the
organization's network. When a container differs from what is wanted, and what is wanted is what
was in force already, then somebody else changed the container.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.container_spec import ContainerSpec
from resources.quantity import format_cpu, format_size

_FACTS = {"networks": "network"}


def describe(spec: ContainerSpec) -> dict[str, Any]:
    """As it stands in ``status.inForce``."""
    return {
        "cpu": format_cpu(spec.limits.nano_cpus),
        "memory": format_size(spec.limits.memory),
        "pids": spec.limits.pids,
        "restart": spec.restart,
        "network": spec.network,
    }


def was(status: Mapping[str, Any] | None, field: str, spec: ContainerSpec) -> bool:
    """Was this field (a difference's) in force as it is wanted now?"""
    before = (status or {}).get("inForce") or {}
    name = _FACTS.get(field, field)
    wanted = describe(spec)
    return name not in wanted or before.get(name) == wanted[name]
