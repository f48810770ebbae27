"""Which name servers containers may be told to ask.

The engine answers names of its network itself, inside the container. All else it forwards, from
the container's own network, to the name servers of the host's resolver configuration (the real
ones, where a local stub like systemd-resolved's stands in front) and of its ``dns`` option. One
of these may be an address of this very host. Loopback ones it asks from the host itself, for which
no rule is needed. Where none is left the engine asks two public ones, elsewhere.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path

RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
ENGINE = Path("/etc/docker/daemon.json")
MOST = 16


def resolvers(files: Iterable[Path] = RESOLVERS, engine: Path = ENGINE) -> tuple[str, ...]:
    """Sorted, each once, in canonical form, without those on loopback; at most ``MOST``."""
    named = [word for file in files for word in _nameservers(file)] + _of_engine(engine)
    found = set()
    for word in named:
        try:
            address = ipaddress.ip_address(word.partition("%")[0])
        except ValueError:
            continue
        if not address.is_loopback and not address.is_unspecified:
            found.add(str(address))
    return tuple(sorted(found)[:MOST])


def _nameservers(file: Path) -> list[str]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]


def _of_engine(file: Path) -> list[str]:
    try:
        given = json.loads(file.read_text()).get("dns", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [word for word in given if isinstance(word, str)] if isinstance(given, list) else []
