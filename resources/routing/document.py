"""What one resource publishes to the proxies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from resources.sealed import Sealed

FIRST = "first"
"""Stands for the port in the name of a backend that has none of its own."""


@dataclass(frozen=True)
class Document:
    """A part of Traefik's dynamic configuration (``{"http": {...}, "tls": {...}}``).

    uid: the owner's. name: ``<kind>_<organization>_<name>_<8 of the uid>``, for people and files.
    secrets: JSON pointer into ``content``, to a place that is there -> whose opened value is put
    there when it is published, as ``opening.fitted`` says. The digest never depends on a value but
    on the sealed text of it. hosts: the names that its certificates are for; held: for which they
    may be as well.
    """

    uid: str
    name: str
    content: Mapping[str, Any]
    secrets: Mapping[str, Sealed] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()

    @cached_property
    def text(self) -> str:
        """Canonical JSON: equal content, equal text."""
        return json.dumps(self.content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @cached_property
    def digest(self) -> str:
        """Changes with the content and with any secret value in it; 32 hexadecimal digits."""
        sealed = sorted((pointer, value.fingerprint) for pointer, value in self.secrets.items())
        whole = json.dumps([self.text, sealed])
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    @property
    def servers(self) -> frozenset[str]:
        """The URLs of all servers of all backends in it."""
        return servers(self.content)

    @property
    def rules(self) -> frozenset[str]:
        """By which its routers match."""
        return rules(self.content)


def servers(content: Mapping[str, Any]) -> frozenset[str]:
    """The URLs of all servers in a part of the dynamic configuration."""
    services = content.get("http", {}).get("services", {})
    return frozenset(
        server["url"]
        for service in services.values()
        for server in service.get("loadBalancer", {}).get("servers", ())
    )


def rules(content: Mapping[str, Any]) -> frozenset[str]:
    """Of all routers in a part of the dynamic configuration."""
    routers = content.get("http", {}).get("routers", {})
    return frozenset(router["rule"] for router in routers.values() if "rule" in router)


def backend_name(
    organization: str, service: str, uid: str, port: int | None, *, sticky: bool
) -> str:
    """Of a Service's backend, as its document defines it and the routers of Domains refer to it:
    unique on the platform, and stable as long as the Service lives. uid: the Service's. port: None
    where each replica is reached on the first that it declares."""
    suffix = "-sticky" if sticky else ""
    return f"{organization}-{service}-{uid[:8]}-{FIRST if port is None else port}{suffix}"
