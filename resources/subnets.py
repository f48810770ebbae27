"""Cutting organizations' subnets from the platform's pool.

The first candidate is a hash of the seed, so that two that choose at once rarely want the same and
an organization that is made anew tends to get the same again. Everything that overlaps anything
taken is passed over: other reservations, the engine's networks, the host's own routes.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from functools import lru_cache


def choose(pool: str, prefix: int, taken: Iterable[str], seed: str) -> str | None:
    """A free subnet of that prefix length in the pool, or None when there is none.

    taken: CIDRs of any size; IPv6 and default routes (``/0``, and a VPN's pair of ``/1``) are
    passed over, they are everywhere and in nobody's way. Raises ValueError for a pool that is no
    IPv4 network or smaller than one subnet. Time: n log n in what is taken.
    """
    network = ipaddress.IPv4Network(pool)
    if not network.prefixlen <= prefix <= 30:
        raise ValueError(f"pool {pool} cannot be cut into /{prefix}")
    size = 1 << (32 - prefix)
    base = int(network.network_address)
    count = network.num_addresses // size
    busy = _busy(taken, base, size, count)
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % count
    index = _free(busy, start, count)
    if index is None:
        index = _free(busy, 0, start)
    return None if index is None else str(ipaddress.IPv4Network((base + index * size, prefix)))


def overlaps(one: str, other: str) -> bool:
    """Do two CIDRs share an address? False across address families and for what is no CIDR."""
    first, second = _network(one), _network(other)
    return first is not None and second is not None and first.overlaps(second)


def _busy(taken: Iterable[str], base: int, size: int, count: int) -> list[tuple[int, int]]:
    """Ranges [first, last] of candidates that are in use, sorted."""
    ranges: list[tuple[int, int]] = []
    for text in taken:
        network = _network(text)
        if network is None or network.prefixlen <= 1:
            continue
        address = int(network.network_address)
        first = (address - base) // size
        last = (address - base + (1 << (32 - network.prefixlen)) - 1) // size
        if last >= 0 and first < count:
            ranges.append((max(first, 0), min(last, count - 1)))
    ranges.sort()
    return ranges


def _free(busy: list[tuple[int, int]], start: int, end: int) -> int | None:
    """The first candidate in [start, end) outside the sorted ranges."""
    candidate = start
    for first, last in busy:
        if first > candidate:
            break
        candidate = max(candidate, last + 1)
    return candidate if candidate < end else None


@lru_cache(maxsize=65536)
def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None
