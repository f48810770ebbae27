"""What the controller tells of its own work, by who works."""

from __future__ import annotations

from controller.metrics.registry import counter, gauge, histogram


class PassMetrics:
    def __init__(self) -> None:
        self.total = counter("reconcile_total", "Passes by how they ended", "kind", "result")
        self.errors = counter("reconcile_errors_total", "Errors of passes by code", "kind", "code")
        self.seconds = histogram("reconcile_seconds", "Duration of passes", "kind")
        self.active = gauge("active_workers", "Passes under way")
        self.drift = counter("drift_total", "Drift found, by field", "kind", "field")
        self.rollouts = counter(
            "rollouts_total",
            "Rollouts by how they ended: ready, failed, rolledBack (after failed), superseded",
            "result",
        )
        self.status_writes = counter("status_writes_total", "Status documents", "result")
        for result in ("written", "suppressed"):
            self.status_writes.labels(result)


class QueueMetrics:
    """The queue's ``loop.queue.QueueMeter``."""

    def __init__(self) -> None:
        self.keys = gauge("workqueue_depth", "Keys to be worked")
        self.adds = counter("workqueue_adds_total", "Keys added")
        self.wait = histogram("workqueue_queue_seconds", "Time keys were queued")
        self.retries = counter("workqueue_retries_total", "Keys backed off")

    def added(self) -> None:
        self.adds.inc()

    def depth(self, depth: int) -> None:
        self.keys.set(depth)

    def waited(self, seconds: float) -> None:
        self.wait.observe(seconds)


class EngineMetrics:
    def __init__(self) -> None:
        self.up = gauge("engine_up", "1 while the engine's event stream is connected")
        self.calls = histogram("engine_call_seconds", "Engine calls", "operation", "code")

    def called(self, operation: str, code: str, seconds: float) -> None:
        self.calls.labels(operation, code).observe(seconds)


class SourceMetrics:
    def __init__(self) -> None:
        self.connected = gauge("source_connected", "1 while connected", "source")
        self.relists = counter(
            "source_relists_total", "Times a source was read anew", "source", "reason"
        )
        self.held = gauge("guard_held", "Inferred deletions held", "source")


class IngressMetrics:
    def __init__(self) -> None:
        self.up = gauge("ingress_up", "1 while every proxy answers, 0: not, or none runs")
        self.documents = gauge("ingress_documents", "Documents published to the proxies")
        self.acknowledge = histogram(
            "ingress_acknowledge_seconds", "From published until every proxy was seen to serve it"
        )
        self.look = histogram(
            "ingress_look_seconds", "Asking the proxies for everything that they serve"
        )
        self.starts = counter("ingress_starts_total", "Starts of our own proxy by why", "reason")
        self.traffic = histogram(
            "ingress_traffic_seconds", "Reading what the proxies count of requests"
        )


class EventLoopMetrics:
    def __init__(self) -> None:
        self.lag = gauge("event_loop_lag_seconds", "How late the event loop was last seen")
        self.delay = histogram(
            "event_loop_delay_seconds", "How late the event loop was, four times a second"
        )

    def lagged(self, seconds: float) -> None:
        self.lag.set(seconds)
        self.delay.observe(seconds)
