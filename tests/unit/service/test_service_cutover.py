"""No replica is stopped while a proxy may still send it requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resources.context import Platform
from resources.meta import Entry, Key, Resource
from resources.observed import Container
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.routing.world import Ingress, Serving
from resources.steps import StartContainer, StopContainer
from tests.property.apply import INSTANCE, uid_of
from tests.unit.service.theatre import Theatre

INGRESS = Ingress(mode="process")
PORTS = [{"containerPort": 80}]


class Edge(Theatre):
    """With proxies that serve what is published at once, or when they are told to."""

    def __init__(self) -> None:
        self.deaf = False
        super().__init__(platform=Platform(INSTANCE, ingress=INGRESS))

    def domain(self, service: str = "web", **spec: Any) -> None:
        key = Key("Domain", "acme", "site")
        whole = {"hostname": "a.example", "service": service, **spec}
        self.rows[key] = Entry(Resource(key, uid_of(*key), whole))

    def apply(self, key: Key, step: Any) -> None:
        if self.deaf and isinstance(step, PublishRoutes | WithdrawRoutes):
            before = self.world.serving.get(self.rows[key].resource.uid)
            super().apply(key, step)
            if before is not None:
                self.world.put(before)
            else:
                self.world.serving.pop(self.rows[key].resource.uid, None)
            return
        super().apply(key, step)
        if isinstance(step, StartContainer):
            self._address(step.container)

    def _address(self, container: str) -> None:
        """As the engine gives it at the start."""
        found = self.world.containers.get(container) or self.world.container_named(container)
        assert found is not None
        places = tuple(
            replace(place, address=f"10.0.0.{next(self._ids)}") for place in found.networks
        )
        self.change(found, networks=places)

    def serving(self, key: Key) -> Serving:
        return self.world.serving[self.rows[key].resource.uid]

    def reached(self, key: Key) -> set[str]:
        found: set[str] = set()
        return found.union(*self.serving(key).anywhere.values())

    def url(self, container: Container, port: int = 80) -> str:
        return f"http://{container.networks[0].address}:{port}"

    def proxies(self, **fields: Any) -> None:
        self.platform = replace(self.platform, ingress=replace(INGRESS, **fields))


@pytest.fixture
def edge() -> Edge:
    return Edge()


def started(edge: Edge, **spec: Any) -> Key:
    web = edge.service(ports=PORTS, **spec)
    edge.domain()
    edge.go(web)
    return web


def test_a_service_publishes_who_is_ready(edge: Edge) -> None:
    web = started(edge, replicas=2)
    assert edge.reached(web) == {edge.url(c) for c in edge.containers(web)}
    assert len(edge.reached(web)) == 2
    assert edge.text(web) == ""


def test_without_a_domain_nothing_is_published(edge: Edge) -> None:
    web = edge.service(ports=PORTS)
    edge.go(web)
    assert not edge.world.published
    edge.domain()
    assert edge.text(web).startswith("PublishRoutes service_acme_web_")
    edge.go(web)
    del edge.rows[Key("Domain", "acme", "site")]
    assert edge.text(web).startswith("WithdrawRoutes service_acme_web_")
    edge.go(web)
    assert not edge.world.published
    assert edge.text(web) == ""


def test_a_backend_that_a_router_needs_stays(edge: Edge) -> None:
    web = started(edge)
    uid = edge.rows[web].resource.uid
    edge.world.put(replace(edge.serving(web), used=frozenset({"x"})))
    del edge.rows[Key("Domain", "acme", "site")]
    assert edge.text(web) == ""
    edge.world.put(replace(edge.serving(web), used=frozenset()))
    edge.go(web)
    assert uid not in edge.world.published


def test_the_old_one_goes_only_when_the_new_one_is_seen_and_it_is_drained(edge: Edge) -> None:
    web = started(edge)
    (old,) = edge.containers(web)
    edge.service(ports=PORTS, image="nginx:1.27")
    edge.pass_(web)
    edge.wait(10)
    edge.deaf = True
    assert "PublishRoutes" in edge.pass_(web).render()
    new = next(c for c in edge.containers(web) if c.id != old.id)
    uid = edge.rows[web].resource.uid
    assert edge.world.published[uid].servers == {edge.url(old), edge.url(new)}
    assert edge.text(web) == f"wait: the proxies to send requests to {new.name}"
    edge.wait(10_000)  # whatever time passes: it is no fault of the new version
    assert edge.text(web) == f"wait: the proxies to send requests to {new.name}"

    both = {name: frozenset({edge.url(old), edge.url(new)}) for name in edge.serving(web).anywhere}
    edge.world.put(replace(edge.serving(web), everywhere=both, anywhere=both))
    plan = edge.pass_(web)
    assert "PublishRoutes" in plan.render()
    assert "StopContainer" not in plan.render()
    assert edge.world.published[uid].servers == {edge.url(new)}
    assert edge.text(web) == f"wait: the proxies to leave {old.name} out"

    alone = {name: frozenset({edge.url(new)}) for name in both}
    left = {edge.url(old): edge.now}
    edge.world.put(
        replace(
            edge.serving(web), everywhere=alone, anywhere=alone, left=left, open={edge.url(old): 2}
        )
    )
    assert edge.text(web) == f"wait: the requests to {old.name} to end"
    edge.wait(29)
    assert edge.text(web) == f"wait: the requests to {old.name} to end"
    edge.wait(2)
    stopped = [s for s in edge.pass_(web).steps if isinstance(s, StopContainer)]
    assert [step.container for step in stopped] == [old.id]


def test_a_new_replica_joins_when_it_is_proven_whatever_the_proxies_have_loaded(edge: Edge) -> None:
    """While they serve an earlier version anybody may be reached, for all that is known."""
    check = {"http": {"port": 80}}
    web = edge.service(ports=PORTS, replicas=1, healthCheck=check)
    edge.domain()
    edge.pass_(web)
    (first,) = edge.containers(web)
    edge.probe(first, "healthy")
    edge.go(web)
    edge.service(ports=PORTS, replicas=2, healthCheck=check)
    edge.pass_(web)
    (second,) = (c for c in edge.containers(web) if c.id != first.id)
    edge.probe(second, "starting")
    edge.world.put(replace(edge.serving(web), current=False))
    edge.pass_(web)
    published = edge.world.published[edge.rows[web].resource.uid]
    assert published.servers == {edge.url(first)}
    edge.probe(second, "healthy")
    edge.go(web)
    assert edge.reached(web) == {edge.url(first), edge.url(second)}


@pytest.mark.parametrize("looked", [True, False])
def test_what_is_scaled_away_is_drained_also_where_nobody_looks_at_its_health(
    edge: Edge, looked: bool
) -> None:
    """Nobody does as soon as a controller has just begun."""
    check = {"http": {"port": 80}}
    web = edge.service(ports=PORTS, replicas=2, healthCheck=check)
    edge.domain()
    edge.pass_(web)
    for container in edge.containers(web):
        edge.probe(container, "healthy")
    edge.go(web)
    assert len(edge.reached(web)) == 2
    if not looked:
        edge.forget()
    edge.service(ports=PORTS, replicas=1, healthCheck=check)
    edge.pass_(web)
    (staying,) = edge.reached(web)
    (going,) = (c for c in edge.containers(web) if edge.url(c) != staying)
    serving = edge.serving(web)
    edge.world.put(replace(serving, left={edge.url(going): edge.now}, open={edge.url(going): 1}))
    assert edge.text(web) == f"wait: the requests to {going.name} to end"
    edge.wait(31)
    assert [s.container for s in edge.pass_(web).steps if isinstance(s, StopContainer)] == [
        going.id
    ]


def test_it_is_drained_when_nothing_is_under_way(edge: Edge) -> None:
    web = started(edge)
    (old,) = edge.containers(web)
    edge.service(ports=PORTS, image="nginx:1.27")
    edge.go(web)
    assert old.id not in {c.id for c in edge.containers(web)}
    assert edge.reached(web) == {edge.url(c) for c in edge.containers(web)}


def test_a_crashed_replica_is_left_out_and_comes_back(edge: Edge) -> None:
    web = started(edge, replicas=2)
    first, second = edge.containers(web)
    edge.exits(first)
    plan = edge.pass_(web)
    assert f"without {edge.url(first)}" in plan.render()
    assert "StartContainer" in plan.render()
    edge.go(web)
    assert edge.reached(web) == {edge.url(c) for c in edge.containers(web)}
    assert edge.url(second) in edge.reached(web)


def test_unknown_health_changes_no_route(edge: Edge) -> None:
    web = started(edge, healthCheck={"http": {"port": 80}})
    for container in edge.containers(web):
        edge.probe(container, "healthy")
    edge.go(web)
    edge.forget()
    assert "PublishRoutes" not in edge.text(web)
    edge.probe(edge.only(web), "unhealthy")
    assert "without" in edge.text(web)


def test_scaling_down_drains(edge: Edge) -> None:
    web = started(edge, replicas=3)
    edge.service(ports=PORTS, replicas=1)
    first = edge.pass_(web).render()
    assert "PublishRoutes" in first
    assert "StopContainer" not in first
    assert "EndRollout" not in first
    then = "\n".join(edge.go(web))
    assert "StopContainer" in then
    assert "[drift: " not in then
    assert "EndRollout" in then
    assert len(edge.containers(web)) == 1
    assert edge.reached(web) == {edge.url(edge.only(web))}


def test_stopping_and_deleting_leave_the_route_first(edge: Edge) -> None:
    web = started(edge)
    edge.service(ports=PORTS, state="stopped")
    said = edge.go(web)
    text = "\n".join(said)
    assert text.index("PublishRoutes") < text.index("StopContainer")
    assert edge.reached(web) == set()
    edge.service(ports=PORTS)
    edge.go(web)
    edge.delete(web)
    said = edge.go(web)
    text = "\n".join(said)
    assert text.index("PublishRoutes") < text.index("StopContainer") < text.index("WithdrawRoutes")
    assert web not in edge.rows
    assert not edge.world.published


def test_proxies_that_do_not_answer_pause_a_rollout_but_no_deletion(edge: Edge) -> None:
    web = started(edge)
    (old,) = edge.containers(web)
    edge.service(ports=PORTS, image="nginx:1.27")
    edge.pass_(web)
    edge.wait(10)
    edge.proxies(problem="connection refused")
    edge.deaf = True
    edge.pass_(web)
    assert edge.text(web) == f"wait: the proxies to answer, before {old.name} goes"
    edge.wait(10_000)
    assert edge.text(web) == f"wait: the proxies to answer, before {old.name} goes"
    edge.delete(web)
    edge.go(web)
    assert web not in edge.rows


def test_nothing_is_published_before_it_was_read_back(edge: Edge) -> None:
    web = started(edge)
    edge.world.published.clear()
    edge.proxies(unread=True, problem="not read yet")
    assert edge.text(web) == ""


def test_what_was_published_and_changed_by_hand_is_drift(edge: Edge) -> None:
    web = started(edge)
    uid = edge.rows[web].resource.uid
    edge.world.put(replace(edge.world.published[uid], digest=""))
    assert edge.text(web).endswith("(what was published was changed) [drift: routes]")
    edge.go(web)
    del edge.world.published[uid]
    assert edge.text(web).endswith("(not published) [drift: routes]")


def test_what_was_taken_back_and_is_wanted_again_is_no_drift(edge: Edge) -> None:
    """It is remembered for an hour when its servers left."""
    web = started(edge)
    uid = edge.rows[web].resource.uid
    before = edge.serving(web)
    domain = edge.rows.pop(Key("Domain", "acme", "site"))
    edge.go(web)
    assert uid not in edge.world.published
    left = {url: edge.now for urls in before.anywhere.values() for url in urls}
    edge.world.put(replace(before, everywhere={}, anywhere={}, routers={}, left=left))
    edge.rows[domain.key] = domain
    assert edge.text(web).endswith("(not published)")


def test_ports_and_stickiness_make_backends_of_their_own(edge: Edge) -> None:
    web = started(edge)
    edge.domain(port=8080, sticky=True)
    edge.go(web)
    (name,) = edge.serving(web).anywhere
    assert name.endswith("-8080-sticky")
    assert edge.reached(web) == {edge.url(edge.only(web), 8080)}


def test_an_app_has_a_name_without_a_domain(edge: Edge) -> None:
    edge.proxies(default_domain="apps.test")
    web = edge.service(ports=PORTS)
    data = edge.service("quiet")
    edge.go(web)
    edge.go(data)
    published = [s for s in edge.world.serving.values() if s.routers]
    assert [set(s.anywhere) for s in published] == [set(edge.serving(web).anywhere)]
    assert edge.reached(web) == {edge.url(edge.only(web))}
    assert edge.rows[data].resource.uid not in edge.world.published
    told = [(edge.rows[key].status or {})["domains"] for key in (web, data)]
    assert told == [["web.acme.apps.test"], []]


def test_one_that_is_published_and_not_yet_seen_is_not_stopped(edge: Edge) -> None:
    """Nobody has seen a proxy send it requests, but one may by now."""
    web = started(edge, replicas=2)
    shown = edge.serving(web)
    kept = {name: frozenset(sorted(urls)[:1]) for name, urls in shown.anywhere.items()}
    gone = set().union(*shown.anywhere.values()) - set().union(*kept.values())
    leaver = next(c for c in edge.containers(web) if edge.url(c) in gone)
    long_ago = shown.since - timedelta(hours=1)
    edge.world.put(replace(shown, anywhere=kept, everywhere=kept, current=False, since=long_ago))
    edge.service(ports=PORTS, replicas=1)
    assert leaver.name.split("_")[2] == "1"
    assert "StopContainer" not in edge.text(web)
