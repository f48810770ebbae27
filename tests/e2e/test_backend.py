"""The panel's backend as it is: its own role, plain SQL, and one bad row among many good ones."""

from __future__ import annotations

import asyncpg
import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]


def backend(program: Program) -> str:
    """A login of the role skyctl_backend."""
    program.sql(
        "CREATE ROLE panel LOGIN PASSWORD 'panel' IN ROLE skyctl_backend INHERIT", "SELECT 1"
    )
    return program.dsn.replace(program.dsn.split("://")[1].split("@")[0], "panel:panel")


def test_insert_update_delete_are_carried_out(program: Program, docker: Docker, image: str) -> None:
    program.start()
    panel = backend(program)
    program.sql(
        fleet.organization("backend"), fleet.service("backend", "web", image), "SELECT 1", dsn=panel
    )
    fleet.converge(program)
    first = docker.containers(program.label)[0]
    docker.call("POST", f"/images/{image}/tag", params={"repo": "skypanel/test-other", "tag": "2"})
    program.sql(
        "UPDATE skyctl.resources "
        "SET spec = jsonb_set(spec, '{image}', '\"skypanel/test-other:2\"') "
        "WHERE kind = 'Service' AND organization = 'backend' AND name = 'web'",
        "SELECT 1",
        dsn=panel,
    )

    def replaced() -> bool:
        found = docker.containers(program.label)
        return len(found) == 1 and found[0]["Id"] != first["Id"] and fleet.settled(program)

    until(replaced, what="the new image runs alone")
    assert docker.inspect(docker.containers(program.label)[0]["Id"])["Config"]["Image"] == (
        "skypanel/test-other:2"
    )
    program.sql(fleet.delete("Service", "backend", "web"), "SELECT 1", dsn=panel)
    until(
        lambda: not program.sql("SELECT 1 FROM skyctl.resources WHERE kind = 'Service'"),
        what="gone",
    )
    assert docker.containers(program.label) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        program.sql("UPDATE skyctl.resource_status SET status = '{}'", "SELECT 1", dsn=panel)


def test_a_malformed_spec_disturbs_nobody(program: Program, docker: Docker, image: str) -> None:
    program.start()
    panel = backend(program)
    program.sql(
        fleet.organization("backend"),
        *(fleet.service("backend", f"s{n}", image) for n in range(10)),
        fleet.insert("Service", "backend", "broken", {"imagge": image, "replicas": "three"}),
        *(fleet.service("backend", f"s{n}", image) for n in range(10, 20)),
        "SELECT 1",
        dsn=panel,
    )

    def others() -> bool:
        rows = program.sql(
            "SELECT count(*) AS ready FROM skyctl.resource_view "
            "WHERE kind = 'Service' AND ready = 'True' AND settled"
        )
        return bool(rows[0]["ready"] == 20)

    until(others, seconds=120, what="twenty run")
    row = program.sql(
        "SELECT status FROM skyctl.resource_status JOIN skyctl.resources USING (uid) "
        "WHERE name = 'broken'"
    )[0]
    said = str(row["status"])
    assert "CONFIGURATION_INVALID_SPEC" in said
    assert "/spec/imagge" in said
    assert "image" in said
    assert "/spec/replicas" in said
    # What ran from an accepted revision goes on when a later one is refused.
    before = {c["Id"] for c in docker.containers(program.label, "io.skypanel.name=s1")}
    program.sql(fleet.insert("Service", "backend", "s1", {"image": 3}), "SELECT 1", dsn=panel)
    until(
        lambda: program.sql(
            "SELECT 1 FROM skyctl.resource_view WHERE name = 's1' AND message LIKE '%image%'"
        ),
        what="refused",
    )
    assert {c["Id"] for c in docker.containers(program.label, "io.skypanel.name=s1")} == before
    docker.remove(next(iter(before)))
    until(
        lambda: docker.containers(program.label, "io.skypanel.name=s1"),
        what="healed to the accepted revision",
    )
