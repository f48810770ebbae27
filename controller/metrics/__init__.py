"""Every metric, defined once. Labels are bounded: kinds, codes, operations, and per resource only
gauges that are removed together with it."""

from __future__ import annotations

from prometheus_client import Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from controller.consumption import ContainerCollector
from controller.metrics.families import (
    EngineMetrics,
    EventLoopMetrics,
    IngressMetrics,
    PassMetrics,
    QueueMetrics,
    SourceMetrics,
)
from controller.metrics.registry import REGISTRY, gauge
from controller.metrics.resources import ResourceMetrics
from controller.traffic import TrafficCollector
from resources.meta import Key

__all__ = ["METRICS", "REGISTRY", "Metrics"]


class Metrics:
    def __init__(self) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=REGISTRY)
        self.build = Info("skyctl_build", "Version of the controller", registry=REGISTRY)
        self.leader = gauge("leader", "1 while this process is the acting controller")
        self.host_firewall = gauge(
            "host_firewall",
            "1: the host's listeners are closed to containers, 0: they are not, -1: unknown",
        )
        self.host_firewall.set(-1)
        self.sample_interval = gauge(
            "container_sample_interval_seconds",
            "Between two readings of what a container consumes; 0: this process does not lead",
        )
        self.event_loop = EventLoopMetrics()
        self.queue = QueueMetrics()
        self.passes = PassMetrics()
        self.engine = EngineMetrics()
        self.sources = SourceMetrics()
        self.ingress = IngressMetrics()
        self.resources = ResourceMetrics()
        self.containers = ContainerCollector()
        self.traffic = TrafficCollector()
        REGISTRY.register(self.containers)
        REGISTRY.register(self.traffic)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self.resources.forget(key)
        if key.kind == "Domain":
            self.traffic.forget(key.organization, key.name)

    def forget_all(self) -> None:
        """Resources are the acting controller's to tell about; this process is it no more."""
        self.resources.clear()
        self.containers.clear()
        self.traffic.show({})


METRICS = Metrics()
