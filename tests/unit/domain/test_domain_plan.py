"""Plans of a Domain, as text: claimed, published, served, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.errors import UserError
from resources.meta import Key
from resources.routing.steps import PublishRoutes
from resources.routing.world import Ingress, Serving
from tests.property.apply import uid_of
from tests.unit.domain.domain_stage import (
    ACME,
    BACKEND,
    INGRESS,
    NAME,
    OURS,
    SERVICE,
    SHOP,
    SPEC,
    UID,
    WEB,
    DomainStage,
    active,
)


def test_from_nothing() -> None:
    stage = DomainStage()
    stage.domain()
    assert stage.go() == [
        "ClaimHostname shop.example.com (not claimed yet)",
        "Accept generation 1 (new)\nwait: proof: DNS is being asked",
        "wait: proof: DNS is being asked",
    ]
    told = stage.told
    assert (told["phase"], told["state"], told["error"]) == ("Pending", "pending", None)
    proof = told["verification"]
    assert proof["record"] == "_skypanel-verify.shop.example.com"
    assert stage.ask(()).failures == 1
    assert stage.go() == [
        f"wait: proof: TXT record {proof['record']}: expected {proof['value']}, found none"
    ]
    stage.ask(("v=spf1", "skypanel-wrong"))
    assert stage.go()[0].endswith(f"expected {proof['value']}, found skypanel-wrong, v=spf1")
    assert stage.condition("Verified") == ("False", "OwnershipNotProven")
    stage.ask(addresses=("198.51.100.1",))
    assert stage.go() == [
        "ClaimHostname shop.example.com verified (proven)",
        "wait: proof: shop.example.com leads to 198.51.100.1; expected 192.0.2.7, edge.example.net",
    ]
    assert stage.condition("Verified") == ("False", "DnsPointsElsewhere")
    assert stage.told["verification"]["addresses"] == {
        "found": ["198.51.100.1"],
        "expected": list(OURS),
    }
    stage.ask()
    assert stage.go() == ["wait: Service web to be served by the proxies"]
    assert stage.condition("Verified") == ("True", "Verified")
    assert stage.condition("Programmed") == ("False", "NotPublished")
    stage.serve()
    assert stage.go() == [f"PublishRoutes {NAME} (proven, and its service is served)"]
    told = stage.told
    assert (told["phase"], told["state"], told["url"]) == (
        "Active",
        "active",
        "https://shop.example.com",
    )
    assert [stage.condition(c)[0] for c in ("Accepted", "Verified", "Programmed", "Ready")] == [
        "True"
    ] * 4
    assert stage.condition("CertificateReady") == ("Unknown", "NotRead")
    assert stage.plan(SHOP).converged
    assert stage.told == told


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_a_controller_killed_anywhere_goes_on(steps: int) -> None:
    stage = DomainStage()
    stage.domain()
    for _ in range(steps):
        stage.run(SHOP, 1)
        stage.serve()
        stage.ask()
    stage.go()
    stage.serve()
    stage.ask()
    stage.go()
    assert stage.told["state"] == "active"


REFUSED = [
    ({"hostname": "shop.beta.apps.test"}, INGRESS, "DOMAIN_RESERVED", "/spec/hostname"),
    ({"hostname": "apps.test"}, INGRESS, "DOMAIN_RESERVED", "/spec/hostname"),
    ({"hostname": "*.apps.test"}, INGRESS, "DOMAIN_RESERVED", "/spec/hostname"),
    ({"hostname": "acme.apps.test.apps.test"}, INGRESS, "DOMAIN_RESERVED", "/spec/hostname"),
    ({"hostname": "*.example.com"}, INGRESS, "DOMAIN_CERTIFICATE_WILDCARD", "/spec/tls/issuer"),
    ({"service": "nobody"}, INGRESS, "RESOURCE_NOT_FOUND", "/spec/service"),
    (
        {"middlewares": {"basicAuth": {"secret": "users"}}},
        INGRESS,
        "SECRET_NOT_FOUND",
        "/spec/middlewares/basicAuth/secret",
    ),
    (
        {"tls": {"issuer": "custom", "secret": "cert"}},
        INGRESS,
        "SECRET_NOT_FOUND",
        "/spec/tls/secret",
    ),
]


@pytest.mark.parametrize(("spec", "ingress", "code", "pointer"), REFUSED, ids=range(len(REFUSED)))
def test_refused(spec: dict[str, Any], ingress: Ingress, code: str, pointer: str) -> None:
    stage = DomainStage(ingress)
    stage.domain(**spec)
    stage.go()
    told = stage.told
    assert told["error"]["code"] == code
    assert told["error"]["details"]["pointer"] == pointer
    assert (told["phase"], told["state"]) == ("Failed", "error")
    assert stage.condition("Accepted")[0] == "False"
    assert stage.condition("Stalled")[0] == "True"
    assert not stage.rows[SHOP].record.hostnames


def test_no_port() -> None:
    stage = DomainStage()
    stage.declare(*WEB, {"image": "nginx:1.27"})
    stage.domain()
    stage.go()
    assert stage.told["error"]["code"] == "DOMAIN_NO_PORT"
    stage.domain(port=3000)
    stage.go()
    assert stage.told["error"] is None


def test_a_refused_generation_leaves_the_earlier_one_in_force() -> None:
    stage = active()
    stage.domain(service="nobody")
    stage.go()
    told = stage.told
    assert (told["phase"], told["state"]) == ("Active", "active")
    assert told["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert UID in stage.world.published
    stage.domain(hostname="https://nonsense")
    stage.go()
    assert UID in stage.world.published


def test_moved_to_another_service() -> None:
    stage = active()
    stage.declare("Service", "acme", "new", {"image": "i", "ports": [{"containerPort": 80}]})
    stage.domain(service="new")
    assert stage.go()[-1] == "wait: Service new to be served by the proxies"
    assert UID in stage.world.published
    uid = uid_of("Service", "acme", "new")
    urls = {f"acme-new-{uid[:8]}-first": frozenset({"http://10.0.0.3:80"})}
    stage.world.put(Serving(uid, stage.now, {}, urls, urls))
    assert stage.go() == [f"PublishRoutes {NAME} (declared otherwise)"]


def test_suspended() -> None:
    stage = active()
    stage.declare(*ACME, {"suspended": True})
    assert stage.go() == [f"WithdrawRoutes {NAME} (the organization is suspended)"]
    assert (stage.told["phase"], stage.told["state"]) == ("Suspended", "pending")
    stage.declare(*ACME, {})
    assert stage.go() == [f"PublishRoutes {NAME} (proven, and its service is served)"]


def test_its_service_goes() -> None:
    stage = active()
    resource = replace(stage.rows[WEB].resource, deletion_requested_at=stage.now)
    stage.rows[WEB] = replace(stage.rows[WEB], resource=resource)
    assert stage.go()[0].startswith(f"WithdrawRoutes {NAME} (spec.service: Service web is being")
    assert stage.told["error"]["code"] == "RESOURCE_CONFLICT"
    del stage.rows[WEB]
    stage.go()
    assert stage.told["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert stage.condition("Accepted")[0] == "True"


def test_deletion() -> None:
    stage = active()
    stage.delete(SHOP)
    assert stage.go() == [
        f"WithdrawRoutes {NAME} (deletion requested)\n"
        "ReleaseHostnames all (deletion requested)\nFinalize row (deletion requested)"
    ]
    assert UID not in stage.world.published


def test_no_ingress() -> None:
    stage = DomainStage(Ingress(verification="none"))
    stage.domain()
    assert stage.go()[-1] == "wait: an ingress: this platform runs none"
    assert stage.condition("Programmed") == ("False", "NoIngress")


@pytest.mark.parametrize("redirected", [False, True])
def test_it_says_when_nobody_is_there_to_answer(redirected: bool) -> None:
    to = {"middlewares": {"redirect": {"to": "https://www.example.com"}}}
    stage = active(**(to if redirected else {}))
    assert "503" not in stage.told["message"]
    nobody: dict[str, frozenset[str]] = {BACKEND: frozenset()}
    stage.world.put(Serving(SERVICE, stage.now, {}, nobody, nobody))
    stage.go()
    words = "; 503: no replica of Service web serves"
    assert stage.told["message"].endswith(words) is not redirected
    assert stage.told["state"] == "active"
    assert stage.go() == []


def test_quota() -> None:
    stage = DomainStage(organization={"quota": {"domains": 1}})
    stage.domain()
    assert stage.go()[0] == "Claim domains 1 (generation 1)"
    other = Key("Domain", "acme", "other")
    stage.declare(*other, {**SPEC, "hostname": "other.example.com"})
    stage.run(other)
    assert stage.status(other)["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"


def test_a_port_that_the_service_does_not_declare_is_told() -> None:
    stage = DomainStage()
    stage.domain(port=9999)
    stage.go()
    stage.serve(f"acme-web-{SERVICE[:8]}-9999")
    stage.ask()
    stage.go()
    assert stage.told["message"] == (
        "should answer at https://shop.example.com; "
        "port 9999 is none of those that Service web declares (8080)"
    )
    stage.declare(*WEB, {"image": "nginx:1.27"})
    assert stage.told["message"] == "answers at https://shop.example.com", "it declares none at all"


def test_what_cannot_be_published_leaves_what_is() -> None:
    """A certificate that may not be used, say: the earlier declaration lets visitors in."""
    stage = active()
    published = stage.world.published[UID]
    stage.domain(sticky=True)
    while not any(isinstance(step, PublishRoutes) for step in stage.plan(SHOP).steps):
        stage.run(SHOP)
        stage.serve(f"{BACKEND}-sticky")
    refused = UserError("DOMAIN_CERTIFICATE_UNFIT", "the certificate is for others' names")
    told = stage.status(SHOP, refused)
    assert (told["phase"], told["error"]["code"]) == ("Active", "DOMAIN_CERTIFICATE_UNFIT")
    assert stage.condition("Ready")[0] == "False"
    assert stage.world.published[UID] == published
