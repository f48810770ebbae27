"""How labels are called, what is written on a container, and how it is read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from resources.domain.labels import Labels, TraefikService, labels
from resources.domain.routing import Route, render
from resources.domain.spec import DomainSpec
from resources.labels import L_ROUTES
from resources.observed import Container
from resources.routing.container_routes import domains
from resources.routing.definitions import definitions, hosts
from resources.routing.routes_label import ENABLE, NETWORK, Carried, read, signed, written
from resources.routing.rules import PATIENT
from resources.routing.world import Labelled
from resources.sealed import Sealed
from resources.validate import validate
from tests.unit.domain.hostile import HEADERS, LITERAL, TARGETS, TO, H, M, P, at
from tests.unit.domain.label_parser import parse, shaped
from tests.unit.domain.labelling import INGRESS, SHOP, UID


def test_names_say_what_they_stand_for() -> None:
    """Whoever changes what is rendered makes other containers: say so in the notes of a release."""
    spec = DomainSpec.model_validate(
        {"hostname": "a.example.com", "service": "web", "tls": {"enabled": False}}
    )
    target = TraefikService("acme-web-22222222-80", 80)
    route = Route(SHOP, "3f2a9c01-0000", spec, target.name)
    found = labels(render(route, INGRESS, asking=True), target, 7)
    base = f"acme-shop-3f2a9c01-{found.digest}"
    assert found.digest == "7cf94606"
    assert found.plain == {
        f"traefik.http.routers.{base}.rule": "Host(`a.example.com`)",
        f"traefik.http.routers.{base}.priority": "1000000000000007",
        f"traefik.http.routers.{base}.service": target.label,
        f"traefik.http.routers.{base}.entrypoints": "web",
        f"traefik.http.routers.{base}.middlewares": f"acme-shop-3f2a9c01-retry-{found.digest}",
        f"traefik.http.middlewares.acme-shop-3f2a9c01-retry-{found.digest}.retry.attempts": "20",
        f"traefik.http.middlewares.acme-shop-3f2a9c01-retry-{found.digest}.retry.initialinterval": (
            "25ms"
        ),
        f"traefik.http.services.{target.label}.loadbalancer.server.port": "80",
    }


USERS = {"users": {"a.b": Sealed("acme", "users", "a.b", f"v1:0123456789abcdef:{'A' * 64}")}}
EVERYTHING: list[dict[str, Any]] = [
    *(at(pointer, value) for pointer, value, *_ in LITERAL),
    *(at(TO, target) for target in TARGETS),
    *({**at(P, path), "stripPrefix": True} for path in ("/a$1&(x)=~!,;:@+", "/a.b,,c-_d", "/x")),
    at(f"{M}/headers", {"request": HEADERS, "response": HEADERS}),
    at(f"{M}/headers/request", {"!#$%&'*+-^_`|~0Aa": " spaced, out\t"}),
    at(f"{M}/ipAllowList", ["192.0.2.0/24", "2001:db8::/32"]),
    at(f"{M}/basicAuth", {"secret": "users"}),
    {**at(H, "*.example.com"), "sticky": True},
]


@pytest.mark.parametrize("raw", EVERYTHING)
def test_traefik_reads_back_what_was_rendered(raw: dict[str, Any]) -> None:
    spec = validate("Domain", raw)
    assert isinstance(spec, DomainSpec)
    target = TraefikService("acme-web-22222222-80", 80, sticky=spec.sticky)
    made = render(Route(SHOP, UID, spec, target.name, USERS), INGRESS)
    found = labels(made, target, 7)
    users = {name: ",".join(f"{s.key}:$apr1$x$./y" for s in v) for name, v in found.sealed.items()}
    parsed = parse({ENABLE: "true", NETWORK: "n", **found.plain, **users}).at("http")
    for kind in ("routers", "middlewares"):
        expected = {
            f"{name}-{found.digest}": _in_labels(part, found)
            for name, part in made.content["http"][kind].items()
        }
        assert shaped(parsed.at(kind), expected) == expected


def _in_labels(part: Any, found: Labels) -> Any:
    """With what labels say in their own way on purpose."""
    match part:
        case {"priority": priority}:
            chain = [f"{name}-{found.digest}" for name in part["middlewares"]]
            newer = priority * 10**9 + 7
            return {**part, "priority": newer, "service": found.service.label, "middlewares": chain}
        case {"retry": _}:
            return {"retry": PATIENT}
        case {"basicAuth": _}:
            return {"basicAuth": {"users": ["a.b:$apr1$x$./y"], "removeHeader": True}}
        case {"stripPrefix": {"prefixes": [prefix]}} if "," in prefix:
            regex = "^" + re.escape(prefix).replace(",", r"\x2c")
            return {"stripPrefixRegex": {"regex": [regex]}}
    return part


@pytest.mark.parametrize("prefix", ["/a,b", "/,", "/a.b,(c)+$"])
def test_a_comma_in_a_prefix_divides_nothing(prefix: str) -> None:
    spec = DomainSpec.model_validate({**at(P, prefix), "stripPrefix": True})
    target = TraefikService("web-80", 80)
    found = labels(render(Route(SHOP, UID, spec, target.name), INGRESS), target)
    (regex,) = (v for k, v in found.plain.items() if ".stripprefix" in k)
    assert "," not in regex
    assert re.sub(regex, "", f"{prefix}/x") == "/x"
    assert re.sub(regex, "", f"/x{prefix}/x") == f"/x{prefix}/x"


def test_the_newest_declaration_wins_however_many_there_were() -> None:
    spec = DomainSpec.model_validate(at(P, "/" + "a" * 1000))
    longer = DomainSpec.model_validate(at(P, "/" + "a" * 1001))
    asked = [(spec, 9_999), (spec, 10_000), (spec, 123_456), (longer, 1)]
    target = TraefikService("web-80", 80)
    found = [
        labels(render(Route(SHOP, UID, each, target.name), INGRESS), target, generation)
        for each, generation in asked
    ]
    order = [int(each.plain[next(k for k in each.plain if "priority" in k)]) for each in found]
    assert order == sorted(set(order))
    assert order[-1] < 2**53, "whoever reads it as a floating-point number reads it exactly"


def test_labels_that_an_image_brings_are_seen() -> None:
    names = ("traefik.enable", "io.skypanel.uid", "traefik.http.routers.a.rule")
    text = written((), names)
    assert signed(text, names)
    assert signed(text, (*names, "org.opencontainers.image.title"))
    assert not signed(text, (*names, "traefik.http.routers.evil.rule"))
    assert not signed(text, (*names, "Traefik.Http.Routers.evil.rule"))


def test_what_is_carried_is_read_back() -> None:
    told = (Carried("", "3f2a-1", "aa"), Carried("shop", "xxxxxxxx-Domain/acme/shop", "bb"))
    assert read(written(told, ())) == told
    assert read("") == read("aa shop bb/ /x") == ()


def test_hosts_of_a_rule() -> None:
    rule = '(Host(`A.example.com`, `b.example.com`) && PathPrefix(`/x`)) || HostSNI("c.test")'
    assert hosts(rule) == {"a.example.com", "b.example.com", "c.test"}
    assert hosts("HostRegexp(`.*`)") == frozenset()


def test_what_labels_define_is_read_in_any_case_of_theirs() -> None:
    labels = {
        "Traefik.Enable": "True",
        "traefik.docker.network": "front",
        "traefik.HTTP.routers.Web-aa.Rule": "Host(`a.example.com`)",
        "traefik.tcp.routers.db.rule": "HostSNI(`b.example.com`)",
        "traefik.http.services.web.LoadBalancer.server.port": "80",
        "traefik.http.services.other.loadbalancer.server.port": "http",
        "traefik.http.middlewares.m.compress": "true",
        L_ROUTES: "x shop/uid/aa",
    }
    found = definitions(Container("c", "c", labels, "i", "sha256:i", "running"))
    assert found.names == {"Web-aa", "db", "web", "other", "m"}
    assert found.ports == {"web": 80}
    assert found.claimed == {"a.example.com", "b.example.com"}
    assert found.carried == (shop := Carried("shop", "uid", "aa"),)
    assert found.routers(shop) == ("Web-aa",)
    assert (found.network, found.enabled) == ("front", True)


def test_nothing_is_known_of_a_domain_that_nobody_carries() -> None:
    assert domains([], lambda _: True) == {}
    assert Labelled(UID).digests == frozenset()
