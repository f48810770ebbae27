"""Where every metric is registered, and how one is made."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def counter(name: str, text: str, *labels: str) -> Counter:
    return Counter("skyctl_" + name, text, labels, registry=REGISTRY)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge("skyctl_" + name, text, labels, registry=REGISTRY)


def histogram(name: str, text: str, *labels: str) -> Histogram:
    """Of seconds."""
    return Histogram("skyctl_" + name, text, labels, registry=REGISTRY, buckets=_FAST)
