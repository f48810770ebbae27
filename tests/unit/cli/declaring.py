"""Manifests of a test, written to where a command reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def write(path: Path, *documents: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def organization(name: str) -> dict[str, Any]:
    head = {"apiVersion": "skypanel.io/v1", "kind": "Organization"}
    return {**head, "metadata": {"name": name}, "spec": {}}


def service(org: str, name: str = "web", **spec: Any) -> dict[str, Any]:
    head = {"apiVersion": "skypanel.io/v1", "kind": "Service"}
    metadata = {"name": name, "organization": org}
    return {**head, "metadata": metadata, "spec": {"image": "nginx:1", **spec}}
