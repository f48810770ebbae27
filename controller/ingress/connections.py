"""Connections from this host to servers, as the kernel lists them.

Only a proxy that shares our network namespace has its connections listed here. Those of our own
health checks are among them, for the moment that they last.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

UNDER_WAY = frozenset({"01", "02", "08"})
"""Established, being opened, and half closed by the server: an answer may still be read."""
READINGS = 4
"""In a row, of those that saw none."""
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

Server = tuple[str, int]


def open_connections(urls: frozenset[str], tables: Iterable[Path] = TABLES) -> Mapping[str, int]:
    """How many to each of them, 0 included; empty where the kernel does not tell. Blocking."""
    wanted: dict[Server, str] = {}
    for url in urls:
        if (server := server_of(url)) is not None:
            wanted[server] = url
    codes = {_code(server): url for server, url in wanted.items()}
    counts = dict.fromkeys(wanted.values(), 0)
    try:
        for table in tables:
            for remote in _remotes(table):
                if remote in codes:
                    counts[codes[remote]] += 1
    except OSError:
        return {}
    return counts


class Emptied:
    """Which servers nobody is connected to any more. The kernel's list is no picture of a moment:
    while others come and go it misses a connection now and then (on a busy host in one reading of
    25), so only what several readings in a row did not see is not there."""

    def __init__(self) -> None:
        self._unseen: dict[str, int] = {}

    def sure(self, counts: Mapping[str, int]) -> dict[str, int]:
        """counts without the zeros that may be such a miss. Asked after each reading."""
        self._unseen = {
            url: self._unseen.get(url, 0) + 1 for url, count in counts.items() if count == 0
        }
        return {url: n for url, n in counts.items() if n or self._unseen[url] >= READINGS}


def server_of(url: str) -> Server | None:
    """None for a server that is not given by its address."""
    try:
        parts = urlsplit(url)
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port or 80
    except ValueError:
        return None


def _remotes(table: Path) -> Iterable[str]:
    """``ADDRESS:PORT`` as the kernel writes it. An IPv4 server may stand in both tables."""
    with table.open() as opened:
        next(opened, None)
        for line in opened:
            fields = line.split(None, 4)
            if len(fields) > 4 and fields[3] in UNDER_WAY:
                remote = fields[2]
                mapped = remote.startswith(_MAPPED) and len(remote) > 32
                yield remote[len(_MAPPED) :] if mapped else remote


_MAPPED = "0000000000000000FFFF0000"


def _code(server: Server) -> str:
    """Words of the address in the host's byte order, the port in the network's."""
    address, port = server
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
