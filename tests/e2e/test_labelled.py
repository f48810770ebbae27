"""Routes as labels, read by a real Traefik with the Docker provider: on the containers, rolled by a
change that was announced, never a 404 meanwhile, and an impostor is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from controller.ingress.binary import find_traefik
from tests.e2e import fleet, labelled
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import HOST, ORG, Stage, table
from tests.e2e.visitors import Crowd
from tests.images import FOREVER, ensure_image

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))
CHANGED = {
    "hostname": HOST,
    "service": "web",
    "tls": {"enabled": False},
    "middlewares": {"compress": True},
}


def test_a_change_is_announced_and_rolled_and_an_impostor_is_told() -> None:
    with short_directory() as place, labelled.stage(place) as (stage, operator):
        stage.prepare()
        before = carried(stage)
        assert before == printed(stage)
        assert {name.removesuffix("@docker") for name in operator.routers()} == {
            name.split(".")[3] for name in before if name.endswith(".rule")
        }
        with Crowd(stage.port, HOST) as crowd:
            file = announced(stage, place)
            assert stage.program.ctl("apply", "-f", str(file)).returncode == 0
            stage.settle()
            assert carried(stage) == printed(stage) != before
            asked, failed = crowd.tally()
        assert sum(asked.values()) > 100
        assert not [why for why in failed if "404" in why], failed
        told(stage)
        smuggled(stage)
        assert stage.program.ctl("delete", "domain/site", "--org", ORG).returncode == 0
        until(lambda: carried(stage) == {"traefik.enable": "false"}, seconds=60, what="no labels")
        stage.serves(status=404)


def carried(stage: Stage) -> dict[str, str]:
    """By all replicas alike."""
    found = [
        {name: text for name, text in c["Labels"].items() if name.startswith("traefik.")}
        for c in stage.containers()
    ]
    assert all(labels == found[0] for labels in found)
    return found[0]


def printed(stage: Stage) -> dict[str, str]:
    done = stage.program.ctl("get", "domain/site", "--org", ORG, "--labels", "-o", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def announced(stage: Stage, place: Path) -> Path:
    """Before anything is done. The manifest."""
    source = ("--org", ORG, "--source", "api")
    assert stage.program.ctl("adopt", "domain/site", *source).returncode == 0
    names = {c["Id"] for c in stage.containers()}
    file = place / "site.json"
    metadata = {"name": "site", "organization": ORG}
    file.write_text(
        json.dumps(
            {
                "apiVersion": "skypanel.io/v1",
                "kind": "Domain",
                "metadata": metadata,
                "spec": CHANGED,
            }
        )
    )
    said = stage.program.ctl("diff", "-f", str(file))
    assert said.stdout.count("RemoveContainer traffic_web") == 2, said.stdout + said.stderr
    assert "(labels changed: domain site)" in said.stdout
    assert {c["Id"] for c in stage.containers()} == names
    return file


def told(stage: Stage) -> None:
    """A container that is not ours claims the hostname. It is left alone."""
    body = {
        "Image": stage.image,
        "Labels": {"traefik.enable": "true", "traefik.http.routers.x.rule": f"Host(`{HOST}`)"},
    }
    name = f"impostor-{stage.program.instance[:8]}"
    made = stage.docker.call("POST", "/containers/create", params={"name": name}, json=body)
    try:
        stage.docker.call("POST", f"/containers/{made['Id']}/start")
        cause = f"{name}, which is not ours, claims {HOST} by its labels"
        until(lambda: cause in drift(stage), seconds=20, what="the impostor is told")
        events = stage.program.ctl("events", "domain/site", "--org", ORG).stdout
        assert cause in events, events
        assert stage.docker.inspect(made["Id"])["State"]["Running"]
    finally:
        stage.docker.remove(made["Id"])
    until(lambda: cause not in drift(stage), seconds=20, what="it is not told any more")


def smuggled(stage: Stage) -> None:
    """An image that brings labels of Traefik's is not run: its containers would have them too."""
    rule = f'LABEL traefik.enable=true traefik.http.routers.evil.rule="Host(`{HOST}`)"'
    image = ensure_image("skypanel/test-smuggler:1", (FOREVER, rule))
    stage.sql(fleet.service(ORG, "evil", image))

    def refused() -> bool:
        error = stage.program.get("service", "evil", "--org", ORG)["status"]["error"]
        return bool(error and error["code"] == "DEPLOYMENT_IMAGE_LABELS")

    until(refused, seconds=20, what="the image is refused")
    (made,) = stage.docker.containers(stage.program.label, "io.skypanel.name=evil")
    assert made["State"] == "created"
    assert made["Labels"]["traefik.http.routers.evil.rule"] == f"Host(`{HOST}`)"
    stage.drop("Service", "evil")


def drift(stage: Stage) -> list[str]:
    status: dict[str, Any] = stage.program.get("domain", "site", "--org", ORG)["status"]
    return [each["cause"] for each in status.get("drift", ())]


@pytest.mark.skipif(not TORTURE, reason="with SKYCTL_TORTURE=1")
@pytest.mark.parametrize("blind", [False, True])
def test_who_says_that_he_leaves_loses_no_request(blind: bool) -> None:
    """Its health check fails at SIGTERM, and it serves on until nobody comes any more."""
    with short_directory() as place, labelled.stage(place, blind=blind, manners="lingers") as bed:
        stage, _ = bed
        stage.prepare()
        played = list(stage.play(labelled.chosen(())))
    print("\n" + table(played))
    for case, found in played:
        assert found.requests > 20, case.name
        assert not found.failures, (case.name, found.failures)
