"""Many: organizations on one engine, and resources that can never run."""

from __future__ import annotations

import os

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]
TORTURE = bool(os.environ.get("SKYCTL_TORTURE"))
ORGANIZATIONS = 200 if TORTURE else 40


def test_organizations_on_one_engine(program: Program, docker: Docker, image: str) -> None:
    """Docker's own pools end at about 30 networks."""
    program.start()
    program.sql(
        *(
            statement
            for n in range(ORGANIZATIONS)
            for statement in (
                fleet.organization(f"org-{n}"),
                fleet.service(f"org-{n}", "web", image),
            )
        ),
        "SELECT 1",
    )
    fleet.converge(program, seconds=300)
    networks = docker.networks(program.label)
    subnets = {n["IPAM"]["Config"][0]["Subnet"] for n in networks}
    assert len(networks) == len(subnets) == ORGANIZATIONS
    containers = docker.containers(program.label)
    assert len(containers) == ORGANIZATIONS
    assert all(c["State"] == "running" for c in containers)


def test_missing_images_are_backed_off_and_others_go_on(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    missing = 100 if TORTURE else 40
    program.sql(
        fleet.organization("many"),
        *(
            fleet.service(
                "many", f"m{n}", f"127.0.0.1:1/nowhere:{n}", imagePullPolicy="IfNotPresent"
            )
            for n in range(missing)
        ),
        *(fleet.service("many", f"ok{n}", image) for n in range(5)),
        "SELECT 1",
    )

    def others() -> bool:
        return not program.sql(
            "SELECT 1 FROM skyctl.resource_view "
            "WHERE name LIKE 'ok%' AND NOT (settled AND ready = 'True')"
        )

    until(others, seconds=120, what="the others run")

    def told() -> bool:
        rows = program.sql(
            "SELECT count(*) AS n FROM skyctl.resource_status JOIN skyctl.resources USING (uid) "
            "WHERE name LIKE 'm%' AND status->'error'->>'code' LIKE 'IMAGE_%'"
        )
        return bool(rows[0]["n"] == missing)

    until(told, seconds=120, what="each says why")
    pulls = sum(
        v
        for k, v in program.metrics().items()
        if k.startswith("skyctl_engine_call_seconds_count") and 'operation="pull' in k
    )
    retries = program.metrics()["skyctl_workqueue_retries_total"]
    assert retries > 0
    assert pulls <= missing * 12, "the backoff bounds how often an engine is asked"
