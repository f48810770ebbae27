"""Who is about to be published again, after what was published has been lost."""

from __future__ import annotations

from dataclasses import replace

from resources.returning import returning
from tests.unit.domain.domain_stage import SERVICE, SHOP, UID, WEB, DomainStage, active
from tests.unit.service.test_service_cutover import Edge, started


def test_a_domain_returns_once_its_service_is_served_again() -> None:
    stage = active()
    assert not returning(stage.context(SHOP))
    stage.world.published.pop(UID)
    stage.world.serving.clear()
    assert stage.go()[-1] == "wait: Service web to be served by the proxies"
    for _ in range(2):  # by the status that says what it was, and by the next one
        stage.go()
        assert returning(stage.context(SHOP))
    stage.serve()
    stage.go()
    assert not returning(stage.context(SHOP))


def test_nor_is_it_forgotten_while_the_proxies_have_not_been_asked() -> None:
    stage = active()
    stage.world.published.pop(UID)
    stage.world.serving.clear()
    known = stage.platform
    silent = replace(known.ingress, problem="the proxies have not been asked yet")
    stage.platform = replace(known, ingress=silent)
    stage.go()
    assert returning(stage.context(SHOP))
    stage.platform = known
    for _ in range(2):
        stage.go()
        assert returning(stage.context(SHOP))


def test_a_domain_that_was_never_served_does_not_return() -> None:
    stage = DomainStage()
    stage.domain()
    stage.go()
    assert not returning(stage.context(SHOP))
    stage.ask()
    stage.go()
    assert SERVICE not in stage.world.serving
    assert not returning(stage.context(SHOP))


def test_a_domain_without_its_service_does_not_return() -> None:
    stage = active()
    stage.world.published.pop(UID)
    stage.world.serving.clear()
    del stage.rows[WEB]
    stage.go()
    assert not returning(stage.context(SHOP))


def test_a_service_returns_once_its_replicas_are_proven_again() -> None:
    edge = Edge()
    check = {"http": {"port": 80}}
    web = started(edge, healthCheck=check)
    (replica,) = edge.containers(web)
    assert not returning(edge.context(web))
    edge.world.published.clear()
    edge.world.serving.clear()
    assert returning(edge.context(web))
    edge.forget()
    edge.pass_(web)
    assert edge.world.published[edge.rows[web].resource.uid].servers == set()
    assert returning(edge.context(web))
    edge.probe(replica, "unhealthy")
    assert not returning(edge.context(web))
    edge.probe(replica, "healthy")
    assert returning(edge.context(web))
    edge.go(web)
    assert edge.reached(web) == {edge.url(replica)}
    assert not returning(edge.context(web))


def test_a_new_service_does_not_return() -> None:
    edge = Edge()
    edge.optimistic = False
    web = edge.service(ports=[{"containerPort": 80}], healthCheck={"http": {"port": 80}})
    edge.domain()
    edge.pass_(web)
    assert not returning(edge.context(web))
