"""A Domain that is played pass by pass, with DNS and proxies that answer as they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resources.conditions import find
from resources.context import Platform
from resources.domain.standing import DomainStanding, stand
from resources.domain.verifying import Answer, DnsQuestion, judge
from resources.meta import HostnameClaim, Key
from resources.routing.world import DnsFinding, Ingress, Serving
from tests.property.apply import INSTANCE, Stage, uid_of

ACME, WEB, SHOP = (
    Key("Organization", "", "acme"),
    Key("Service", "acme", "web"),
    Key("Domain", "acme", "shop"),
)
UID, SERVICE = uid_of(*SHOP), uid_of(*WEB)
NAME = f"domain_acme_shop_{UID[:8]}"
ROUTER = f"acme-shop-{UID[:8]}"
BACKEND = f"acme-web-{SERVICE[:8]}-first"
SPEC = {"hostname": "shop.example.com", "service": "web"}
OURS = ("192.0.2.7", "edge.example.net")
INGRESS = Ingress(
    mode="process", addresses=OURS, resolver="letsencrypt", default_domain="apps.test"
)


class DomainStage(Stage):
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
        question = next(t for t in standing.questions if t.hostname == hostname)
        there = (question.token,) if texts is None else texts
        whole = Answer(there, **{"addresses": ("192.0.2.7",), **answer})
        before = self.world.findings.get(UID, {}).get(hostname)
        found = judge(before, question, whole, self.now)
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

    def standing(self) -> DomainStanding:
        return stand(self.context(SHOP))

    def question(self) -> DnsQuestion | None:
        """None also while nothing is in force."""
        context = self.context(SHOP)
        standing = stand(context) if context.spec is not None else None
        return standing.question if standing is not None and standing.declared.spec else None

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


def active(**spec: Any) -> DomainStage:
    stage = DomainStage()
    stage.domain(**spec)
    stage.go()
    stage.serve()
    stage.ask()
    stage.go()
    assert stage.told["state"] == "active", stage.told
    return stage
