"""Whose a hostname is: proven, taken, doubted and lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resources.conditions import find
from resources.domain.standing import stand
from resources.meta import HostnameClaim, Key
from resources.routing.world import Ingress
from tests.unit.domain.domain_stage import (
    INGRESS,
    NAME,
    SHOP,
    SPEC,
    UID,
    DomainStage,
    active,
)


def test_the_token_is_the_organizations_own_and_stays() -> None:
    stage = active()
    first = stage.told["verification"]["value"]
    stage.declare("Domain", "acme", "api", {**SPEC, "pathPrefix": "/api"})
    same = stand(stage.context(Key("Domain", "acme", "api"))).question
    stage.declare("Organization", "", "beta", {})
    stage.declare("Service", "beta", "web", {"image": "i", "ports": [{"containerPort": 80}]})
    stage.declare("Domain", "beta", "shop", SPEC)
    other = stand(stage.context(Key("Domain", "beta", "shop"))).question
    assert same is not None
    assert other is not None
    assert same.token == first != other.token


def test_a_wildcard_is_proven_at_what_it_stands_below() -> None:
    stage = DomainStage(replace(INGRESS, wildcards=True))
    stage.domain(hostname="*.example.com")
    stage.go()
    question = stand(stage.context(SHOP)).question
    assert question is not None
    assert question.record == "_skypanel-verify.example.com"
    assert question.host.endswith(".example.com")
    assert "*" not in question.host


@pytest.mark.parametrize(
    ("ingress", "spec", "why"),
    [
        (replace(INGRESS, verification="none"), {}, "needs no proof"),
        (INGRESS, {"hostname": "shop.acme.apps.test"}, "needs no proof"),
        (INGRESS, {"hostname": "acme.apps.test"}, "needs no proof"),
    ],
)
def test_no_proof_is_needed(ingress: Ingress, spec: dict[str, Any], why: str) -> None:
    stage = DomainStage(ingress)
    stage.serve()
    stage.domain(**spec)
    hostname = spec.get("hostname", "shop.example.com")
    assert stage.go() == [
        f"ClaimHostname {hostname} (not claimed yet)",
        f"Accept generation 1 (new)\nClaimHostname {hostname} verified ({why})",
        f"PublishRoutes {NAME} (proven, and its service is served)",
    ]
    assert stage.told["verification"] is None
    assert stage.condition("Verified") == ("True", "NotRequired")


def test_a_name_that_is_taken() -> None:
    """Nobody is named, and what is there already goes."""
    stage = active()
    stage.claims(HostnameClaim("shop.example.com", "", False, "taken"))
    assert stage.go()[0].startswith(f"WithdrawRoutes {NAME} (the name is not ours)\nproblem: DOM")
    error = stage.told["error"]
    assert error["code"] == "DOMAIN_CONFLICT"
    assert error["message"] == (
        "spec.hostname: shop.example.com is taken; somebody else has proven that it is theirs"
    )
    assert stage.condition("Accepted") == ("False", "DomainConflict")
    assert stage.told["state"] == "error"
    stage.claims(HostnameClaim("shop.example.com"))
    stage.go()
    assert stage.told["state"] == "active"


def test_twice_in_one_organization() -> None:
    stage = DomainStage()
    stage.domain(pathPrefix="/api")
    stage.run(SHOP)
    stage.claims(HostnameClaim("shop.example.com", "/api", False, "duplicate:first"))
    stage.go()
    assert (
        "Domain first of this organization stands for shop.example.com/api"
        in (stage.told["message"])
    )
    assert stage.rows[SHOP].record.accepted_generation is None


def test_another_hostname_takes_over_once_it_is_proven() -> None:
    stage = active()
    before = stage.world.published[UID]
    stage.domain(hostname="new.example.com")
    stage.world.findings.pop(UID)
    stage.go()
    stage.ask(())
    stage.go()
    assert stage.world.published[UID] == before
    assert len(stage.rows[SHOP].record.hostnames) == 2
    stage.ask()
    assert stage.go() == [
        "ClaimHostname new.example.com verified (proven)",
        f"PublishRoutes {NAME} (declared otherwise)",
        "ReleaseHostnames all but new.example.com (declared otherwise)",
    ]
    assert stage.told["url"] == "https://new.example.com"
    assert stage.rows[SHOP].record.hostnames == (HostnameClaim("new.example.com", "", True),)


def test_where_nobody_says_what_leads_here_a_name_must_lead_somewhere() -> None:
    stage = DomainStage(replace(INGRESS, addresses=()))
    stage.domain()
    stage.serve()
    stage.go()
    stage.ask(addresses=())
    assert stage.go()[-1] == "wait: proof: shop.example.com has no address (A, AAAA or CNAME)"
    stage.ask(addresses=("198.51.100.9",))
    stage.go()
    assert stage.told["state"] == "active"


def test_what_dns_says_for_a_while_takes_nothing_away() -> None:
    stage = active()
    told = stage.told
    stage.now += timedelta(hours=1)
    stage.ask((), error="timed out")
    assert stage.go() == []
    assert {**stage.told, "verification": 0} == {**told, "verification": 0}
    for _ in range(40):
        stage.now += timedelta(minutes=30)
        stage.ask(())
        assert stage.go() == []
    assert stage.told["state"] == "active"
    verified = find(stage.told, "Verified")
    assert verified is not None
    assert verified["status"] == "True"
    assert "kept for now, but TXT record" in verified["message"]
    stage.now += timedelta(hours=6)
    stage.ask(())
    assert stage.go() == [
        "ClaimHostname shop.example.com (the proof has been missing for long)",
        f"WithdrawRoutes {NAME} (the name is not proven any more)\n"
        f"wait: proof: {stand(stage.context(SHOP)).unverified[1]}",
        f"wait: proof: {stand(stage.context(SHOP)).unverified[1]}",
    ]
    assert stage.told["state"] == "pending"


def test_dns_that_cannot_be_asked_never_counts() -> None:
    stage = active()
    for _ in range(100):
        stage.now += timedelta(hours=12)
        stage.ask((), error="no resolver answers")
    assert stage.go() == []
    assert stage.told["state"] == "active"


def test_a_restart_forgets_nothing() -> None:
    """DNS is not asked yet, and the proxies say nothing yet."""
    stage = active()
    told = stage.told
    stage.world.findings.clear()
    assert stage.go() == []
    assert stage.told["state"] == "active"
    for _ in range(4):
        stage.now += timedelta(hours=10)
        stage.ask(())
        stage.go()
    since = stage.told["verification"]["failingSince"]
    stage.world.findings.clear()
    stage.go()
    stage.now += timedelta(minutes=1)
    stage.ask(())
    stage.go()
    assert stage.told["verification"]["failingSince"] == since
    assert told["state"] == stage.told["state"] == "active"
