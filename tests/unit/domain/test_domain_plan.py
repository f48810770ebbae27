"""Plans of a Domain, as text: claimed, proven, published, served, and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resources.conditions import find
from resources.context import Platform
from resources.domain.standing import Standing, stand
from resources.domain.verifying import Answer, Target, judge
from resources.meta import HostnameClaim, Key
from resources.routing.steps import PublishRoutes
from resources.routing.world import Certificate, DnsFinding, Ingress, Published, Serving
from tests.property.apply import INSTANCE, NOW, Stage, uid_of

ACME, WEB, SHOP = (
    Key("Organization", "", "acme"),
    Key("Service", "acme", "web"),
    Key("Domain", "acme", "shop"),
)
UID, SERVICE = uid_of(*SHOP), uid_of(*WEB)
NAME = f"domain_acme_shop_{UID[:8]}"
ROUTER = f"acme-shop-{UID[:8]}"
BACKEND = f"acme-web-{SERVICE[:8]}-8080"
SPEC = {"hostname": "shop.example.com", "service": "web"}
OURS = ("192.0.2.7", "edge.example.net")
INGRESS = Ingress(
    mode="process", addresses=OURS, resolver="letsencrypt", default_domain="apps.test"
)


class Routed(Stage):
    """An organization with a Service that nobody plays; a Domain that is played pass by pass."""

    def __init__(self, ingress: Ingress = INGRESS, organization: dict[str, Any] | None = None):
        super().__init__(platform=Platform(INSTANCE, ingress=ingress))
        self.declare(*ACME, organization or {})
        self.settle(ACME)
        ports = [{"containerPort": 53, "protocol": "udp"}, {"containerPort": 8080}]
        self.declare(*WEB, {"image": "nginx:1.27", "ports": ports})

    def domain(self, **spec: Any) -> None:
        self.declare(*SHOP, {**SPEC, **spec})

    def serve(self, *backends: str) -> None:
        urls = {name: frozenset({"http://10.0.0.2:8080"}) for name in backends or (BACKEND,)}
        self.world.put(Serving(SERVICE, self.now, {}, urls, urls))

    def ask(
        self, texts: tuple[str, ...] | None = None, *, of: str = "", **answer: Any
    ) -> DnsFinding:
        """DNS answers; texts None: as it should be. of: an earlier hostname."""
        standing = stand(self.context(SHOP))
        hostname = of or standing.spec.hostname
        target = next(t for t in standing.targets if t.hostname == hostname)
        there = (target.token,) if texts is None else texts
        whole = Answer(there, **{"addresses": ("192.0.2.7",), **answer})
        before = self.world.findings.get(UID, {}).get(hostname)
        found = judge(before, target, whole, self.now)
        self.world.put(found)
        return found

    def go(self) -> list[str]:
        """Passes until nothing is left to do, each reported; what was said."""
        said: list[str] = []
        for _ in range(20):
            plan = self.run(SHOP)
            if text := plan.render():
                said.append(text)
            if SHOP not in self.rows:
                return said
            self.status(SHOP)
            if not plan.steps:
                return said
        raise AssertionError("it never ends:\n" + "\n".join(said))

    def standing(self) -> Standing:
        return stand(self.context(SHOP))

    def target(self) -> Target | None:
        """None also while nothing is in force."""
        context = self.context(SHOP)
        standing = stand(context) if context.spec is not None else None
        return standing.target if standing is not None and standing.declared.spec else None

    def routers(self) -> list[str]:
        return list(stand(self.context(SHOP)).document.content["http"]["routers"])

    @property
    def told(self) -> dict[str, Any]:
        return self.status(SHOP)

    def condition(self, type_: str) -> tuple[str, str]:
        found = find(self.told, type_)
        assert found is not None
        return found["status"], found["reason"]

    def claims(self, *claims: HostnameClaim) -> None:
        """As the store has decided."""
        entry = self.rows[SHOP]
        self.rows[SHOP] = replace(entry, record=replace(entry.record, hostnames=claims))


def active(**spec: Any) -> Routed:
    stage = Routed()
    stage.domain(**spec)
    stage.go()
    stage.serve()
    stage.ask()
    stage.go()
    assert stage.told["state"] == "active", stage.told
    return stage


def test_from_nothing() -> None:
    stage = Routed()
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
    stage = Routed()
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


def test_the_token_is_the_organizations_own_and_stays() -> None:
    stage = active()
    first = stage.told["verification"]["value"]
    stage.declare("Domain", "acme", "api", {**SPEC, "pathPrefix": "/api"})
    same = stand(stage.context(Key("Domain", "acme", "api"))).target
    stage.declare("Organization", "", "beta", {})
    stage.declare("Service", "beta", "web", {"image": "i", "ports": [{"containerPort": 80}]})
    stage.declare("Domain", "beta", "shop", SPEC)
    other = stand(stage.context(Key("Domain", "beta", "shop"))).target
    assert same is not None
    assert other is not None
    assert same.token == first != other.token


def test_a_wildcard_is_proven_at_what_it_stands_below() -> None:
    stage = Routed(replace(INGRESS, wildcards=True))
    stage.domain(hostname="*.example.com")
    stage.go()
    target = stand(stage.context(SHOP)).target
    assert target is not None
    assert target.record == "_skypanel-verify.example.com"
    assert target.host.endswith(".example.com")
    assert "*" not in target.host


@pytest.mark.parametrize(
    ("ingress", "spec", "why"),
    [
        (replace(INGRESS, verification="none"), {}, "needs no proof"),
        (INGRESS, {"hostname": "shop.acme.apps.test"}, "needs no proof"),
        (INGRESS, {"hostname": "acme.apps.test"}, "needs no proof"),
    ],
)
def test_no_proof_is_needed(ingress: Ingress, spec: dict[str, Any], why: str) -> None:
    stage = Routed(ingress)
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
    stage = Routed(ingress)
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
    stage = Routed()
    stage.declare(*WEB, {"image": "nginx:1.27"})
    stage.domain()
    stage.go()
    assert stage.told["error"]["code"] == "DOMAIN_NO_PORT"
    stage.domain(port=3000)
    stage.go()
    assert stage.told["error"] is None


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
    stage = Routed()
    stage.domain(pathPrefix="/api")
    stage.run(SHOP)
    stage.claims(HostnameClaim("shop.example.com", "/api", False, "duplicate:first"))
    stage.go()
    assert (
        "Domain first of this organization stands for shop.example.com/api"
        in (stage.told["message"])
    )
    assert stage.rows[SHOP].record.accepted_generation is None


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
    stage = Routed(replace(INGRESS, addresses=()))
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


def test_a_certificate_goes_when_one_of_its_names_is_not_ours_any_more() -> None:
    """Who has that name now would never get one of his own."""
    stage = Routed()
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
    assert UID in stage.world.published
    stage.platform = replace(stage.platform, ingress=INGRESS)
    stage.serve()
    stage.world.put(Serving(UID, stage.now, dict.fromkeys(stage.routers(), "")))
    assert stage.go() == []
    assert stage.condition("Programmed") == ("True", "Programmed")


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


def test_moved_to_another_service() -> None:
    stage = active()
    stage.declare("Service", "acme", "new", {"image": "i", "ports": [{"containerPort": 80}]})
    stage.domain(service="new")
    assert stage.go()[-1] == "wait: Service new to be served by the proxies"
    assert UID in stage.world.published
    uid = uid_of("Service", "acme", "new")
    urls = {f"acme-new-{uid[:8]}-80": frozenset({"http://10.0.0.3:80"})}
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
    stage = Routed(Ingress(verification="none"))
    stage.domain()
    assert stage.go()[-1] == "wait: an ingress: this platform runs none"
    assert stage.condition("Programmed") == ("False", "NoIngress")


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


def test_quota() -> None:
    stage = Routed(organization={"quota": {"domains": 1}})
    stage.domain()
    assert stage.go()[0] == "Claim domains 1 (generation 1)"
    other = Key("Domain", "acme", "other")
    stage.declare(*other, {**SPEC, "hostname": "other.example.com"})
    stage.run(other)
    assert stage.status(other)["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"


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
