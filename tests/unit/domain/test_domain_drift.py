"""What the proxies serve is not what was published, or nobody can tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from resources.routing.world import Certificate, Published, Serving
from tests.property.apply import NOW
from tests.unit.domain.domain_stage import (
    ACME,
    INGRESS,
    NAME,
    ROUTER,
    SERVICE,
    UID,
    active,
)


def test_drift_is_named_and_healed() -> None:
    stage = active()
    stage.world.published.pop(UID)
    stage.world.serving.pop(UID)
    assert stage.go() == [f"PublishRoutes {NAME} (its routes were removed) [drift: routes]"]
    stage.world.put(Published(UID, NAME, ""))
    assert stage.go() == [f"PublishRoutes {NAME} (its routes were edited) [drift: routes]"]
    serving = stage.world.serving[UID]
    routers = dict(serving.routers)
    routers.pop(f"{ROUTER}-secure")
    stage.world.put(replace(serving, routers=routers))
    assert stage.go() == [f"wait: every proxy to serve {ROUTER}-secure"]
    stage.now += timedelta(seconds=5)
    for _ in range(2):
        assert stage.go() == [
            f"drift: routers: a proxy does not serve {ROUTER}-secure any more\n"
            f"wait: every proxy to serve {ROUTER}-secure"
        ]
    assert stage.told["drift"][0]["field"] == "routers"
    assert stage.condition("Programmed") == ("False", "NoLongerServed")
    stage.world.put(replace(serving, routers={**routers, f"{ROUTER}-secure": "no such service"}))
    stage.go()
    assert stage.told["error"]["code"] == "DOMAIN_ROUTE_REFUSED"
    stage.world.put(serving)
    assert stage.go() == []
    assert "drift" not in stage.told


def test_what_the_proxies_lost_first_was_removed_all_the_same() -> None:
    stage = active()
    stage.world.serving.pop(UID)
    stage.go()
    assert stage.condition("Programmed") == ("False", "NoLongerServed")
    stage.world.published.pop(UID)
    assert stage.go() == [f"PublishRoutes {NAME} (its routes were removed) [drift: routes]"]


def test_while_the_proxies_cannot_be_asked_everything_stays() -> None:
    stage = active()
    silent = replace(INGRESS, problem="127.0.0.1:8081 does not answer")
    stage.platform = replace(stage.platform, ingress=silent)
    stage.world.serving.clear()
    assert stage.go() == ["wait: the proxies: 127.0.0.1:8081 does not answer"]
    assert stage.condition("Programmed") == ("Unknown", "ProxiesUnknown")
    assert stage.told["state"] == "active"
    assert stage.told["message"].startswith("should answer at https://shop.example.com; 127.0.0.1")
    assert UID in stage.world.published
    stage.platform = replace(stage.platform, ingress=INGRESS)
    stage.serve()
    stage.world.put(Serving(UID, stage.now, dict.fromkeys(stage.routers(), "")))
    assert stage.go() == []
    assert stage.condition("Programmed") == ("True", "Programmed")


def test_what_cannot_be_reached_is_not_said_to_answer() -> None:
    stage = active()
    stage.world.put(Certificate(UID, error="no HTTPS connection: Connection refused"))
    stage.go()
    assert stage.told["message"] == (
        "should answer at https://shop.example.com; no HTTPS connection: Connection refused"
    )


def test_a_controller_that_has_just_begun_says_nothing_new() -> None:
    """Neither what is published, nor what is served, nor DNS is known yet."""
    stage = active()
    stage.world.put(Certificate(UID, "R3", ("shop.example.com",), NOW, covers=True))
    told = stage.told
    stage.platform = replace(stage.platform, ingress=replace(INGRESS, unread=True, problem="x"))
    stage.world.forget_routes((UID, SERVICE))
    assert stage.go() == []
    assert stage.told == told
    stage.now += timedelta(minutes=1)
    stage.ask()
    assert stage.told == told
    stage.declare(*ACME, {"suspended": True})
    assert stage.go() == []
