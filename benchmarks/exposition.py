"""Prometheus samples of one moment, and what happened between two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_BOUND = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Exposition:
    """samples: by name with labels, as in the exposition."""

    samples: Mapping[str, float]

    def __sub__(self, earlier: Exposition) -> Exposition:
        return Exposition(
            {name: value - earlier.samples.get(name, 0.0) for name, value in self.samples.items()}
        )

    def total(self, name: str, label: str = "") -> float:
        """Of a counter, or those of its series that have the label."""
        return sum(
            value
            for series, value in self.samples.items()
            if series.partition("{")[0] == name and label in series
        )

    def quantile(self, name: str, share: float) -> float:
        """Of a histogram without labels, as Prometheus reckons it: evenly within a bucket; past
        the last bound, that bound."""
        buckets = sorted(
            (float(found[1]), value)
            for series, value in self.samples.items()
            if series.startswith(f"{name}_bucket") and (found := _BOUND.search(series))
        )
        wanted = share * buckets[-1][1]
        lower, below = 0.0, 0.0
        for bound, count in buckets:
            if count >= wanted and count > below:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (wanted - below) / (count - below)
            lower, below = bound, count
        return lower
