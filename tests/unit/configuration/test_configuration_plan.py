"""What a CaasConfiguration's plan and status say: accepted, in force or why not, what beats it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.conditions import find
from resources.configuration.judging import UNTRUSTED
from resources.configuration.plan import TLS_KEYS
from resources.errors import UserError
from resources.installation import EngineStatus, InForce
from resources.meta import Key
from resources.validate import validate
from tests.property.apply import Stage

BOX = f"v1:0123456789abcdef:{'a' * 64}"


class Installation(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.engine(state="connected", version="20.10", id="E", reach="host")

    def configure(self, spec: dict[str, Any], name: str = "default", source: str = "sql") -> Key:
        key = self.declare("CaasConfiguration", "", name, spec)
        entry = self.rows[key]
        self.rows[key] = replace(entry, resource=replace(entry.resource, source=source))
        return key

    def take(self, key: Key, **more: Any) -> None:
        """The controller begins anew with it."""
        resource = self.rows[key].resource
        current = InForce(resource.uid, resource.generation, **more)
        self.platform = replace(self.platform, configuration=current)

    def engine(self, **status: str) -> None:
        self.platform = replace(self.platform, engine_status=EngineStatus(**status))


def test_it_is_in_force_once_the_controller_runs_by_it() -> None:
    stage = Installation()
    key = stage.configure({"ingress": {"httpPort": 8080}})
    assert stage.settle(key) == ["Accept generation 1 (new)"]
    status = stage.status(key)
    assert (status["phase"], status["state"]) == ("Pending", "pending")
    assert status["message"] == "waiting for the controller to begin anew with it"
    stage.take(key)
    status = stage.status(key)
    assert (status["phase"], status["state"], status["message"]) == ("Ready", "active", "in force")
    stage.configure({"ingress": {"httpPort": 8081}})
    stage.settle(key)
    assert stage.status(key)["phase"] == "Pending"


def test_what_beats_it_is_named() -> None:
    stage = Installation()
    key = stage.configure({"ingress": {"httpPort": 8080}})
    stage.settle(key)
    stage.take(key, overruled=(("/spec/ingress/httpPort", "SKYCTL_HTTP_PORT"),))
    status = stage.status(key)
    assert status["overruled"] == [{"pointer": "/spec/ingress/httpPort", "by": "SKYCTL_HTTP_PORT"}]
    assert status["message"].endswith("the environment says otherwise (SKYCTL_HTTP_PORT)")


def test_why_it_is_not_taken_stands_in_its_status() -> None:
    stage = Installation()
    key = stage.configure({})
    stage.settle(key)
    why = UserError("CONFIGURATION_INVALID", "it does not fit what the environment says")
    stage.platform = replace(stage.platform, configuration=InForce(problem=why))
    status = stage.status(key)
    assert (status["phase"], status["state"]) == ("Failed", "error")
    assert status["error"]["code"] == "CONFIGURATION_INVALID"


def test_the_engine_as_it_is() -> None:
    stage = Installation()
    key = stage.configure({})
    stage.settle(key)
    stage.take(key)
    assert stage.status(key)["engine"] == {
        "state": "connected",
        "version": "20.10",
        "id": "E",
        "reach": "host",
    }
    stage.engine(state="error", version="20.10", id="F", reach="host", reason="another engine")
    status = stage.status(key)
    assert (status["engine"]["state"], status["phase"]) == ("error", "Degraded")
    assert status["message"].endswith("another engine")


def test_there_is_only_the_default_one() -> None:
    stage = Installation()
    key = stage.configure({}, name="other")
    stage.settle(key)
    status = stage.status(key)
    assert status["phase"] == "Failed"
    accepted = find(status, "Accepted")
    assert accepted is not None
    assert accepted["status"] == "False"
    assert status["message"] == "metadata.name: there is one CaasConfiguration, named default"


@pytest.mark.parametrize(("source", "refused"), [("sql", True), ("api", False)])
def test_who_writes_sql_may_not_name_a_command(source: str, refused: bool) -> None:
    stage = Installation()
    key = stage.configure({"imagePolicy": {"command": "verify"}}, source=source)
    stage.settle(key)
    stage.take(key)
    error = stage.status(key)["error"]
    assert (error is not None and error["code"] == UNTRUSTED) is refused


def test_the_secrets_that_it_names_have_to_be_there() -> None:
    stage = Installation()
    key = stage.configure(
        {"docker": {"connectionType": "tcp", "apiUrl": "tcp://e:2376", "tlsSecret": "engine"}}
    )
    stage.settle(key)
    assert stage.status(key)["error"]["code"] == "SECRET_NOT_FOUND"
    engine = stage.declare("Secret", "", "engine", {"sealedData": {"ca.pem": BOX}})
    stage.settle(engine)
    assert stage.status(key)["message"] == (
        "spec.docker.tlsSecret: Secret engine has no cert.pem, key.pem"
    )
    stage.declare(
        "Secret",
        "",
        "engine",
        {"sealedData": dict.fromkeys(TLS_KEYS, BOX)},
    )
    stage.settle(engine)
    stage.take(key)
    stage.settle(key)
    assert stage.status(key)["phase"] == "Ready"


def test_it_goes_when_it_is_asked_to() -> None:
    stage = Installation()
    key = stage.configure({})
    stage.settle(key)
    stage.delete(key)
    stage.settle()
    assert key not in stage.rows


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"docker": {"apiUrl": "tcp://e:2376"}}, "/spec/docker/apiUrl"),
        ({"docker": {"connectionType": "tcp"}}, "/spec/docker/apiUrl"),
        ({"docker": {"connectionType": "tcp", "apiUrl": "e:2376"}}, "/spec/docker/apiUrl"),
        ({"docker": {"socketPath": "docker.sock"}}, "/spec/docker/socketPath"),
        ({"ingress": {"publish": "labels", "mode": "process"}}, "/spec/ingress/mode"),
        ({"ingress": {"httpPort": 0}}, "/spec/ingress/httpPort"),
        ({"ingress": {"listen": "8901"}}, "/spec/ingress/listen"),
        ({"ingress": {"defaultDomain": "a b"}}, "/spec/ingress/defaultDomain"),
        ({"ingress": {"acme": {"challenge": "dns"}}}, "/spec/ingress/acme/dnsProvider"),
        ({"ingress": {"acme": {"dnsSecret": "dns"}}}, "/spec/ingress/acme/dnsSecret"),
        ({"ingress": {"sslProvider": "custom", "acme": {"email": "a@b.c"}}}, "/spec/ingress/acme"),
        ({"ingress": {"external": {"apis": ["10.0.0.7"]}}}, "/spec/ingress/external/apis/0"),
        ({"domains": {"resolvers": ["dns.example"]}}, "/spec/domains/resolvers/0"),
        ({"networkPool": {"cidr": "10.0.0.0/28", "prefix": 24}}, "/spec/networkPool/prefix"),
        ({"networkPool": {"cidr": "10.1.0.0/8"}}, "/spec/networkPool/cidr"),
        ({"hostPorts": {"allow": True}}, "/spec/hostPorts/range"),
        ({"hostPorts": {"range": "9-8"}}, "/spec/hostPorts/range"),
        ({"massChange": {"maxPercent": 101}}, "/spec/massChange/maxPercent"),
        ({"ingres": {}}, "/spec/ingres"),
    ],
)
def test_what_is_wrong_is_named_at_its_place(spec: dict[str, Any], pointer: str) -> None:
    with pytest.raises(UserError) as caught:
        validate("CaasConfiguration", spec)
    assert [found["pointer"] for found in caught.value.details["errors"]] == [pointer]
