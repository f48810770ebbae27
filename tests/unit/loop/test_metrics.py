"""Gauges of resources: only what holds now, told by who acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from controller.metrics import METRICS
from resources.meta import Key

KEY = Key("Service", "metered", "web")
OTHER = Key("Service", "metered", "other")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    METRICS.forget_all()
    yield
    METRICS.forget_all()


def status(**conditions: str) -> Mapping[str, Any]:
    return {
        "conditions": [{"type": type_, "status": value} for type_, value in conditions.items()],
        "replicas": 2,
    }


def exported(key: Key) -> dict[str, float]:
    return {
        sample.labels["condition"]: sample.value
        for metric in METRICS.resources.condition.collect()
        for sample in metric.samples
        if sample.labels["name"] == key.name
    }


def replicas() -> set[str]:
    return {s.labels["name"] for m in METRICS.resources.replicas.collect() for s in m.samples}


def test_a_condition_that_left_the_status_leaves_the_metrics() -> None:
    METRICS.resources.reported(KEY, status(Ready="False", Stalled="True"))
    assert exported(KEY) == {"Ready": 0, "Stalled": 1}
    METRICS.resources.reported(KEY, status(Ready="True"))
    assert exported(KEY) == {"Ready": 1}


def test_what_is_gone_leaves_with_all_that_was_exported_of_it() -> None:
    METRICS.resources.reported(KEY, status(Ready="True", Progressing="Unknown"))
    METRICS.resources.reported(OTHER, status(Ready="True"))
    METRICS.forget(KEY)
    assert exported(KEY) == {}
    assert exported(OTHER) == {"Ready": 1}
    assert replicas() == {"other"}


def test_who_no_longer_acts_tells_of_nothing() -> None:
    METRICS.resources.reported(KEY, status(Ready="True"))
    METRICS.forget_all()
    assert exported(KEY) == {}
    assert replicas() == set()
    METRICS.resources.reported(KEY, status(Ready="True"))
    assert exported(KEY) == {"Ready": 1}


def test_a_volume_tells_the_size_that_it_declares() -> None:
    volume = Key("Volume", "metered", "data")

    def sizes() -> list[float]:
        return [s.value for m in METRICS.resources.volume_size.collect() for s in m.samples]

    METRICS.resources.reported(volume, {"sizeBytes": 1024})
    assert sizes() == [1024]
    METRICS.resources.reported(volume, {"sizeBytes": None})
    assert sizes() == []
    METRICS.resources.reported(volume, {"sizeBytes": 2048})
    METRICS.forget(volume)
    assert sizes() == []
