"""Which hostnames a container carries as labels: kept, proven, lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from resources.meta import HostnameClaim
from resources.routing.world import DnsFinding
from tests.unit.domain.labelling import INGRESS, SHOP, UID, WEB, Labelling, active


def test_added_and_removed() -> None:
    stage = active()
    other = stage.domain("other", hostname="other.example.com")
    assert any("(labels changed: domain other added)" in text for text in stage.play())
    assert stage.carried() == [["other", "shop"]] * 2
    stage.delete(other)
    assert stage.plan(other).render() == (
        "wait: the containers that carry its labels to be replaced"
    )
    said = stage.play()
    assert any("(labels changed: domain other removed)" in text for text in said)
    assert any(text.startswith("Finalize row") for text in said)
    assert stage.carried() == [["shop"]] * 2
    assert other not in stage.rows


@pytest.mark.parametrize("state", ["restarting", "exited", "created", "paused", "removing"])
def test_a_name_is_kept_while_a_container_has_it_that_may_run_again(state: str) -> None:
    stage = active()
    for container in stage.containers(WEB):
        stage.change(container, state=state)
    stage.look()
    stage.delete(SHOP)
    assert stage.text(SHOP) == "wait: the containers that carry its labels to be replaced"
    for container in stage.containers(WEB) if state == "removing" else ():
        stage.world.drop_container(container.id)
    stage.play()
    assert SHOP not in stage.rows
    assert stage.carried() == [[], []]


def test_an_earlier_hostname_is_kept_while_a_container_has_it() -> None:
    stage = active()
    one, _ = stage.containers(WEB)
    stage.domain(hostname="new.example.com")
    for _ in range(30):
        for key in (SHOP, WEB):
            stage.pass_(key)
            stage.put(one, id="left", name="left", state="exited")
            stage.look()
        stage.wait(1)
    held = {claim.hostname for claim in stage.rows[SHOP].record.hostnames}
    assert held == {"shop.example.com", "new.example.com"}
    assert stage.status(SHOP)["state"] == "active"
    stage.play()
    held = {claim.hostname for claim in stage.rows[SHOP].record.hostnames}
    assert held == {"new.example.com"}


@pytest.mark.parametrize("suspended", [False, True])
def test_what_is_stopped_is_not_kept_with_a_name_that_was_deleted(suspended: bool) -> None:
    stage = active()
    other = stage.domain("other", hostname="other.example.com")
    stage.play()
    if suspended:
        stage.declare("Organization", "", "acme", {"suspended": True})
    else:
        stage.service("web", state="stopped", ports=[{"containerPort": 80}], replicas=2)
    stage.play()
    assert stage.carried() == [["other", "shop"]] * 2
    stage.delete(other)
    said = stage.play()
    assert any(
        "RemoveContainer" in text and "labels changed: domain other" in text for text in said
    )
    assert other not in stage.rows
    assert stage.carried() == []
    stage.domain(pathPrefix="/a")
    assert not any("RemoveContainer" in text for text in stage.play())


def test_a_name_that_is_somebody_elses_is_on_no_container() -> None:
    stage = Labelling()
    stage.domain()
    stage.play()
    entry = stage.rows[SHOP]
    lost = (HostnameClaim("shop.example.com", "", False, "ownedElsewhere"),)
    stage.rows[SHOP] = replace(entry, record=replace(entry.record, hostnames=lost))
    stage.play()
    assert stage.carried() == [[], []]
    assert stage.labels() == {"traefik.enable": "false"}
    assert stage.condition("Programmed")[0] == "False"


def test_a_name_that_is_not_proven_is_on_no_container() -> None:
    stage = Labelling(replace(INGRESS, verification="dns", addresses=("192.0.2.7",)))
    stage.domain()
    said = stage.play()
    assert stage.carried() == [[], []]
    assert not any("Accept generation 1 (new)" in s and "shop" in s for s in said)
    assert stage.status(SHOP)["message"].startswith("waiting for proof")


def test_another_hostname_is_carried_when_it_is_proven_and_the_old_one_until_then() -> None:
    stage = Labelling(replace(INGRESS, verification="dns", addresses=("192.0.2.7",)))
    stage.domain()
    stage.play()
    prove(stage, "shop.example.com")
    stage.play()
    assert stage.rules() == {"Host(`shop.example.com`)"}
    stage.domain(hostname="new.example.com")
    stage.play()
    assert stage.rules() == {"Host(`shop.example.com`)"}
    assert stage.condition("Programmed") == ("False", "NotVerified")
    prove(stage, "new.example.com")
    said = stage.play()
    assert stage.rules() == {"Host(`new.example.com`)"}
    assert any(text.startswith("ReleaseHostnames") for text in said)
    assert stage.conflicts == []


def test_the_earlier_hostname_goes_when_it_is_lost_itself() -> None:
    stage = active()
    stage.platform = replace(stage.platform, ingress=replace(INGRESS, verification="dns"))
    prove(stage, "shop.example.com")
    stage.domain(hostname="new.example.com")
    stage.play()
    long_ago = stage.now - timedelta(days=2)
    lost = DnsFinding(UID, "shop.example.com", failures=9, failing_since=long_ago)
    stage.world.put(replace(lost, answered_at=stage.now))
    stage.play()
    assert stage.rules() == set()
    assert not any(claim.verified for claim in stage.rows[SHOP].record.hostnames)
    assert stage.conflicts == []


def prove(stage: Labelling, hostname: str) -> None:
    found = DnsFinding(UID, hostname, proven=True, pointed=True)
    stage.world.put(found)


def test_another_service_carries_it_before_the_first_lets_go() -> None:
    stage = active()
    second = stage.service("second", ports=[{"containerPort": 80}])
    stage.play()
    stage.proxies = lambda container: container.labels["io.skypanel.name"] == "web"
    stage.domain(service="second")
    stage.play()
    assert stage.carried() == [["shop"]] * 2
    assert stage.carried(second) == [["shop"]]
    assert stage.condition("Programmed") == ("False", "NotServedYet")
    stage.proxies = lambda _: True
    stage.look()
    stage.play()
    assert stage.carried() == [[], []]
    assert stage.carried(second) == [["shop"]]
    assert stage.status(SHOP)["state"] == "active"
    assert stage.conflicts == []
