"""What a container consumes now, in relation to its limits.

Memory is shown without the page cache that the kernel gives back when asked (as the engine's own
tools do): ``total_inactive_file`` on cgroup v1, ``inactive_file`` on v2. One reading has no rate:
CPU is the difference to the container's previous reading, and the first one takes two.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.engine.base import Usage
from controller.engine.docker import convert
from controller.engine.docker.cgroups import without_cache
from controller.engine.docker.wire import Wire, segment

FIRST = 0.25
"""Seconds between the two readings of a container seen for the first time."""
NEAREST = 0.2
"""Readings closer than this give no rate worth showing: the previous rate is repeated."""
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class CpuReading:
    """cpu: nanoseconds consumed since the start. ratio: the last rate computed."""

    at: datetime
    cpu: int
    ratio: float = 0.0


class UsageMeter:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._last: OrderedDict[str, CpuReading] = OrderedDict()

    async def usage(self, container: str) -> Usage | None:
        """None when it is gone or not running. Raises UserError."""
        path = f"containers/{segment(container)}"
        inspected = await self._wire.get("inspect_container", f"{path}/json")
        if inspected is None or not inspected["State"].get("Running"):
            self._last.pop(container, None)
            return None
        if container not in self._last:
            if (first := await self._stats(path)) is None:
                return None
            self._remember(container, _reading(first))
            await asyncio.sleep(FIRST)
        if (raw := await self._stats(path)) is None:
            return None
        return self._usage(container, raw, inspected["HostConfig"])

    async def _stats(self, path: str) -> Mapping[str, Any] | None:
        raw: Mapping[str, Any] | None = await self._wire.get(
            "stats", f"{path}/stats", params={"stream": "0", "one-shot": "1"}
        )
        return raw if raw and convert.moment(raw.get("read")) is not None else None

    def _usage(self, container: str, raw: Mapping[str, Any], host: Mapping[str, Any]) -> Usage:
        cores = (host.get("NanoCpus") or 0) / 1e9 or raw["cpu_stats"].get("online_cpus") or 1
        now = _rated(self._last.get(container), _reading(raw), cores)
        self._remember(container, now)
        memory = raw.get("memory_stats") or {}
        receive, transmit, read, write = transferred(raw)
        return Usage(
            cpu_ratio=now.ratio,
            memory=resident(memory),
            memory_limit=host.get("Memory") or memory.get("limit") or 0,
            pids=(raw.get("pids_stats") or {}).get("current") or 0,
            network_rx=receive,
            network_tx=transmit,
            disk_read=read,
            disk_write=write,
        )

    def _remember(self, container: str, reading: CpuReading) -> None:
        self._last[container] = reading
        self._last.move_to_end(container)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)


def resident(memory: Mapping[str, Any]) -> int:
    """Bytes in use without the page cache that can be dropped."""
    stats = memory.get("stats") or {}
    cache = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return without_cache(memory.get("usage") or 0, cache)


def transferred(raw: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Bytes received, sent, read and written."""
    networks = (raw.get("networks") or {}).values()
    blocks = (raw.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return (
        sum(n.get("rx_bytes") or 0 for n in networks),
        sum(n.get("tx_bytes") or 0 for n in networks),
        _sum(blocks, "read"),
        _sum(blocks, "write"),
    )


def _reading(raw: Mapping[str, Any]) -> CpuReading:
    at = convert.moment(raw["read"])
    assert at is not None
    return CpuReading(at, raw["cpu_stats"]["cpu_usage"].get("total_usage") or 0)


def _rated(before: CpuReading | None, now: CpuReading, cores: float) -> CpuReading:
    if before is None:
        return now
    seconds = (now.at - before.at).total_seconds()
    if seconds < NEAREST:
        return before
    spent = max(0, now.cpu - before.cpu) / 1e9
    return CpuReading(now.at, now.cpu, spent / seconds / cores)


def _sum(blocks: Iterable[Mapping[str, Any]], operation: str) -> int:
    """cgroup v1 says 'Read', v2 'read'."""
    return sum(b.get("value") or 0 for b in blocks if str(b.get("op")).lower() == operation)
