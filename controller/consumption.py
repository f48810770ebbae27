"""What each replica's container consumes, as ``/metrics`` shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LABELS = ("organization", "service", "ordinal")


class Row(NamedTuple):
    organization: str
    service: str
    ordinal: str


@dataclass(frozen=True, slots=True)
class Consumption:
    """cpu_ratio: of the limit, between the last two readings; None: there was one only, or there is
    no limit. cpu: seconds. memory, memory_limit: bytes (limit None: there is none). The rest: bytes
    since the container was started; None: the kernel does not tell."""

    cpu_ratio: float | None
    cpu: float
    memory: int
    memory_limit: int | None
    network_receive: int | None
    network_transmit: int | None
    disk_read: int | None
    disk_write: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """consumption: None: it does not run, or was not read yet."""

    restarts: int
    oom: int
    consumption: Consumption | None = None


class ContainerCollector(Collector):
    """What is shown changes row by row, while pages are rendered in another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[Row, Shown] = {}

    def show(self, row: Row, shown: Shown) -> None:
        with self._lock:
            self._shown[row] = shown

    def hide(self, row: Row) -> None:
        with self._lock:
            self._shown.pop(row, None)

    def clear(self) -> None:
        with self._lock:
            self._shown.clear()

    def shown(self) -> dict[Row, Shown]:
        with self._lock:
            return dict(self._shown)

    def describe(self) -> Iterable[Metric]:
        return _families({})

    def collect(self) -> Iterable[Metric]:
        return _families(self.shown())


_GAUGES = {
    "cpu_ratio": "CPU time used of what the limit allows, between the last two readings",
    "memory_bytes": "Memory in use, without page cache that the kernel can drop",
    "memory_limit_bytes": "Memory that the container may use",
}
_COUNTERS = {
    "cpu_seconds": "CPU time used since the container was started",
    "network_receive_bytes": "Bytes received since the container was started",
    "network_transmit_bytes": "Bytes sent since the container was started",
    "disk_read_bytes": "Bytes read from disks since the container was started",
    "disk_write_bytes": (
        "Bytes written to disks since the container was started; with cgroup v1 only those that"
        " went past the page cache"
    ),
}
_TOTALS = {
    "restarts": (
        "Times that the process was started again after it had ended: by the engine, since the"
        " container was made; by others, and of earlier containers of this ordinal, since this"
        " controller leads"
    ),
    "oom": (
        "Out-of-memory kills that the engine told of, also of earlier containers of this ordinal,"
        " since this controller was started"
    ),
}


def _families(rows: Mapping[Row, Shown]) -> Iterator[Metric]:
    running = [(row, _values(one.consumption)) for row, one in rows.items() if one.consumption]
    for families, kind in ((_GAUGES, GaugeMetricFamily), (_COUNTERS, CounterMetricFamily)):
        for name, text in families.items():
            family = kind("skyctl_container_" + name, text, labels=LABELS)
            for row, values in running:
                if (value := values[name]) is not None:
                    family.add_metric(row, value)
            yield family
    for name, text in _TOTALS.items():
        total = CounterMetricFamily("skyctl_container_" + name, text, labels=LABELS)
        for row, one in rows.items():
            total.add_metric(row, one.restarts if name == "restarts" else one.oom)
        yield total


def _values(one: Consumption) -> Mapping[str, float | None]:
    return {
        "cpu_ratio": one.cpu_ratio,
        "memory_bytes": one.memory,
        "memory_limit_bytes": one.memory_limit,
        "cpu_seconds": one.cpu,
        "network_receive_bytes": one.network_receive,
        "network_transmit_bytes": one.network_transmit,
        "disk_read_bytes": one.disk_read,
        "disk_write_bytes": one.disk_write,
    }
