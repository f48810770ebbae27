"""Rows and manifests become containers, stay that way, and cost nothing once they are."""

from __future__ import annotations

import time

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]


def one(program: Program, docker: Docker, name: str) -> dict[str, object] | None:
    found = docker.containers(program.label, f"io.skypanel.name={name}")
    return found[0] if len(found) == 1 else None


def test_a_row_becomes_a_container_as_described(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(
        fleet.organization("loop", displayName="Acme"),
        fleet.volume("loop", "data"),
        fleet.service(
            "loop",
            "web",
            image,
            environment={"COLOUR": "blue", "COUNT": 3, "ON": True},
            volumes=[{"volume": "data", "mountPath": "/data"}],
            files=[{"path": "/etc/motd", "content": "hello\n", "mode": "0444"}],
            tmpfs=[{"mountPath": "/scratch", "size": "1Mi"}],
        ),
        "SELECT 1",
    )
    fleet.converge(program)
    listed = one(program, docker, "web")
    assert listed is not None
    seen = docker.inspect(str(listed["Id"]))
    host, config = seen["HostConfig"], seen["Config"]
    assert seen["State"]["Running"]
    assert {"COLOUR=blue", "COUNT=3", "ON=true"} <= set(config["Env"])
    assert host["Memory"] == host["MemorySwap"] == 16 << 20
    assert host["NanoCpus"] == 50_000_000
    assert host["PidsLimit"] == 32
    assert host["CapDrop"] == ["ALL"]
    assert any("no-new-privileges" in option for option in host["SecurityOpt"])
    assert host["Init"] is True
    assert host["LogConfig"]["Config"]["max-size"]
    assert not host["Privileged"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    mounts = {m["Destination"]: m for m in seen["Mounts"]}
    assert mounts["/data"]["Name"].startswith("skypanel_loop_data_")
    network = next(iter(seen["NetworkSettings"]["Networks"]))
    assert network.startswith("skypanel_loop_")
    assert "web" in seen["NetworkSettings"]["Networks"][network]["Aliases"]
    said = program.ctl("exec", "service/web", "--org", "loop", "--", "cat", "/etc/motd")
    assert (said.returncode, said.stdout) == (0, "hello\n"), said.stderr


def test_a_restart_adopts_without_an_engine_write(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(
        fleet.organization("loop"),
        *(fleet.service("loop", f"s{n}", image) for n in range(5)),
        "SELECT 1",
    )
    fleet.converge(program)
    before = fleet.state(program, docker)
    ids = {c["Id"] for c in docker.containers(program.label)}
    assert program.stop() == 0
    assert {c["Id"] for c in docker.containers(program.label)} == ids
    program.start()
    fleet.converge(program)
    assert fleet.writes(program) == 0
    assert {c["Id"] for c in docker.containers(program.label)} == ids
    assert fleet.state(program, docker) == before


def test_converged_costs_nothing(program: Program, docker: Docker, image: str) -> None:
    program.env["SKYCTL_RESYNC_INTERVAL"] = "0.3s"
    program.start()
    program.sql(
        fleet.organization("loop"),
        fleet.volume("loop", "v"),
        *(fleet.service("loop", f"s{n}", image, replicas=2) for n in range(5)),
        "SELECT 1",
    )
    fleet.converge(program, seconds=60)
    resyncs = 'skyctl_source_relists_total{reason="resync",source="engine"}'
    written = 'skyctl_status_writes_total{result="written"}'

    def quiet() -> tuple[float, float, float]:
        metrics = program.metrics()
        return metrics.get(resyncs, 0), metrics[written], fleet.writes(program)

    first = until(lambda: quiet() if quiet()[1:] == quiet()[1:] else None, what="quiet")
    last = until(lambda: quiet() if quiet()[0] >= first[0] + 10 else None, what="ten resyncs")
    assert last[1:] == first[1:]


DISTURBANCES = ["rm", "stop", "kill", "pause", "recreate"]


@pytest.mark.parametrize("how", DISTURBANCES)
def test_what_is_done_by_hand_is_put_right_at_once(
    how: str, program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(fleet.organization("loop"), fleet.service("loop", "web", image), "SELECT 1")
    fleet.converge(program)
    name = "loop_web_0"
    container = one(program, docker, "web")
    assert container is not None
    name = str(container["Names"][0]).lstrip("/")  # type: ignore[index]
    disturb(docker, how, name, image)
    started = time.monotonic()

    def right() -> bool:
        seen = docker.inspect(name)
        return (
            seen["State"]["Status"] == "running"
            and seen["Config"]["Labels"].get("io.skypanel.name") == "web"
        )

    if how != "recreate":
        until(right, seconds=10, what=f"running after {how}", every=0.02)
        print(f"{how}: healed in {time.monotonic() - started:.2f}s")
        fleet.converge(program)
        return

    # A foreign container took the name: it is left alone, and the status says so.
    def blocked() -> bool:
        row = program.sql("SELECT message FROM skyctl.resource_view WHERE kind = 'Service'")[0]
        return name in str(row["message"])

    until(blocked, what="the name in the way is told")
    assert docker.inspect(name)["Config"]["Labels"].get("io.skypanel.name") is None
    docker.remove(name)
    program.ctl("restart", "service/web", "--org", "loop")
    fleet.converge(program)


def taken(docker: Docker, name: str, image: str) -> bool:
    """By a foreign container. Raises when the controller was quicker."""
    docker.remove(name)
    docker.call("POST", "/containers/create", params={"name": name}, json={"Image": image})
    return True


def disturb(docker: Docker, how: str, name: str, image: str) -> None:
    if how == "rm":
        docker.remove(name)
    elif how == "recreate":
        until(lambda: taken(docker, name, image), what="the name is had before it is healed")
    else:
        query = {"t": "1"} if how == "stop" else {}
        docker.call("POST", f"/containers/{name}/{how}", params=query)


def test_a_network_removed_by_hand_comes_back_with_everybody_on_it(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(
        fleet.organization("loop"),
        *(fleet.service("loop", name, image) for name in ("web", "db")),
        "SELECT 1",
    )
    fleet.converge(program)
    ids = {c["Id"] for c in docker.containers(program.label)}
    network = docker.networks(program.label)[0]
    for attached in docker.get(f"/networks/{network['Id']}")["Containers"]:
        docker.call(
            "POST",
            f"/networks/{network['Id']}/disconnect",
            json={"Container": attached, "Force": True},
        )
    docker.call("DELETE", f"/networks/{network['Id']}", ok=(403, 404))

    def back() -> bool:
        networks = docker.networks(program.label)
        if len(networks) != 1:
            return False
        attached = docker.get(f"/networks/{networks[0]['Id']}")["Containers"]
        return set(attached) == ids

    until(back, what="both containers are on the network again")
    fleet.converge(program)
    said = program.ctl("exec", "service/web", "--org", "loop", "--", "nslookup", "db")
    assert said.returncode == 0 or "db" in said.stdout + said.stderr


def test_deletion_takes_everything_but_the_data(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(
        fleet.organization("loop"),
        fleet.volume("loop", "data"),
        fleet.service(
            "loop", "web", image, replicas=1, volumes=[{"volume": "data", "mountPath": "/d"}]
        ),
        "SELECT 1",
    )
    fleet.converge(program)
    program.sql(fleet.delete("Organization", "", "loop"), "SELECT 1")
    until(lambda: not program.sql("SELECT 1 FROM skyctl.resources"), what="rows gone", seconds=60)
    assert docker.containers(program.label) == []
    assert docker.networks(program.label) == []
    kept = docker.volumes(program.label)
    assert [v["Labels"]["io.skypanel.name"] for v in kept] == ["data"]
    rows = program.sql("SELECT engine_name, expires_at FROM skyctl.retained_volumes")
    assert [(r["engine_name"], r["expires_at"]) for r in rows] == [(kept[0]["Name"], None)]


def test_a_lost_volume_is_an_alarm_and_never_a_fresh_one(
    program: Program, docker: Docker, image: str
) -> None:
    program.start()
    program.sql(
        fleet.organization("loop"),
        fleet.volume("loop", "data"),
        fleet.service("loop", "web", image, volumes=[{"volume": "data", "mountPath": "/d"}]),
        "SELECT 1",
    )
    fleet.converge(program)
    assert program.stop() == 0
    for container in docker.containers(program.label):
        docker.remove(container["Id"])
    lost = docker.volumes(program.label)[0]["Name"]
    docker.call("DELETE", f"/volumes/{lost}")
    program.start()

    def told() -> bool:
        row = program.sql(
            "SELECT status FROM skyctl.resource_status JOIN skyctl.resources USING (uid) "
            "WHERE kind = 'Volume'"
        )[0]
        return "STORAGE_VOLUME_LOST" in str(row["status"])

    until(told, what="the loss is told")
    assert docker.volumes(program.label) == []
    assert docker.containers(program.label) == []
