"""Where no port is named each replica is reached on the first that it was declared with: a rollout
that moves it loses no visitor, and neither does the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.meta import Key
from tests.unit.service.test_service_cutover import Edge, started

OLD, NEW = [{"containerPort": 80}], [{"containerPort": 8080}]


@pytest.fixture
def edge() -> Edge:
    return Edge()


def reached(edge: Edge, web: Key) -> list[set[str]]:
    return [set(urls) for urls in edge.serving(web).anywhere.values()]


def test_old_and_new_replicas_are_reached_on_their_own(edge: Edge) -> None:
    web = started(edge)
    (old,) = edge.containers(web)
    name = set(edge.serving(web).anywhere)
    edge.service(ports=NEW, image="nginx:1.27")
    both: list[set[str]] = []
    for _ in range(20):
        edge.pass_(web)
        assert edge.url(old, 8080) not in edge.reached(web)
        both += [urls for urls in reached(edge, web) if len(urls) == 2]
        edge.wait(1)
    edge.go(web)
    new = edge.only(web)
    assert both
    assert all(urls == {edge.url(old, 80), edge.url(new, 8080)} for urls in both)
    assert reached(edge, web) == [{edge.url(new, 8080)}]
    assert set(edge.serving(web).anywhere) == name


def test_the_way_back_leads_to_the_port_of_before(edge: Edge) -> None:
    web = started(edge)
    (old,) = edge.containers(web)
    edge.optimistic = False
    edge.service(
        ports=NEW,
        image="nginx:1.27",
        healthCheck={"exec": ["false"]},
        update={"progressDeadline": "20s"},
    )
    for _ in range(60):
        edge.pass_(web)
        assert edge.reached(web) == {edge.url(old, 80)}
        edge.wait(1)
    rollout = edge.rows[web].record.rollout
    assert rollout is not None
    assert rollout.outcome == "rolledBack"


def test_nobody_knows_any_more_what_it_was_made_from(edge: Edge) -> None:
    """A third declaration while the second is on its way."""
    web = started(edge)
    (old,) = edge.containers(web)
    edge.service(ports=NEW, image="nginx:1.27", update={"minReady": "30s"})
    for _ in range(3):
        edge.pass_(web)
    edge.service(ports=[{"containerPort": 9090}], image="nginx:1.28")
    edge.pass_(web)
    assert edge.url(old, 80) in edge.reached(web)
    edge.go(web)
    assert edge.reached(web) == {edge.url(edge.only(web), 9090)}


def test_a_port_that_alone_was_corrected_holds_at_once(edge: Edge) -> None:
    web = started(edge)
    (container,) = edge.containers(web)
    edge.service(ports=NEW)
    edge.go(web)
    assert edge.only(web).id == container.id
    assert edge.reached(web) == {edge.url(container, 8080)}


@pytest.mark.parametrize("named", [{"port": 80}, {"sticky": True}])
def test_what_a_router_still_leads_to_stays(edge: Edge, named: dict[str, Any]) -> None:
    web = edge.service(ports=OLD)
    edge.domain(**named)
    edge.go(web)
    (before,) = edge.serving(web).anywhere
    edge.world.put(replace(edge.serving(web), used=frozenset({before})))
    edge.domain()
    edge.go(web)
    url = edge.url(edge.only(web))
    assert len(edge.serving(web).anywhere) == 2
    assert edge.serving(web).anywhere[before] == {url}
    edge.world.put(replace(edge.serving(web), used=frozenset()))
    edge.go(web)
    assert before not in edge.serving(web).anywhere
    assert edge.reached(web) == {url}
