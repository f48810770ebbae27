"""The CaasConfiguration of a running installation: taken at once, without anybody who notices."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from tests.e2e import fleet
from tests.e2e.harness import SKYCTL, Docker, Program, short_directory, until
from tests.e2e.stage import HOST, Stage, stage
from tests.e2e.visitors import Crowd

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]


def configured(program: Program, spec: dict[str, Any], *wait: str) -> dict[str, Any]:
    """Applied as people do; its status then."""
    document = {"apiVersion": "skypanel.io/v1", "kind": "CaasConfiguration",
                "metadata": {"name": "default"}, "spec": spec}  # fmt: skip
    done = program.ctl("apply", "-f", "-", *wait, input=json.dumps(document))
    assert done.returncode == 0 or not wait, done.stdout + done.stderr
    return status(program)


def status(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.get("caas", "default")["status"]
    return found


@pytest.fixture(scope="module")
def made() -> Iterator[Stage]:
    with short_directory() as place, stage(place) as it:
        yield it


def test_a_change_is_taken_and_no_visitor_notices(made: Stage) -> None:
    program = made.program
    before = (made.proxies(), [c["Id"] for c in made.containers()])
    with Crowd(made.port, HOST) as crowd:
        for percent in (40, 50, 60):
            found = configured(program, {"massChange": {"maxPercent": percent}}, "--wait")
            assert (found["phase"], found["message"]) == ("Ready", "in force")
        asked, failed = crowd.tally()
    assert sum(asked.values()) > 100
    assert not failed
    assert (made.proxies(), [c["Id"] for c in made.containers()]) == before
    assert program.log.count("beginning anew") == 3


def test_who_watches_goes_on_watching(made: Stage) -> None:
    program = made.program
    command = [*SKYCTL, "get", "dom", "-A", "--watch"]
    with subprocess.Popen(command, env=program.environment, stdout=subprocess.PIPE) as watching:
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline()
            os.set_blocking(watching.stdout.fileno(), False)
            configured(program, {"massChange": {"maxPercent": 33}}, "--wait")
            made.domain("later", "later.example.test")
            told = bytearray()

            def heard() -> bool:
                told.extend(watching.stdout.read() or b"")  # type: ignore[union-attr]
                return b"later" in told

            until(heard, seconds=30, what="the new Domain is told")
        finally:
            watching.kill()
    made.drop("Domain", "later")


def test_the_entry_points_move(made: Stage) -> None:
    """The environment of this program gives the ports: the row's are named as beaten, and hold
    once it starts without."""
    program, port = made.program, free_port()
    ingress = {"mode": "process", "httpPort": port, "defaultDomain": "apps.example.test"}
    found = configured(program, {"ingress": ingress}, "--wait")
    assert {"pointer": "/spec/ingress/httpPort", "by": "SKYCTL_HTTP_PORT"} in found["overruled"]
    made.serves(host="web.traffic.apps.example.test")
    assert program.stop() == 0
    given = program.env.pop("SKYCTL_HTTP_PORT")
    try:
        program.start()
        until(
            lambda: "SKYCTL_HTTP_PORT" not in status(program)["message"],
            what="the port of the row is in force",
        )
        made.port = port
        made.serves()
    finally:
        program.stop()
        program.env["SKYCTL_HTTP_PORT"] = given
        made.port = int(given)
        program.start()
    made.serves()


def test_what_cannot_be_taken_takes_nothing_away(made: Stage) -> None:
    program = made.program
    domain = {"defaultDomain": "apps.example.test"}
    configured(program, {"ingress": domain}, "--wait")
    made.serves(host="web.traffic.apps.example.test")
    acme = {"email": "ops@example.test", "challenge": "dns", "dnsSecret": "none-such"}
    configured(program, {"ingress": {"acme": acme}})
    until(lambda: status(program)["phase"] == "Failed", what="it says so")
    assert status(program)["error"]["code"] == "SECRET_NOT_FOUND"
    made.serves(host="web.traffic.apps.example.test")


def test_an_engine_that_is_not_there_and_the_way_back(
    made: Stage,
) -> None:
    if "DOCKER_HOST" in os.environ:
        pytest.skip("DOCKER_HOST beats it")
    program = made.program
    configured(program, {"docker": {"socketPath": "/nonexistent/docker.sock"}})
    until(lambda: status(program)["phase"] == "Degraded", what="the engine is not there")
    assert status(program)["engine"]["state"] == "disconnected"
    made.serves()
    configured(program, {}, "--wait")
    assert status(program)["engine"]["state"] == "connected"
    made.serves()


def test_once_and_by_sql() -> None:
    """A directory with everything in it converges by ``--once``, by the configuration in it."""
    with short_directory() as place:
        port = free_port()
        documents = [
            {"kind": "CaasConfiguration", "metadata": {"name": "default"},
             "spec": {"ingress": {"mode": "process", "httpPort": port, "httpsPort": free_port()},
                      "domains": {"verification": "none"}}},
            {"kind": "Organization", "metadata": {"name": "onceconf"}, "spec": {}},
        ]  # fmt: skip
        manifests = place / "manifests"
        manifests.mkdir()
        for number, document in enumerate(documents):
            whole = {"apiVersion": "skypanel.io/v1", **document}
            (manifests / f"{number}.yml").write_text(json.dumps(whole))
        program = Program(place / "state", manifests=[str(manifests)], flags=["--once"])
        try:
            program.start(ready=False)
            assert program.process is not None
            assert program.process.wait(60) == 0, program.log[-2000:]
            program.flags, program.manifests = [], []
            program.start()
            assert status(program)["message"] == "in force"
            assert program.ctl("adopt", "caas/default", "--source", "sql").returncode == 0
            command = {"imagePolicy": {"command": "true"}}
            program.sql(fleet.insert("CaasConfiguration", "", "default", command), "SELECT 1")
            until(lambda: status(program)["phase"] == "Failed", what="it is refused")
            assert status(program)["error"]["code"] == "CONFIGURATION_COMMAND_FROM_SQL"
            assert status(program)["observedGeneration"] == 2
        finally:
            if program.process is not None and program.process.poll() is None:
                program.stop()
            Docker().sweep(program.instance_known())
            program.end_traefik()
            program.end_database()
