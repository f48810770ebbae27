"""Declarations for end-to-end tests, and what the engine shows of them."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.e2e.harness import Docker, Program, until


def organization(name: str, **spec: Any) -> str:
    return insert("Organization", "", name, spec)


def service(organization: str, name: str, image: str, **spec: Any) -> str:
    limits = {"cpu": "50m", "memory": "16Mi", "pids": 32}
    whole = {
        "image": image,
        "imagePullPolicy": "Never",
        "resources": limits,
        "terminationGracePeriod": "1s",
        **spec,
    }
    return insert("Service", organization, name, whole)


def volume(organization: str, name: str, **spec: Any) -> str:
    return insert("Volume", organization, name, {"size": "10Mi", **spec})


def insert(kind: str, organization: str, name: str, spec: Any) -> str:
    """As the contract writes it."""
    body = json.dumps(spec).replace("'", "''")
    return (
        "INSERT INTO skyctl.resources (kind, organization, name, spec) "
        f"VALUES ('{kind}', '{organization}', '{name}', '{body}') "
        "ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec"
    )


def delete(kind: str, organization: str, name: str) -> str:
    return (
        f"DELETE FROM skyctl.resources WHERE kind = '{kind}' "
        f"AND organization = '{organization}' AND name = '{name}'"
    )


def settled(program: Program, kind: str = "%") -> bool:
    """Every row of the kind is observed at its newest generation and Ready."""
    rows = program.sql(
        "SELECT kind, name, phase, ready, settled, message FROM skyctl.resource_view "
        f"WHERE kind LIKE '{kind}' AND NOT (settled AND ready = 'True')"
    )
    return not rows


SOON = 300.0 if os.environ.get("SKYCTL_TORTURE") else 60.0
"""Seconds in which a fleet of this size converges."""


def converge(program: Program, seconds: float = SOON) -> None:
    """Until everything is settled and Ready; else what is not, and the log's end."""
    try:
        until(lambda: settled(program), seconds=seconds, every=0.1)
    except AssertionError as error:
        raise AssertionError(f"{unsettled(program)}\n{program.log[-3000:]}") from error


def unsettled(program: Program) -> list[tuple[Any, ...]]:
    rows = program.sql(
        "SELECT kind, organization, name, phase, ready, settled, message "
        "FROM skyctl.resource_view WHERE NOT (settled AND ready = 'True')"
    )
    return [tuple(row) for row in rows]


def state(program: Program, docker: Docker) -> dict[str, Any]:
    """The engine's objects of this controller, without ids and times: what two runs must agree
    on."""
    containers = docker.containers(program.label)
    return {
        "containers": sorted(
            (
                c["Names"][0].lstrip("/"),
                c["State"],
                c["Image"],
                c["Labels"]["io.skypanel.name"],
                c["Labels"].get("io.skypanel.ordinal", ""),
                tuple(sorted(m["Destination"] for m in c["Mounts"])),
            )
            for c in containers
        ),
        "networks": sorted(n["Labels"]["io.skypanel.name"] for n in docker.networks(program.label)),
        "volumes": sorted(v["Labels"]["io.skypanel.name"] for v in docker.volumes(program.label)),
    }


def writes(program: Program) -> float:
    """Changing engine calls so far, by the metrics."""
    return sum(
        value
        for name, value in program.metrics().items()
        if name.startswith("skyctl_engine_call_seconds_count")
        and any(f'operation="{verb}_' in name for verb in WRITES)
    )


WRITES = (
    "create",
    "remove",
    "connect",
    "disconnect",
    "start",
    "stop",
    "unpause",
    "update",
    "put",
    "pull",
)
