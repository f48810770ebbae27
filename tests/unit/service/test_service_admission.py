"""Which generations are accepted, and what runs while one is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.context import Platform
from resources.meta import Key
from resources.observed import Image
from resources.routing.world import Ingress
from resources.steps import EngineStep
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

MOUNT = {"volumes": [{"volume": "data", "mountPath": "/data"}]}

REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "volume": (
        MOUNT,
        {},
        "RESOURCE_NOT_FOUND",
        "spec.volumes[0].volume: there is no Volume data in organization acme",
    ),
    "dependency": (
        {"dependsOn": ["db"]},
        {},
        "RESOURCE_NOT_FOUND",
        "spec.dependsOn[0]: there is no Service db in organization acme",
    ),
    "itself": (
        {"dependsOn": ["web"]},
        {},
        "CONFIGURATION_INVALID_SPEC",
        "spec.dependsOn[0]: depends on itself: web -> web",
    ),
    "secret": (
        {"environment": {"A": {"secret": "s", "key": "k"}}},
        {},
        "SECRET_NOT_FOUND",
        "spec.environment.A.secret: there is no Secret s in organization acme",
    ),
    "image": (
        {},
        {"security": {"allowedImages": ["registry.example.com/*"]}},
        "IMAGE_NOT_ALLOWED",
        "the organization does not allow the image nginx:1.26",
    ),
    "capability": (
        {"capabilities": ["NET_ADMIN"]},
        {},
        "ACCESS_CAPABILITY_DENIED",
        "the organization's profile baseline does not allow NET_ADMIN",
    ),
    "any capability under restricted": (
        {"user": "1000", "capabilities": ["NET_BIND_SERVICE"]},
        {"security": {"profile": "restricted"}},
        "ACCESS_CAPABILITY_DENIED",
        "the organization's profile restricted does not allow NET_BIND_SERVICE",
    ),
    "root": (
        {"user": "root"},
        {"security": {"profile": "restricted"}},
        "ACCESS_ROOT_DENIED",
        "spec.user is root, and the organization's profile is restricted: "
        "only a numeric user other than 0 is allowed",
    ),
    "host port": (
        {"ports": [{"containerPort": 80, "hostPort": 80}]},
        {},
        "ACCESS_HOST_PORT_DENIED",
        "spec.ports[0].hostPort: host port 80 is not allowed; none are allowed here",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    spec, organization, code, message = REFUSED[name]
    stage = Theatre(organization)
    web = stage.service(**spec)
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert (plan.problem.code, plan.problem.message) == (code, message)
    assert plan.problem.suggestions or code == "CONFIGURATION_INVALID_SPEC"
    assert not plan.problem.retryable
    status = stage.status(web)
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert conditions == {
        "Accepted": "False",
        "Available": "False",
        "Ready": "False",
        "Reconciling": "False",
        "Stalled": "True",
    }
    assert (status["phase"], status["state"]) == ("Failed", "error")


@pytest.mark.parametrize("name", [n for n in REFUSED if "security" not in str(REFUSED[n])])
def test_what_was_accepted_before_keeps_being_healed(name: str) -> None:
    spec, organization, code, _ = REFUSED[name]
    stage = Theatre()
    web = stage.service(replicas=1)
    stage.go(web)
    stage.declare("Organization", "", "acme", organization)
    stage.service(**spec, image="nginx:1.27")
    plan = stage.plan(web)
    assert not plan.steps, plan.render()
    assert plan.problem is not None
    assert plan.problem.code == code
    stage.world.drop_container(stage.only(web).id)
    assert [type(step).__name__ for step in stage.plan(web).steps] == [
        "CreateContainer",
        "StartContainer",
    ]
    stage.run(web)
    status = stage.status(web)
    assert stage.only(web).image == "nginx:1.26"
    assert status["phase"] == "Running"
    found = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert found["Accepted"][0] == "False"
    assert found["Available"][0] == "True"
    assert found["Ready"][0] == "False"
    assert found["Stalled"][0] == "True"


def test_what_the_earlier_generation_refers_to_still_concerns_it() -> None:
    stage = Theatre()
    stage.volume()
    web = stage.service(**MOUNT)
    stage.go(web)
    stage.service(environment={"A": {"secret": "s", "key": "k"}})
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "SECRET_NOT_FOUND"
    stage.world.drop_container(stage.only(web).id)
    assert "CheckVolumes" in stage.text(web)
    stage.go(web)
    assert stage.status(web)["updatedReplicas"] == 1


def test_an_invalid_spec_changes_nothing_either() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    stage.service(replicas="many")
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "CONFIGURATION_INVALID_SPEC"
    stage.exits(stage.only(web))
    assert "StartContainer" in stage.text(web)
    status = stage.status(web)
    assert status["error"]["details"]["errors"][0]["pointer"] == "/spec/replicas"
    assert {c["type"]: c["reason"] for c in status["conditions"]}["Accepted"] == "InvalidSpec"


def test_accepted_as_soon_as_what_it_refers_to_is_there() -> None:
    stage = Theatre()
    web = stage.service(**MOUNT)
    assert stage.plan(web).problem is not None
    stage.volume()
    stage.go(web)
    assert stage.plan(web).converged


def test_without_its_organization_nothing_is_accepted() -> None:
    stage = Theatre()
    other = stage.declare("Service", "nobody", "web", {"image": "i"})
    plan = stage.plan(other)
    assert plan.render() == (
        "problem: RESOURCE_NOT_FOUND: metadata.organization: there is no Organization nobody"
    )


def test_an_organization_being_deleted_accepts_nothing_new() -> None:
    stage = Theatre()
    web = stage.service()
    entry = stage.rows[stage.organization]
    resource = replace(entry.resource, deletion_requested_at=stage.now)
    stage.rows[stage.organization] = replace(entry, resource=resource)
    plan = stage.plan(web)
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"


def test_once_accepted_a_vanished_volume_row_stops_nothing() -> None:
    stage = Theatre()
    data = stage.volume()
    web = stage.service(**MOUNT)
    stage.go(web)
    del stage.rows[data]
    plan = stage.plan(web)
    assert not any(step.destructive for step in plan.steps), plan.render()
    assert stage.only(web).running


@pytest.mark.parametrize(
    ("reach", "engine", "check", "refused"),
    [
        ("none", frozenset(), {"http": {"port": 80}}, True),
        ("none", frozenset(), {"tcp": {"port": 80}}, True),
        ("none", frozenset(), {"exec": ["true"]}, False),
        ("attached", frozenset(), {"http": {"port": 80}}, True),
        ("attached", frozenset(), {"tcp": {"port": 80}}, True),
        ("attached", frozenset(), {"exec": ["true"]}, False),
        ("host", frozenset(), {"tcp": {"port": 80}}, False),
        ("host", frozenset({"inPlaceUpdate"}), {"exec": ["true"]}, True),
        ("host", frozenset({"execCheck"}), {"exec": ["true"]}, False),
    ],
)
def test_what_the_engine_cannot_do_is_refused(
    reach: str, engine: frozenset[str], check: dict[str, Any], refused: bool
) -> None:
    stage = Theatre(platform=Platform(INSTANCE, reach=reach, engine=engine))
    web = stage.service(healthCheck=check)
    problem = stage.plan(web).problem
    assert (problem is not None) is refused
    if problem is not None:
        assert problem.code == "CONFIGURATION_UNSUPPORTED"


@pytest.mark.parametrize(("port", "fine"), [(29999, False), (30000, True), (30010, True)])
def test_host_ports_within_the_platforms_range(port: int, fine: bool) -> None:
    stage = Theatre(platform=Platform(INSTANCE, host_ports=(30000, 30010)))
    web = stage.service(ports=[{"containerPort": 80, "hostPort": port}])
    assert (stage.plan(web).problem is None) is fine


@pytest.mark.parametrize(
    ("mode", "port", "fine"),
    [
        ("process", {"hostPort": 8080}, False),
        ("container", {"hostPort": 8443, "hostAddress": "127.0.0.1"}, False),
        ("process", {"hostPort": 8443, "protocol": "udp"}, True),
        ("process", {"hostPort": 8081}, True),
        ("external", {"hostPort": 8080}, True),
        ("none", {"hostPort": 8900}, False),
    ],
)
def test_the_platforms_own_ports_are_nobodys(mode: str, port: dict[str, Any], fine: bool) -> None:
    """While the ingress starts anew whoever asks for its ports would have every visitor; and a
    controller whose port is taken does not start."""
    ingress = Ingress(mode=mode, http_port=8080, https_port=8443)
    platform = Platform(INSTANCE, host_ports=(8000, 9000), ingress=ingress)
    stage = Theatre(platform=replace(platform, listeners=frozenset({8900})))
    problem = stage.plan(stage.service(ports=[{"containerPort": 80, **port}])).problem
    assert (problem is None) is fine
    assert problem is None or "is the platform's own" in problem.message


@pytest.mark.parametrize(
    ("user", "fine"),
    [
        ("", False),
        ("0", False),
        ("00", False),
        ("0:101", False),
        ("root", False),
        ("nginx", False),
        ("101", True),
        ("101:0", True),
        ("\uff11\uff10\uff11", False),
        ("\u0661", False),
        ("+1", False),
        ("1_0", False),
    ],
)
def test_restricted_needs_an_image_that_is_provably_not_root(user: str, fine: bool) -> None:
    stage = Theatre({"security": {"profile": "restricted"}})
    web = stage.service()
    assert "CreateContainer" not in stage.text(web)
    stage.world.put_image(Image("sha256:1", "nginx:1.26", (), user))
    plan = stage.plan(web)
    assert ("CreateContainer" in plan.render()) is fine
    if not fine:
        assert plan.problem is not None
        assert plan.problem.code == "ACCESS_ROOT_DENIED"


@pytest.mark.parametrize(
    ("pattern", "image", "fine"),
    [
        ("nginx", "nginx", True),
        ("nginx:*", "nginx:1.27", True),
        ("nginx:*", "evil/nginx:1.27", False),
        ("registry.example.com/*", "registry.example.com/a/b:1", True),
        ("registry.example.com/*", "registry.example.com.evil.net/a", False),
    ],
)
def test_allowed_images(pattern: str, image: str, fine: bool) -> None:
    stage = Theatre({"security": {"allowedImages": [pattern]}})
    assert (stage.plan(stage.service(image=image)).problem is None) is fine


STRICTER = {
    "image": ({}, {"allowedImages": ["registry.example.com/*"]}, "IMAGE_NOT_ALLOWED"),
    "root": ({"user": "0"}, {"profile": "restricted"}, "ACCESS_ROOT_DENIED"),
}


@pytest.mark.parametrize("name", STRICTER)
def test_a_stricter_organization_stops_nothing_and_lets_nothing_be_made(name: str) -> None:
    spec, security, code = STRICTER[name]
    stage = Theatre()
    web = stage.service(**spec)
    stage.go(web)
    accepted = stage.service("accepted", **spec)
    stage.apply(accepted, stage.plan(accepted).steps[0])  # Accept, and no more
    stage.declare("Organization", "", "acme", {"security": security})
    stage.annotate(web, restartedAt="2026-02-01T00:00:00Z")
    for key in (web, accepted):
        plan = stage.plan(key)
        assert not any(isinstance(step, EngineStep) for step in plan.steps), plan.render()
        assert plan.problem is not None
        assert plan.problem.code == code
    stage.declare("Organization", "", "acme", {})
    stage.go(web)
    assert stage.plan(web).converged


def test_refs_are_what_concerns_it() -> None:
    stage = Theatre()
    stage.volume()
    stage.service("db")
    web = stage.service(
        **MOUNT, dependsOn=["db", "web"], environment={"A": {"secret": "s", "key": "k"}}
    )
    assert set(stage.context(web).refs) == {
        Key("Organization", "", "acme"),
        Key("Volume", "acme", "data"),
        Key("Secret", "acme", "s"),
        Key("Service", "acme", "db"),
    }
