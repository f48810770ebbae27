"""What an Organization's status says."""

from __future__ import annotations

from typing import Any

from resources.conditions import find
from resources.context import Platform
from resources.errors import UserError
from resources.host_firewall import IN_PLACE, MISSING, unknown
from resources.meta import Key
from resources.observed import Network
from resources.quota import RESOURCES
from tests.property.apply import INSTANCE, Stage, uid_of

ACME = Key("Organization", "", "acme")
NAME = f"skypanel_acme_{uid_of(*ACME)[:8]}"


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_ready() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.settle()
    assert stage.status(ACME) == {
        "observedGeneration": 1,
        "phase": "Ready",
        "state": "running",
        "message": "network 10.132.124.0/24 is in place",
        "conditions": [
            {
                "type": type_,
                "status": value,
                "reason": reason,
                "message": message,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "observedGeneration": 1,
            }
            for type_, value, reason, message in [
                ("Accepted", "True", "Accepted", ""),
                ("Ready", "True", "Ready", "network 10.132.124.0/24 is in place"),
                ("Reconciling", "False", "Idle", ""),
                ("Stalled", "False", "NotStalled", ""),
            ]
        ],
        "error": None,
        "network": {"id": "n0001", "name": NAME, "subnet": "10.132.124.0/24"},
        "usage": {name: {"used": 0, "limit": None} for name in RESOURCES},
    }


def test_pending_says_what_is_being_done() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    status = stage.status(ACME)
    assert (status["phase"], status["state"]) == ("Pending", "stopped")
    assert status["network"] is None
    assert conditions(status)["Reconciling"] == ("True", "Progressing")
    assert conditions(status)["Ready"] == ("False", "Pending")


def test_suspended() -> None:
    stage = Stage()
    stage.declare(*ACME, {"suspended": True})
    stage.settle()
    status = stage.status(ACME)
    assert (status["phase"], status["state"]) == ("Suspended", "stopped")
    assert conditions(status)["Ready"] == ("True", "Suspended")


def test_something_in_the_way_is_stalled() -> None:
    stage = Stage()
    stage.world.put_network(Network("foreign", NAME, {}, ("172.30.0.0/16",)))
    stage.declare(*ACME, {})
    stage.settle()
    status = stage.status(ACME)
    assert (status["phase"], status["state"]) == ("Failed", "error")
    assert status["error"]["code"] == "RESOURCE_CONFLICT"
    assert NAME in status["message"]
    assert conditions(status) == {
        "Accepted": ("True", "Accepted"),
        "Ready": ("False", "ResourceConflict"),
        "Reconciling": ("False", "Idle"),
        "Stalled": ("True", "ResourceConflict"),
    }


def test_a_refused_generation() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.settle()
    stage.declare(*ACME, {"suspendd": True})
    status = stage.status(ACME)
    assert status["observedGeneration"] == 2
    assert conditions(status)["Accepted"] == ("False", "InvalidSpec")
    assert conditions(status)["Stalled"] == ("True", "InvalidSpec")
    assert status["message"] == "spec.suspendd: unknown field: did you mean 'suspended'?"
    assert status["network"] is not None


def test_an_exhausted_pool_is_not_accepted() -> None:
    stage = Stage(Platform(INSTANCE, network_pool="10.0.0.0/24"), host_routes=("10.0.0.0/25",))
    stage.declare(*ACME, {})
    status = stage.status(ACME)
    assert conditions(status)["Accepted"] == ("False", "ConfigurationNetworkPoolExhausted")
    assert status["phase"] == "Failed"


def test_a_failure_that_may_pass_is_reconciling() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.settle()
    stage.world.drop_network("n0001")
    status = stage.status(ACME, UserError("CONFIGURATION_ENGINE_BUSY", "busy", retryable=True))
    assert conditions(status)["Reconciling"] == ("True", "Progressing")
    assert conditions(status)["Stalled"][0] == "False"
    assert status["error"]["code"] == "CONFIGURATION_ENGINE_BUSY"
    assert status["phase"] == "Pending"


def test_deleting() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.declare("Volume", "acme", "data", {})
    stage.settle()
    stage.delete(ACME)
    status = stage.status(ACME)
    assert (status["phase"], status["state"]) == ("Deleting", "stopped")
    assert status["message"] == "waiting for 1 resource in it to be deleted"


def test_an_unchanged_world_gives_an_equal_status() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.settle()
    before = stage.status(ACME)
    stage.now = stage.now.replace(year=2030)
    assert stage.status(ACME) == before
    ready = find(before, "Ready")
    assert ready is not None


def test_whether_the_host_is_closed_is_told_where_somebody_looked() -> None:
    for seen, told in (
        (IN_PLACE, ("True", "FirewallInstalled")),
        (MISSING, ("False", "FirewallMissing")),
        (unknown("only root may look"), ("Unknown", "FirewallUnknown")),
    ):
        stage = Stage(platform=Platform(INSTANCE, firewall=seen))
        stage.declare(*ACME, {})
        stage.settle()
        found = conditions(stage.status(ACME))
        assert found["HostClosed"] == told
        assert found["Ready"] == ("True", "Ready"), "it is the host's affair, not the tenant's"
        stage.platform = Platform(INSTANCE)
        assert "HostClosed" not in conditions(stage.status(ACME))
