"""Has the declaration changed? A hash of what was declared and resolved answers.

The revision of a service covers every field that needs another container to change, and nothing
that can change in place (replicas, limits, restart policy, how updates proceed, checks made from
outside). It is taken over the *declaration*, defaults left out, never over our rendering: a
release that renders one more default yields the same revision and recreates nothing. Of a secret
value the fingerprint of its sealed box counts, which tells nothing about the value.

Each way of hashing has a version, kept for ever: containers labelled by an older release are
still recognised, and only new containers carry the newest version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resources.naming import VolumeIdentity
from resources.sealed import Sealed
from resources.service.spec import ServiceSpec
from resources.service.values import environment_text
from resources.spec import SecretRef

RECREATED = frozenset(
    {
        "image",
        "command",
        "args",
        "working_dir",
        "user",
        "environment",
        "files",
        "volumes",
        "tmpfs",
        "shm_size",
        "stop_signal",
        "read_only_root_filesystem",
    }
)
"""Fields taken as declared. ``ports``, ``healthCheck`` and ``capabilities`` are taken in part."""

_DIGITS = 16
_LABEL = re.compile(r"v[0-9]{1,4}:[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the declaration means just now beyond its own words. volumes: by the Volume's name.
    restarted_at: the annotation. capabilities: the declared ones that are allowed, sorted.
    secrets: the values that containers are made with, as far as they are in force. routes: what
    they carry of its Domains, '' for nothing."""

    volumes: tuple[tuple[str, VolumeIdentity], ...] = ()
    restarted_at: str = ""
    profile: str = "baseline"
    capabilities: tuple[str, ...] = ()
    secrets: tuple[Sealed, ...] = ()
    routes: str = ""


@dataclass(frozen=True, slots=True)
class RevisionLabels:
    """label: what new containers carry. known: every label that means the same."""

    label: str
    known: frozenset[str]


def revision(spec: ServiceSpec, resolved: Resolved) -> RevisionLabels:
    labels = {
        version: f"{version}:{_digest(render(spec, resolved))}"
        for version, render in RENDERERS.items()
    }
    return RevisionLabels(labels[NEWEST], frozenset(labels.values()))


def well_formed(label: str) -> bool:
    """Of any version, also of a newer release."""
    return _LABEL.fullmatch(label) is not None


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


# ---------------------------------------------------------------- version 1


def declaration_v1(spec: ServiceSpec, resolved: Resolved) -> dict[str, Any]:
    """Never change what this returns for a given input: make another version instead."""
    document = spec.model_dump(include=set(RECREATED), exclude_defaults=True)
    if "environment" in document:
        document["environment"] = {k: _variable(v) for k, v in spec.environment.items()}
    for name, order in (("files", "path"), ("volumes", "mountPath"), ("tmpfs", "mountPath")):
        if name in document:
            document[name] = sorted(document[name], key=lambda item: str(item[order]))
    if published := [_published(port) for port in spec.ports if port.host_port is not None]:
        document["ports"] = sorted(published)
    if spec.health_check is not None and spec.health_check.exec is not None:
        document["healthCheck"] = spec.health_check.model_dump(
            exclude_defaults=True, exclude={"patience"}
        )
    if resolved.capabilities:
        document["capabilities"] = list(resolved.capabilities)
    result: dict[str, Any] = {"spec": document}
    if resolved.volumes:
        result["volumes"] = {name: list(identity) for name, identity in resolved.volumes}
    if resolved.restarted_at:
        result["restartedAt"] = resolved.restarted_at
    if resolved.profile != "baseline":
        result["profile"] = resolved.profile
    if resolved.secrets:
        result["secrets"] = [[s.secret, s.key, s.fingerprint] for s in resolved.secrets]
    if resolved.routes:
        result["routes"] = resolved.routes
    return result


def _variable(value: Any) -> Any:
    """``1`` and ``"1"`` make the same container."""
    return value.document() if isinstance(value, SecretRef) else environment_text(value)


def _published(port: Any) -> list[Any]:
    return [port.container_port, port.protocol, port.host_port, port.host_address or ""]


RENDERERS: dict[str, Callable[[ServiceSpec, Resolved], dict[str, Any]]] = {"v1": declaration_v1}
NEWEST = "v1"
