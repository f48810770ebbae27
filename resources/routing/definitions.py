"""What a container's labels define in a Traefik that reads them, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from resources.labels import L_ROUTES
from resources.memo import Attached
from resources.observed import Container
from resources.routing.routes_label import ENABLE, NETWORK, PREFIX, Carried, read

_HOSTS = re.compile(r"\bHost(?:SNI)?\s*\(([^)]*)\)", re.IGNORECASE)
_QUOTED = re.compile(r"[`\"']([^`\"']+)[`\"']")
_PATTERN = re.compile(r"\bHost(?:SNI)?Regexp\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Definitions:
    """carried: of the Domains. rules: by router. ports: by backend. names: of all routers,
    middlewares and backends. network: by its name, on which Traefik reaches the container. enabled:
    does Traefik look at it at all?"""

    carried: tuple[Carried, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    network: str = ""
    enabled: bool = False

    def routers(self, of: Carried) -> tuple[str, ...]:
        return self._routers.get(of.digest, ())

    @cached_property
    def _routers(self) -> dict[str, tuple[str, ...]]:
        """By the digest in which their names end."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.rules:
            digest = name.rpartition("-")[2]
            found[digest] = (*found.get(digest, ()), name)
        return found

    def owners(self, name: str) -> tuple[str, ...]:
        """Uids of the Domains that need it: a backend is all of theirs."""
        digest = name.rpartition("-")[2]
        own = tuple(each.uid for each in self.carried if each.digest == digest)
        return own or tuple(each.uid for each in self.carried)

    @cached_property
    def claimed(self) -> frozenset[str]:
        """Hostnames that its rules name."""
        return frozenset(host for rule in self.rules.values() for host in hosts(rule))

    @cached_property
    def sweeping(self) -> tuple[str, ...]:
        """Rules that match hosts by a pattern, or whichever host."""
        return tuple(r for r in self.rules.values() if _PATTERN.search(r) or not hosts(r) - {"*"})


def definitions(container: Container) -> Definitions:
    """Read once for each object: containers are many, and change seldom."""
    return _KNOWN.get(container, lambda: _read(container.labels))


def hosts(rule: str) -> frozenset[str]:
    """The hostnames that a rule names as they are (patterns are not understood)."""
    quoted = (name for part in _HOSTS.findall(rule) for name in _QUOTED.findall(part))
    return frozenset(name.strip().lower() for name in quoted)


def _read(labels: Mapping[str, str]) -> Definitions:
    """Names of labels are the same in any case; those of routers and backends are not."""
    rules: dict[str, str] = {}
    ports: dict[str, int] = {}
    names: set[str] = set()
    plain: dict[str, str] = {}
    for name, value in labels.items():
        if name[: len(PREFIX)].lower() != PREFIX:
            continue
        match (folded := name.lower()).split("."):
            case [_, "http" | "tcp", "routers", _, "rule"]:
                rules[name.split(".")[3]] = value
            case [_, "http", "services", _, "loadbalancer", "server", "port"]:
                if value.isascii() and value.isdecimal():
                    ports[name.split(".")[3]] = int(value)
        match name.split(".", 4):
            case [_, _, _, part, _]:
                names.add(part)
            case _:
                plain[folded] = value
    if not (names or plain):
        return _NOTHING
    enabled = plain.get(ENABLE, "").lower() in ("true", "t", "1")
    told = read(labels.get(L_ROUTES, ""))
    return Definitions(told, rules, ports, frozenset(names), plain.get(NETWORK, ""), enabled)


_NOTHING = Definitions()
_KNOWN: Attached[Definitions] = Attached()
