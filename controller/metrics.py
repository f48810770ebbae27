"""Every metric, defined once. Labels are bounded: kinds, codes, operations, and per resource only
gauges that are removed together with it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from controller.consumption import ContainerCollector
from controller.traffic import TrafficCollector
from resources.meta import Key
from resources.quota import RESOURCES

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter("skyctl_" + name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge("skyctl_" + name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str) -> Histogram:
    return Histogram("skyctl_" + name, text, labels, registry=REGISTRY, buckets=_FAST)


class Metrics:
    def __init__(self) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=REGISTRY)
        self.build = Info("skyctl_build", "Version of the controller", registry=REGISTRY)
        self.leader = _gauge("leader", "1 while this process is the acting controller")
        self.engine_up = _gauge("engine_up", "1 while the engine's event stream is connected")
        self.reconcile_total = _counter(
            "reconcile_total", "Passes by how they ended", "kind", "result"
        )
        self.reconcile_errors = _counter(
            "reconcile_errors_total", "Errors of passes by code", "kind", "code"
        )
        self.reconcile_seconds = _histogram("reconcile_seconds", "Duration of passes", "kind")
        self.workqueue_depth = _gauge("workqueue_depth", "Keys to be worked")
        self.workqueue_adds = _counter("workqueue_adds_total", "Keys added")
        self.workqueue_wait = _histogram("workqueue_queue_seconds", "Time keys were queued")
        self.workqueue_retries = _counter("workqueue_retries_total", "Keys backed off")
        self.active_workers = _gauge("active_workers", "Passes under way")
        self.engine_calls = _histogram("engine_call_seconds", "Engine calls", "operation", "code")
        self.drift = _counter("drift_total", "Drift found, by field", "kind", "field")
        self.rollouts = _counter(
            "rollouts_total",
            "Rollouts by how they ended: ready, failed, rolledBack (after failed), superseded",
            "result",
        )
        self.status_writes = _counter("status_writes_total", "Status documents", "result")
        self.source_connected = _gauge("source_connected", "1 while connected", "source")
        self.source_relists = _counter(
            "source_relists_total", "Times a source was read anew", "source", "reason"
        )
        self.guard_held = _gauge("guard_held", "Inferred deletions held", "source")
        self.host_firewall = _gauge(
            "host_firewall",
            "1: the host's listeners are closed to containers, 0: they are not, -1: unknown",
        )
        self.host_firewall.set(-1)
        self.ingress_up = _gauge("ingress_up", "1 while every proxy answers, 0: not, or none runs")
        self.ingress_documents = _gauge("ingress_documents", "Documents published to the proxies")
        self.ingress_acknowledge = _histogram(
            "ingress_acknowledge_seconds", "From published until every proxy was seen to serve it"
        )
        self.ingress_look = _histogram(
            "ingress_look_seconds", "Asking the proxies for everything that they serve"
        )
        self.ingress_starts = _counter(
            "ingress_starts_total", "Starts of our own proxy by why", "reason"
        )
        self.ingress_traffic = _histogram(
            "ingress_traffic_seconds", "Reading what the proxies count of requests"
        )
        self.traffic = TrafficCollector()
        REGISTRY.register(self.traffic)
        self.containers = ContainerCollector()
        REGISTRY.register(self.containers)
        self.sample_interval = _gauge(
            "container_sample_interval_seconds",
            "Between two readings of what a container consumes; 0: this process does not lead",
        )
        self.loop_lag = _gauge("event_loop_lag_seconds", "How late the event loop was last seen")
        self.loop_delay = _histogram(
            "event_loop_delay_seconds", "How late the event loop was, four times a second"
        )
        self.condition = _gauge(
            "resource_condition",
            "1 true, 0 false, -1 unknown",
            "kind",
            "organization",
            "name",
            "condition",
        )
        self.replicas = _gauge(
            "service_replicas", "Replicas by state", "organization", "name", "state"
        )
        self.quota = _gauge(
            "organization_quota",
            "Used of an organization's quota, and its limit: cores, bytes or numbers",
            "organization",
            "resource",
            "type",
        )
        self.certificate = _gauge(
            "domain_certificate_expiry_timestamp_seconds",
            "When the certificate that is served for a Domain ends",
            "organization",
            "name",
        )
        self.volume_size = _gauge(
            "volume_size_bytes",
            "Size that a Volume declares, whether or not it is enforced",
            "organization",
            "name",
        )
        self._exported: dict[Key, frozenset[str]] = {}
        for result in ("written", "suppressed"):
            self.status_writes.labels(result)

    # -- the queue's meter
    def added(self) -> None:
        self.workqueue_adds.inc()

    def depth(self, depth: int) -> None:
        self.workqueue_depth.set(depth)

    def waited(self, seconds: float) -> None:
        self.workqueue_wait.observe(seconds)

    # -- the engine's meter
    def observe_call(self, operation: str, code: str, seconds: float) -> None:
        self.engine_calls.labels(operation, code).observe(seconds)

    # -- the event loop's
    def lagged(self, seconds: float) -> None:
        self.loop_lag.set(seconds)
        self.loop_delay.observe(seconds)

    # -- per resource
    def reported(self, key: Key, status: Mapping[str, Any]) -> None:
        """A condition that is in the status no more is exported no more."""
        now = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        for gone in self._exported.get(key, frozenset()) - now.keys():
            _remove(self.condition, *key, gone)
        self._exported[key] = frozenset(now)
        for type_, value in now.items():
            self.condition.labels(*key, type_).set(_VALUE[value])
        if key.kind == "Service":
            for state, field in _REPLICAS:
                self.replicas.labels(key.organization, key.name, state).set(status.get(field, 0))
        if key.kind == "Domain":
            self._certificate(key, (status.get("certificate") or {}).get("notAfter"))
        if key.kind == "Volume":
            self._size(key, status.get("sizeBytes"))
        if key.kind == "Organization":
            for resource, amounts in (status.get("usage") or {}).items():
                self._amounts(key.name, resource, amounts)

    def _certificate(self, key: Key, end: str | None) -> None:
        if end is None:
            _remove(self.certificate, key.organization, key.name)
        else:
            seconds = datetime.fromisoformat(end).timestamp()
            self.certificate.labels(key.organization, key.name).set(seconds)

    def _size(self, key: Key, size: int | None) -> None:
        if size is None:
            _remove(self.volume_size, key.organization, key.name)
        else:
            self.volume_size.labels(key.organization, key.name).set(size)

    def _amounts(self, organization: str, resource: str, amounts: Mapping[str, Any]) -> None:
        """What is unlimited has no limit exported."""
        for type_ in ("used", "limit"):
            if amounts.get(type_) is None:
                _remove(self.quota, organization, resource, type_)
            else:
                self.quota.labels(organization, resource, type_).set(amounts[type_])

    def forget(self, key: Key, _status: Mapping[str, Any] | None = None) -> None:
        """The resource is gone."""
        for type_ in self._exported.pop(key, frozenset()):
            _remove(self.condition, *key, type_)
        if key.kind == "Service":
            for state, _ in _REPLICAS:
                _remove(self.replicas, key.organization, key.name, state)
        if key.kind == "Domain":
            self._certificate(key, None)
            self.traffic.forget(key.organization, key.name)
        if key.kind == "Volume":
            self._size(key, None)
        if key.kind == "Organization":
            for resource in RESOURCES:
                self._amounts(key.name, resource, {})

    def forget_all(self) -> None:
        """Resources are the acting controller's to tell about; this process is it no more."""
        self._exported.clear()
        self.condition.clear()
        self.replicas.clear()
        self.quota.clear()
        self.certificate.clear()
        self.volume_size.clear()
        self.containers.clear()
        self.traffic.show({})


_VALUE = {"True": 1, "False": 0, "Unknown": -1}
_REPLICAS = (("wanted", "replicas"), ("ready", "readyReplicas"), ("updated", "updatedReplicas"))


def _remove(metric: Gauge, *labels: str) -> None:
    with contextlib.suppress(KeyError):
        metric.remove(*labels)


METRICS = Metrics()
