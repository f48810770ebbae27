"""Routes as labels on containers: what gets onto them and when, how a change rolls, and what
becomes of somebody who claims the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.reconcile.opening import opened
from resources.conditions import find
from resources.labels import L_ROUTES
from resources.meta import Manifest
from resources.plan import Plan
from resources.routing.routes_label import read
from resources.steps import CreateContainer
from tests.unit.domain.labelling import INGRESS, KEY_ID, SHOP, UID, WEB, Labelling, active
from tests.unit.service.preview import diff
from tests.unit.service.theatre import Theatre


def test_what_is_accepted_and_proven_is_on_every_replica() -> None:
    stage = active()
    found = stage.labels()
    assert found["traefik.enable"] == "true"
    assert found["traefik.docker.network"].startswith("skypanel_acme_")
    assert stage.rules() == {"Host(`shop.example.com`)"}
    assert stage.carried() == [["shop"], ["shop"]]
    assert stage.condition("Programmed") == ("True", "Labels")
    assert find(stage.status(SHOP), "Programmed")["message"] == (  # type: ignore[index]
        "containers of Service web carry it; no proxy is asked"
    )
    assert stage.text(WEB) == ""
    assert stage.text(SHOP) == ""


def test_a_service_without_a_domain_is_expressly_not_served() -> None:
    stage = Labelling()
    stage.play()
    assert stage.labels() == {"traefik.enable": "false"}
    provider = Theatre()
    web = provider.service()
    provider.go(web)
    assert not [name for name in provider.only(web).labels if "traefik" in name]


@pytest.mark.parametrize(
    "change",
    [{"pathPrefix": "/b"}, {"port": 81}, {"sticky": True}, {"middlewares": {"compress": True}}],
)
def test_a_change_rolls_and_says_so_and_nothing_is_defined_unequally(
    change: dict[str, Any],
) -> None:
    stage = active(pathPrefix="/a")
    before = {container.id for container in stage.containers(WEB)}
    stage.domain(**{"pathPrefix": "/a", **change})
    said = stage.play()
    assert "(labels changed: domain shop)" in next(s for s in said if "CreateContainer" in s)
    assert not before & {container.id for container in stage.containers(WEB)}
    assert stage.conflicts == []
    assert stage.status(SHOP)["state"] == "active"


@pytest.mark.parametrize("passes", range(6))
def test_killed_anywhere_it_ends_the_same(passes: int) -> None:
    """After each step of each of the first plans."""
    for steps in range(4):
        stage = active(pathPrefix="/a")
        stage.domain(pathPrefix="/b")
        for _ in range(passes):
            for key in (SHOP, WEB):
                stage.pass_(key)
                stage.look()
        for key in (WEB, SHOP):
            stage.run(key, steps)
        stage.play()
        assert stage.rules() == {
            "Host(`shop.example.com`) && (Path(`/b`) || PathPrefix(`/b/`))",
        }
        assert len(stage.containers(WEB)) == 2
        assert stage.status(SHOP)["state"] == "active"
        assert stage.conflicts == []


def test_by_the_update_strategy() -> None:
    stage = Labelling(replicas=3, update={"order": "startFirst", "parallelism": 1})
    stage.domain()
    stage.play()
    stage.domain(pathPrefix="/a")
    serving_: list[int] = []
    for _ in range(40):
        for key in (WEB, SHOP):
            stage.pass_(key)
            stage.look()
            serving_.append(sum(container.running for container in stage.containers(WEB)))
        stage.wait(1)
    assert (min(serving_), max(serving_)) == (3, 4)


def test_old_and_new_lead_to_the_same_servers_as_long_as_the_port_is_the_same() -> None:
    stage = active(pathPrefix="/a")
    old = backends(stage.labels())
    stage.domain(pathPrefix="/b")
    stage.play()
    assert backends(stage.labels()) == old
    stage.domain(pathPrefix="/b", port=81)
    stage.play()
    assert not backends(stage.labels()) & old


def backends(found: dict[str, str]) -> set[str]:
    return {text for name, text in found.items() if name.endswith(".service")}


def test_the_newer_of_two_that_match_alike_wins() -> None:
    stage = active()
    (old,) = {text for name, text in stage.labels().items() if name.endswith(".priority")}
    stage.domain(port=81)
    stage.play()
    (new,) = {text for name, text in stage.labels().items() if name.endswith(".priority")}
    assert int(new) == int(old) + 1


def test_no_replica_goes_before_another_is_seen() -> None:
    stage = active()
    stage.proxies = lambda container: "nginx:1.26" in container.image
    stage.service("web", image="nginx:1.27", ports=[{"containerPort": 80}], replicas=2)
    stage.play()
    images = sorted(c.image for c in stage.containers(WEB) if c.running)
    assert images.count("nginx:1.26") == 2
    assert "the proxies to send requests to" in stage.text(WEB)
    stage.proxies = lambda _: True
    stage.look()
    stage.play()
    assert {c.image for c in stage.containers(WEB)} == {"nginx:1.27"}


def test_proxies_that_do_not_answer_are_waited_for() -> None:
    stage = active()
    away = replace(INGRESS, problem="it does not answer", asked=True)
    stage.platform = replace(stage.platform, ingress=away)
    stage.service("web", image="nginx:1.27", ports=[{"containerPort": 80}], replicas=2)
    stage.play()
    assert "nginx:1.26" in {c.image for c in stage.containers(WEB) if c.running}
    assert "the proxies to answer" in stage.text(WEB)
    assert stage.condition("Programmed") == ("Unknown", "ProxiesUnknown")
    assert stage.status(SHOP)["state"] == "active"


def test_what_a_proxy_does_not_serve_any_more_is_told() -> None:
    stage = active()
    stage.proxies = lambda _: False
    stage.look()
    assert stage.condition("Programmed") == ("False", "NoLongerServed")
    stage.wait(6)
    assert stage.text(SHOP).splitlines() == [
        "drift: routers: a proxy does not serve its routers any more",
        "wait: every proxy to serve its routers",
    ]
    assert stage.text(WEB) == ""
    stage.proxies = lambda _: True
    stage.look()
    assert stage.text(SHOP) == ""


DOTTED = {"middlewares": {"headers": {"response": {"X-Fine": "1", "X.Foo": "2"}}}}


def test_a_header_that_labels_cannot_carry_is_refused() -> None:
    stage = active()
    stage.domain(**DOTTED)
    stage.play()
    error = stage.status(SHOP)["error"]
    assert error["code"] == "DOMAIN_LABEL_HEADER"
    assert error["details"]["pointer"] == "/spec/middlewares/headers/response/X.Foo"
    assert "a name without dots" in " ".join(error["suggestions"])
    assert stage.rules() == {"Host(`shop.example.com`)"}
    assert not [name for name in stage.labels() if "X-Fine" in name]
    stage.domain(middlewares={"headers": {"response": {"X-Fine": "1"}}})
    stage.play()
    assert stage.status(SHOP)["state"] == "active"


def test_what_files_could_carry_and_labels_cannot_is_told_and_harms_nobody() -> None:
    stage = Labelling(replace(INGRESS, mode="none"))
    stage.domain(**DOTTED)
    stage.domain("other", hostname="other.example.com")
    stage.play()
    stage.platform = replace(stage.platform, ingress=INGRESS)
    stage.play()
    assert stage.rules() == {"Host(`other.example.com`)"}
    assert stage.status(SHOP)["error"]["code"] == "DOMAIN_LABEL_HEADER"


async def test_a_diff_says_that_it_rolls() -> None:
    stage = active()
    spec = {"hostname": "shop.example.com", "service": "web", "pathPrefix": "/a"}
    found = await diff(stage, Manifest(SHOP, spec))
    shown = found["web"].plan.render()
    assert shown.count("RemoveContainer acme_web_") == 2
    assert shown.count("(labels changed: domain shop)") == 8
    assert found["shop"].plan.wait is None
    same = {"hostname": "shop.example.com", "service": "web"}
    assert "web" not in await diff(stage, Manifest(SHOP, same))


async def test_a_diff_of_one_that_is_not_proven_says_both() -> None:
    stage = Labelling(replace(INGRESS, verification="dns", addresses=("192.0.2.7",)))
    stage.play()
    spec = {"hostname": "shop.example.com", "service": "web"}
    found = await diff(stage, Manifest(SHOP, spec))
    assert "(labels changed: domain shop added)" in found["web"].plan.render()
    assert found["shop"].plan.render().endswith("wait: proof: DNS is being asked")


def test_an_impostor_is_told_and_left_alone() -> None:
    stage = active()
    stage.world.put(replace(stage.world.labelled[UID], impostors=("evil",)))
    assert stage.text(SHOP) == (
        "drift: labels: evil, which is not ours, claims shop.example.com by its labels"
    )
    told = stage.status(SHOP)
    assert told["drift"] == [
        {
            "field": "labels",
            "cause": "evil, which is not ours, claims shop.example.com by its labels",
        }
    ]
    assert find(told, "Drifted")["status"] == "True"  # type: ignore[index]
    assert stage.condition("Ready")[0] == "True"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("traefik.http.routers.evil.rule", "Host(`bank.example.com`)"),
        ("Traefik.HTTP.Routers.evil.rule", "Host(`bank.example.com`)"),
        ("traefik.enable", "false"),
    ],
)
def test_one_of_ours_with_other_labels_is_made_anew(name: str, text: str) -> None:
    stage = active()
    victim = stage.containers(WEB)[0]
    stage.change(victim, labels={**victim.labels, name: text})
    assert f"not made by us: label {name}" in stage.text(WEB)
    stage.play()
    assert stage.rules() == {"Host(`shop.example.com`)"}


def test_basic_authentication_is_opened_with_the_container() -> None:
    stage = Labelling()
    box = f"v1:{KEY_ID}:{'A' * 64}"
    users = stage.declare("Secret", "acme", "users", {"sealedData": {"alice": box, "bob": box}})
    stage.domain(middlewares={"basicAuth": {"secret": "users"}})
    stage.settle(users)
    plans: list[Plan] = []
    for _ in range(12):
        for key in tuple(stage.rows):
            plans.append(stage.pass_(key))
            stage.look()
        stage.wait(1)
    made = [s for p in plans for s in p.steps if isinstance(s, CreateContainer) and s.spec.users]
    (name,) = made[0].spec.users
    assert name.endswith("basicauth.users")
    assert not [n for n in made[0].spec.labels if "basicauth.users" in n]
    plain = opened(made[0], lambda sealed: {"alice": "wonderland", "bob": ""}[sealed.key])
    again = opened(made[1], lambda sealed: {"alice": "wonderland", "bob": ""}[sealed.key])
    assert isinstance(plain, CreateContainer)
    assert isinstance(again, CreateContainer)
    found = plain.spec.labels[name]
    assert found.startswith("alice:$apr1$")
    assert found.endswith(",bob:*")
    assert "wonderland" not in found
    assert again.spec.labels[name] == found
    assert "$apr1$" not in repr(made[0])


def test_without_its_users_it_is_not_served_at_all() -> None:
    stage = active()
    stage.domain(middlewares={"basicAuth": {"secret": "users"}})
    stage.play()
    assert stage.condition("Accepted")[0] == "False"
    assert stage.rules() == {"Host(`shop.example.com`)"}


def test_a_one_off_is_not_served() -> None:
    stage = Labelling(preDeploy={"command": ["migrate"]})
    stage.domain()
    made: list[CreateContainer] = []
    for _ in range(8):
        for key in tuple(stage.rows):
            made += [s for s in stage.pass_(key).steps if isinstance(s, CreateContainer)]
            stage.look()
    once = [s.spec.labels for s in made if "predeploy" in s.spec.name]
    assert once
    for found in once:
        assert found["traefik.enable"] == "false"
        assert not any(".rule" in name for name in found)
        assert read(found[L_ROUTES]) == ()


def test_the_default_name_of_an_app() -> None:
    stage = Labelling(replace(INGRESS, default_domain="apps.test"))
    stage.play()
    assert stage.rules() == {"Host(`web.acme.apps.test`)"}
    assert stage.carried() == [[""], [""]]


def test_from_files_to_labels_and_back() -> None:
    stage = Labelling(replace(INGRESS, mode="none"))
    stage.domain()
    stage.play()
    assert not [name for name in stage.containers(WEB)[0].labels if "traefik" in name]
    stage.platform = replace(stage.platform, ingress=INGRESS)
    assert any("(labels changed: domain shop added)" in text for text in stage.play())
    assert stage.carried() == [["shop"]] * 2
    stage.platform = replace(stage.platform, ingress=replace(INGRESS, publish="provider"))
    assert "(labels changed: domain shop removed)" in stage.text(WEB)
