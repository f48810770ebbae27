"""How labels are called, what is written on a container, and how it is read."""

from __future__ import annotations

from resources.domain.labels import Target, labels
from resources.domain.routing import Route, render
from resources.domain.spec import DomainSpec
from resources.routing.carried import Carried, hosts, read, signed, written
from resources.routing.definitions import definitions
from resources.routing.labelled import labelled
from resources.routing.world import Labelled
from resources.world import L_ROUTES, Container
from tests.unit.domain.labelling import INGRESS, SHOP, UID


def test_names_say_what_they_stand_for() -> None:
    """Whoever changes what is rendered makes other containers: say so in the notes of a release."""
    spec = DomainSpec.model_validate(
        {"hostname": "a.example.com", "service": "web", "tls": {"enabled": False}}
    )
    target = Target("acme-web-22222222-80", 80)
    route = Route(SHOP, "3f2a9c01-0000", spec, target.name)
    found = labels(render(route, INGRESS), target, 7)
    base = f"acme-shop-3f2a9c01-{found.digest}"
    assert found.digest == "e20d98ef"
    assert found.plain == {
        f"traefik.http.routers.{base}.rule": "Host(`a.example.com`)",
        f"traefik.http.routers.{base}.priority": "10000000007",
        f"traefik.http.routers.{base}.service": target.label,
        f"traefik.http.routers.{base}.entrypoints": "web",
        f"traefik.http.routers.{base}.middlewares": f"acme-shop-3f2a9c01-retry-{found.digest}",
        f"traefik.http.middlewares.acme-shop-3f2a9c01-retry-{found.digest}.retry.attempts": "20",
        f"traefik.http.middlewares.acme-shop-3f2a9c01-retry-{found.digest}.retry.initialinterval": (
            "25ms"
        ),
        f"traefik.http.services.{target.label}.loadbalancer.server.port": "80",
    }


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
    assert labelled([], lambda _: True) == {}
    assert Labelled(UID).digests == frozenset()
