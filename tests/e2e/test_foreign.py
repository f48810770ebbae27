"""What is not ours is never touched, also when it has the very name we want."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]


def view(program: Program, kind: str) -> dict[str, Any]:
    row = program.sql(f"SELECT * FROM skyctl.resource_view WHERE kind = '{kind}'")[0]
    return dict(row)


def test_a_network_and_a_volume_in_the_way(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.kill()  # its database stays: rows can be written before anybody acts on them
    program.sql(fleet.organization("foreign"), fleet.volume("foreign", "data"), "SELECT 1")
    rows = program.sql("SELECT kind, uid FROM skyctl.resources")
    uids = {row["kind"]: str(row["uid"])[:8] for row in rows}
    network = f"skypanel_foreign_{uids['Organization']}"
    volume = f"skypanel_foreign_data_{uids['Volume']}"
    made = docker.call("POST", "/networks/create", json={"Name": network})["Id"]
    docker.call("POST", "/volumes/create", json={"Name": volume, "Labels": {"mine": "yes"}})
    try:
        program.start()
        until(lambda: network in str(view(program, "Organization")["message"]), what="told")
        until(lambda: volume in str(view(program, "Volume")["message"]), what="told")
        for kind in ("Organization", "Volume"):
            assert view(program, kind)["ready"] is False
            assert (
                "RESOURCE_CONFLICT"
                in program.ctl(
                    "get",
                    f"{kind.lower()}/{'foreign' if kind == 'Organization' else 'data'}",
                    "--org",
                    "foreign",
                    "-o",
                    "json",
                ).stdout
            )
        assert docker.get(f"/networks/{made}")["Labels"] == {}
        assert docker.get(f"/volumes/{volume}")["Labels"] == {"mine": "yes"}
        assert docker.networks(program.label) == []
        # Once the way is free, it goes on by itself.
        docker.call("DELETE", f"/networks/{made}")
        docker.call("DELETE", f"/volumes/{volume}")
        fleet.converge(program, seconds=15)
    finally:
        docker.call("DELETE", f"/networks/{made}", ok=(404, 403))
        docker.call("DELETE", f"/volumes/{volume}", ok=(404, 409))


def test_a_container_in_the_way(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.sql(fleet.organization("foreign"), fleet.service("foreign", "web", image), "SELECT 1")
    fleet.converge(program)
    name = docker.containers(program.label)[0]["Names"][0].lstrip("/")
    program.sql(fleet.delete("Service", "foreign", "web"), "SELECT 1")
    until(lambda: not docker.containers(program.label), what="deleted")
    until(lambda: len(program.sql("SELECT 1 FROM skyctl.resources")) == 1, what="row gone")
    foreign = docker.call(
        "POST", "/containers/create", params={"name": name}, json={"Image": image}
    )
    try:
        program.sql(fleet.service("foreign", "web", image), "SELECT 1")
        until(lambda: name in str(view(program, "Service")["message"]), what="told")
        assert view(program, "Service")["phase"] != "Running"
        assert docker.inspect(foreign["Id"])["State"]["Status"] == "created"
        assert docker.inspect(name)["Id"] == foreign["Id"]
    finally:
        docker.remove(foreign["Id"])
