"""What visitors asked of a Domain and what they got, as ``/metrics`` and ``skyctl`` show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CODES = ("2xx", "3xx", "4xx", "5xx")
"""Told of every Domain, so that the first failure is seen to be one."""
FAILED = "5xx"
NAME = ("organization", "name")


@dataclass(frozen=True, slots=True)
class Traffic:
    """codes: requests by the class of their code. buckets: upper bound in seconds -> requests that
    took no longer (``inf``: all). seconds: that all of them took."""

    codes: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[float, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def requests(self) -> float:
        return sum(self.codes.values())

    @property
    def failed(self) -> float:
        return self.codes.get(FAILED, 0.0)

    def since(self, earlier: Traffic) -> Traffic:
        """What came in between."""
        return Traffic(
            {code: n - earlier.codes.get(code, 0.0) for code, n in self.codes.items()},
            {bound: n - earlier.buckets.get(bound, 0.0) for bound, n in self.buckets.items()},
            self.seconds - earlier.seconds,
        )

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the requests was answered, as Prometheus estimates it;
        None where there were none."""
        steps = [(0.0, 0.0), *sorted(self.buckets.items())]
        total = steps[-1][1]
        if total <= 0:
            return None
        rank = share * total
        for (low, below), (high, within) in pairwise(steps):
            if within >= rank and within > below:
                if high == inf:
                    return low
                return low + (high - low) * (rank - below) / (within - below)
        return steps[-1][0]


@dataclass(frozen=True, slots=True)
class Lately:
    """seconds: for which it was counted."""

    traffic: Traffic
    seconds: float


class TrafficCollector(Collector):
    """By organization and name. What is shown is replaced as a whole: pages are rendered in another
    thread."""

    def __init__(self) -> None:
        self._shown: Mapping[tuple[str, str], Traffic] = {}

    def show(self, shown: Mapping[tuple[str, str], Traffic]) -> None:
        self._shown = shown

    def forget(self, organization: str, name: str) -> None:
        gone = (organization, name)
        if gone in self._shown:
            self._shown = {key: value for key, value in self._shown.items() if key != gone}

    def describe(self) -> Iterable[Metric]:
        return _families({})

    def collect(self) -> Iterable[Metric]:
        return _families(self._shown)


def _families(shown: Mapping[tuple[str, str], Traffic]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "skyctl_domain_requests",
        "Requests to a Domain that the proxies answered, by the class of the code (5xx: failed)",
        labels=(*NAME, "code"),
    )
    seconds = HistogramMetricFamily(
        "skyctl_domain_request_seconds",
        "From a request to a Domain until the proxies had answered it",
        labels=NAME,
    )
    for key, traffic in shown.items():
        for code in sorted({*CODES, *traffic.codes}):
            requests.add_metric((*key, code), traffic.codes.get(code, 0.0))
        if traffic.buckets:
            buckets = [(_bound(b), n) for b, n in sorted(traffic.buckets.items())]
            seconds.add_metric(key, buckets, traffic.seconds)
    yield requests
    yield seconds


def _bound(seconds: float) -> str:
    """As Prometheus writes it, and as those of our other histograms are."""
    return "+Inf" if seconds == inf else str(seconds)
