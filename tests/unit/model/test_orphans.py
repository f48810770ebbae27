"""Objects of ours without a row."""

from __future__ import annotations

from resources.labels import L_CONTROLLER, L_KIND, L_NAME, L_ORGANIZATION, L_UID
from resources.observed import Attachment, Container, Network, Volume
from resources.orphans import orphans
from resources.routing.world import Published
from resources.world import World


def labels(uid: str, kind: str = "Service", name: str = "web", by: str = "i-1") -> dict[str, str]:
    return {L_CONTROLLER: by, L_UID: uid, L_KIND: kind, L_NAME: name, L_ORGANIZATION: "acme"}


def container(id_: str, marks: dict[str, str], *networks: str) -> Container:
    places = tuple(Attachment(n) for n in networks)
    return Container(id_, f"name-{id_}", marks, "i", "sha256:i", "running", networks=places)


def rendered(world: World, *known: str) -> list[str]:
    return [step.render() for step in orphans(world, "i-1", set(known))]


def test_containers_first_then_networks() -> None:
    world = World.of(
        [
            Network("n1", "skypanel_acme_x", labels("o", "Organization", "acme")),
            container("b", labels("s"), "n1"),
            container("a", labels("s"), "n1"),
            container("kept", labels("known")),
        ]
    )
    assert rendered(world, "known") == [
        "RemoveContainer name-a (Service acme/web is gone)",
        "RemoveContainer name-b (Service acme/web is gone)",
        "RemoveNetwork skypanel_acme_x (Organization acme is gone)",
    ]


def test_routes_go_before_what_they_lead_to() -> None:
    world = World.of(
        [
            container("a", labels("s")),
            Published("s", "service_acme_web_s", "digest"),
            Published("known", "service_acme_kept_known", "digest"),
        ]
    )
    assert rendered(world, "known") == [
        "WithdrawRoutes service_acme_web_s (its resource is gone)",
        "RemoveContainer name-a (Service acme/web is gone)",
    ]


def test_what_is_not_ours_is_never_touched() -> None:
    world = World.of(
        [
            container("foreign", {}),
            container("other", labels("s", by="i-2")),
            container("marked", {L_CONTROLLER: "i-1"}),
            Network("n", "net", labels("o", by="i-2")),
        ]
    )
    assert rendered(world) == []


def test_volumes_never() -> None:
    assert rendered(World.of([Volume("v", labels("v", "Volume", "data"))])) == []


def test_a_network_stays_while_somebody_else_is_on_it() -> None:
    world = World.of(
        [
            Network("n1", "one", labels("o", "Organization", "acme")),
            container("stranger", {}, "n1"),
            Network("n2", "two", labels("p", "Organization", "beta")),
            container("kept", labels("known"), "n2"),
        ]
    )
    assert rendered(world, "known") == []


def test_the_order_of_listing_is_irrelevant() -> None:
    objects = [container(c, labels("s")) for c in "abcd"]
    assert rendered(World.of(objects)) == rendered(World.of(reversed(objects)))
