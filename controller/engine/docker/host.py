"""What this process shares with the engine's host: its routes, and whether containers answer.

Everything is read from ``/proc/net``, which shows the network namespace of this process. If one
of the engine's bridges is an interface here, we are on the engine's host (or in a container with
host networking) and reach containers by address. If not, a local engine can only be reached
through a helper container (``attached``), a remote one not at all (``none``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from resources.observed import Network

PROC = Path("/proc/net")
_LEAF = re.compile(r"^\s*\|-- (\S+)$")
_ENTRY = re.compile(r"^\s*/(\d+) (\S+) (\S+)$")

SHORTEST = 4
"""Routes wider than this are ways out (a VPN's halves of everything), not networks."""


def reach(networks: Iterable[Network], *, loopback: bool, proc: Path = PROC) -> str:
    """host | attached | none."""
    if not loopback:
        return "none"
    bridges = {n.bridge for n in networks if n.bridge}
    if bridges & interfaces(proc):
        return "host"
    if not bridges and not Path("/.dockerenv").exists() and interfaces(proc):
        return "host"
    return "attached"


def interfaces(proc: Path = PROC) -> set[str]:
    lines = _lines(proc / "dev")[2:]
    return {line.partition(":")[0].strip() for line in lines}


def routed(networks: Iterable[Network], proc: Path = PROC) -> Sequence[str]:
    """CIDRs that the host routes or owns, but for those of the engine's own networks."""
    own = {ipaddress.ip_network(s, strict=False) for n in networks for s in n.subnets}
    found = _routes(_lines(proc / "fib_trie"))
    others = (n for n in found if not any(_within(n, o) for o in own))
    return [str(n) for n in ipaddress.collapse_addresses(others)]


def _routes(lines: Sequence[str]) -> set[ipaddress.IPv4Network]:
    found: set[ipaddress.IPv4Network] = set()
    address = ""
    for line in lines:
        if leaf := _LEAF.match(line):
            address = leaf.group(1)
        elif (entry := _ENTRY.match(line)) and entry.group(3) in ("UNICAST", "LOCAL"):
            network = ipaddress.IPv4Network((address, int(entry.group(1))), strict=False)
            if network.prefixlen >= SHORTEST and not network.is_loopback:
                found.add(network)
    return found


def _within(
    inner: ipaddress.IPv4Network, outer: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
