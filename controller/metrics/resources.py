"""Of every resource that there is: its conditions, and what only its kind has."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import Gauge

from controller.metrics.registry import gauge
from resources.meta import Key
from resources.quota import RESOURCES


class ResourceMetrics:
    def __init__(self) -> None:
        self.condition = gauge(
            "resource_condition",
            "1 true, 0 false, -1 unknown",
            "kind",
            "organization",
            "name",
            "condition",
        )
        self.replicas = gauge(
            "service_replicas", "Replicas by state", "organization", "name", "state"
        )
        self.quota = gauge(
            "organization_quota",
            "Used of an organization's quota, and its limit: cores, bytes or numbers",
            "organization",
            "resource",
            "type",
        )
        self.certificate = gauge(
            "domain_certificate_expiry_timestamp_seconds",
            "When the certificate that is served for a Domain ends",
            "organization",
            "name",
        )
        self.volume_size = gauge(
            "volume_size_bytes",
            "Size that a Volume declares, whether or not it is enforced",
            "organization",
            "name",
        )
        self._exported: dict[Key, frozenset[str]] = {}

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

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        for type_ in self._exported.pop(key, frozenset()):
            _remove(self.condition, *key, type_)
        if key.kind == "Service":
            for state, _ in _REPLICAS:
                _remove(self.replicas, key.organization, key.name, state)
        if key.kind == "Domain":
            self._certificate(key, None)
        if key.kind == "Volume":
            self._size(key, None)
        if key.kind == "Organization":
            for resource in RESOURCES:
                self._amounts(key.name, resource, {})

    def clear(self) -> None:
        self._exported.clear()
        self.condition.clear()
        self.replicas.clear()
        self.quota.clear()
        self.certificate.clear()
        self.volume_size.clear()


_VALUE = {"True": 1, "False": 0, "Unknown": -1}
_REPLICAS = (("wanted", "replicas"), ("ready", "readyReplicas"), ("updated", "updatedReplicas"))


def _remove(metric: Gauge, *labels: str) -> None:
    with contextlib.suppress(KeyError):
        metric.remove(*labels)
