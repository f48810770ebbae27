"""Which certificate is served for a Domain, as its plan and its status say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from resources.meta import HostnameClaim
from resources.routing.steps import PublishRoutes
from resources.routing.world import Certificate
from tests.property.apply import NOW
from tests.unit.domain.domain_stage import (
    INGRESS,
    NAME,
    SHOP,
    SPEC,
    UID,
    DomainStage,
    active,
)


def test_a_certificate_goes_when_one_of_its_names_is_not_ours_any_more() -> None:
    """Who has that name now would never get one of his own."""
    stage = DomainStage()
    stage.platform = replace(stage.platform, sealing_keys=frozenset({"0123456789abcdef"}))
    box = f"v1:0123456789abcdef:{'A' * 64}"
    cert = stage.declare("Secret", "acme", "cert", {"sealedData": {"tls.crt": box, "tls.key": box}})
    stage.settle(cert)
    key = stage.declare("Domain", "acme", "www", {**SPEC, "hostname": "www.example.com"})
    sibling = stage.rows[key]
    claims = (HostnameClaim("www.example.com", "", True),)
    stage.rows[key] = replace(sibling, record=replace(sibling.record, hostnames=claims))
    stage.domain(tls={"issuer": "custom", "secret": "cert"})
    stage.go()
    stage.serve()
    stage.ask()
    stage.go()
    names = frozenset({"shop.example.com", "www.example.com"})
    stage.world.put(replace(stage.world.published[UID], names=names))
    assert stage.go() == []
    del stage.rows[key]
    (step,) = stage.plan(SHOP).steps
    assert step.render() == f"PublishRoutes {NAME} (its certificate is also for www.example.com)"
    assert isinstance(step, PublishRoutes)
    assert "tls" not in step.document.content


def test_certificates_as_they_are_served() -> None:
    stage = active()
    stage.world.put(Certificate(UID, "TRAEFIK DEFAULT CERT", ("x.traefik.default",)))
    assert stage.condition("CertificateReady") == ("False", "CertificateMissing")
    assert stage.condition("Ready")[0] == "False"
    assert "no certificate for this hostname" in stage.told["message"]
    end = stage.now + timedelta(days=60)
    stage.world.put(Certificate(UID, "R3", ("shop.example.com",), end, covers=True))
    assert stage.condition("CertificateReady") == ("True", "CertificateServed")
    assert stage.condition("Ready")[0] == "True"
    assert stage.told["certificate"] == {
        "issuer": "R3",
        "names": ["shop.example.com"],
        "notAfter": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastError": None,
        "attempts": 0,
        "nextAttempt": None,
    }
    stage.world.put(Certificate(UID, "R3", ("shop.example.com",), end, True, "soon"))
    assert stage.condition("CertificateReady") == ("True", "DomainCertificateExpiring")
    stage.world.put(Certificate(UID, "R3", ("shop.example.com",), end, True, "over"))
    assert stage.condition("CertificateReady") == ("False", "DomainCertificateExpired")
    told = stage.told
    assert (told["state"], told["error"]["code"]) == ("active", "DOMAIN_CERTIFICATE_EXPIRED")


def test_where_nobody_knows_the_proxies_no_certificate_is_told() -> None:
    """Not even what was told before: it was somebody else's."""
    stage = active()
    stage.world.put(Certificate(UID, "R3", ("shop.example.com",), NOW, covers=True))
    assert stage.told["certificate"]["issuer"] == "R3"
    stage.world.certificates.clear()
    elsewhere = replace(INGRESS, mode="external", addresses=())
    stage.platform = replace(stage.platform, ingress=elsewhere)
    assert stage.told["certificate"]["issuer"] == ""
    assert stage.condition("CertificateReady") == ("Unknown", "NotRead")
