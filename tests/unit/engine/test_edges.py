"""The engine's edges as pure functions: addresses, conversions, references, routes, frames."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from controller.engine.docker import archive, convert, host, render
from controller.engine.docker.endpoint import endpoint_from
from controller.engine.docker.logs import LineJoiner
from controller.engine.docker.puller import Layers, split
from controller.engine.docker.usage import resident
from controller.engine.docker.wire import segment
from resources.container_spec import ContainerSpec, FileContent
from resources.errors import UserError
from resources.observed import Limits, Network
from resources.steps import PullImage

ID = "ab" * 32
OTHER = "cd" * 32


# ---------------------------------------------------------------- addresses
@pytest.mark.parametrize(
    ("host_", "environment", "base", "socket", "loopback"),
    [
        (None, {}, "unix://localhost", "/var/run/docker.sock", True),
        (None, {"DOCKER_HOST": "unix:///x/y.sock"}, "unix://localhost", "/x/y.sock", True),
        ("unix:///z", {"DOCKER_HOST": "unix:///x"}, "unix://localhost", "/z", True),
        ("tcp://10.0.0.1", {}, "http://10.0.0.1:2375", None, False),
        ("tcp://127.0.0.1:99", {}, "http://127.0.0.1:99", None, True),
        ("tcp://h:99", {"DOCKER_TLS_VERIFY": "1"}, "https://h:99", None, False),
        ("https://localhost", {}, "https://localhost:2376", None, True),
        ("tcp://[::1]:1", {}, "http://[::1]:1", None, True),
    ],
)
def test_endpoint(
    host_: str | None, environment: dict[str, str], base: str, socket: str | None, loopback: bool
) -> None:
    endpoint = endpoint_from(host_, environment)
    assert (endpoint.base, endpoint.socket, endpoint.loopback) == (base, socket, loopback)


@pytest.mark.parametrize("bad", ["ssh://h", "unix://relative", "h:2375", "tcp://"])
def test_unusable_address(bad: str) -> None:
    with pytest.raises(UserError) as caught:
        endpoint_from(bad, {})
    assert caught.value.code == "CONFIGURATION_INVALID"


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("nonsense")
    endpoint = endpoint_from("https://h", {"DOCKER_CERT_PATH": str(tmp_path)})
    assert endpoint.ca == tmp_path / "ca.pem"
    with pytest.raises(UserError) as caught:
        endpoint.ssl_context()
    assert caught.value.code == "CONFIGURATION_INVALID"


@pytest.mark.parametrize("bad", ["", "..", "a/../b", "a//b", "/a", "."])
def test_a_name_stays_in_its_place(bad: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        segment(bad)


def test_a_name_is_quoted() -> None:
    assert segment("r.example:5000/a/b@sha256:12?x#y z") == (
        "r.example:5000/a/b@sha256:12%3Fx%23y%20z"
    )


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("nginx", "nginx", "latest"),
        ("nginx:1.27", "nginx", "1.27"),
        ("r:5000/a/b", "r:5000/a/b", "latest"),
        ("r:5000/a/b:1", "r:5000/a/b", "1"),
        ("a/b@sha256:12", "a/b", "sha256:12"),
        ("r:5000/a:1@sha256:12", "r:5000/a", "sha256:12"),
    ],
)
def test_references(reference: str, name: str, tag: str) -> None:
    assert split(reference) == (name, tag)


# ---------------------------------------------------------------- conversions
def inspection(**more: Any) -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/web",
        "Image": "sha256:1",
        "Created": "2026-01-01T00:00:00.123456789Z",
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z"},
        "Config": {"Image": "a:1", "Labels": None},
        "HostConfig": {"NetworkMode": OTHER, "RestartPolicy": {"Name": "unless-stopped"}},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
        **more,
    }


def networks(**places: dict[str, Any]) -> dict[str, Any]:
    return {"Networks": places}


def test_aliases_end_where_the_engine_s_own_begin() -> None:
    place: dict[str, Any] = {
        "NetworkID": OTHER,
        "Aliases": ["web", "www", ID[:12], "hostname"],
        "IPAddress": "1",
    }
    seen = convert.container_inspected(inspection(NetworkSettings=networks(n=place)))
    assert seen.networks[0].aliases == ("web", "www")
    place["Aliases"] = None
    seen = convert.container_inspected(inspection(NetworkSettings=networks(n=place)))
    assert seen.networks[0].aliases == ()


def test_places_never_started_are_known_by_the_network_mode() -> None:
    one = networks(n={"NetworkID": "", "Aliases": ["web"]})
    seen = convert.container_inspected(inspection(NetworkSettings=one))
    assert [a.network_id for a in seen.networks] == [OTHER]
    two = networks(n={"NetworkID": ""}, m={"NetworkID": ""})
    seen = convert.container_inspected(inspection(NetworkSettings=two))
    assert [a.network_id for a in seen.networks] == ["m", "n"]
    started = networks(n={"NetworkID": OTHER}, m={"NetworkID": ""})
    seen = convert.container_inspected(inspection(NetworkSettings=started))
    assert sorted(a.network_id for a in seen.networks) == sorted([OTHER, "m"])


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        ({"Name": "unless-stopped"}, "always"),
        ({"Name": "on-failure", "MaximumRetryCount": 0}, "onFailure"),
        ({"Name": "no"}, "never"),
        ({"Name": ""}, "never"),
        ({}, "never"),
        ({"Name": "always"}, "engine:always"),
        ({"Name": "on-failure", "MaximumRetryCount": 5}, "engine:on-failure:5"),
    ],
)
def test_policies(raw: dict[str, Any], policy: str) -> None:
    assert convert.policy(raw) == policy


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("Up 5 seconds", ""),
        ("Up 2 minutes (healthy)", "healthy"),
        ("Up 2 minutes (unhealthy)", "unhealthy"),
        ("Up 1 second (health: starting)", "starting"),
        ("Up 3 hours (Paused)", ""),
        ("Exited (137) 5 minutes ago", ""),
    ],
)
def test_health_in_a_list(status: str, health: str) -> None:
    raw = {"Id": ID, "Names": ["/x/linked", "/web"], "Status": status, "State": "running"}
    seen = convert.container_listed(raw)
    assert (seen.health, seen.name) == (health, "web")


def test_the_zero_time_is_none_and_nanoseconds_are_cut() -> None:
    seen = convert.container_inspected(inspection())
    assert seen.started_at is None
    assert seen.created_at is not None
    assert seen.created_at.microsecond == 123456


def test_event() -> None:
    event = convert.event(
        {
            "Type": "container",
            "Action": "health_status: healthy",
            "Actor": {
                "ID": ID,
                "Attributes": {"name": "web", "image": "a", "io.skypanel.uid": "u"},
            },
            "timeNano": 5,
        }
    )
    assert (event.action, event.name, event.labels) == (
        "health_status",
        "web",
        {"io.skypanel.uid": "u"},
    )
    volume = convert.event({"Type": "volume", "Action": "create", "Actor": {"ID": "v"}})
    assert (volume.id, volume.name) == ("v", "v")


def test_the_smallest_rendering_still_hardens() -> None:
    spec = ContainerSpec("n", "i", {}, OTHER, ("a",), Limits(1, 2, 3))
    body = render.container(spec)
    assert not {"Entrypoint", "Cmd", "User", "Healthcheck", "Hostname"} & set(body)
    assert body["HostConfig"]["CapDrop"] == ["ALL"]
    assert body["HostConfig"]["MemorySwap"] == 2
    assert body["NetworkingConfig"] == {"EndpointsConfig": {OTHER: {"Aliases": ["a"]}}}


# ---------------------------------------------------------------- files, logs, usage
def test_archive_names_no_directories() -> None:
    files = (FileContent("/etc/a//b/../c", "x", 0o400), FileContent("/d", "ü"))
    with tarfile.open(fileobj=io.BytesIO(archive.pack(files, "/"))) as tar:
        assert [(m.name, m.mode, m.size) for m in tar] == [("etc/a/c", 0o400, 1), ("d", 0o444, 2)]
    assert archive.folders(files[0]) == ["/etc/a", "/etc", "/"]


def test_lines_are_joined_across_frames() -> None:
    lines = LineJoiner()
    out = [*lines.feed("stdout", b"T1 begin"), *lines.feed("stderr", b"T2 err\n")]
    out += [*lines.feed("stdout", b"T3  end\n"), *lines.feed("stdout", b"T4 \n")]
    out += [*lines.feed("stdout", b"T5 never ended"), *lines.rest()]
    assert [(x.stream, x.time, x.text) for x in out] == [
        ("stderr", "T2", "err"),
        ("stdout", "T1", "begin end"),
        ("stdout", "T4", ""),
        ("stdout", "T5", "never ended"),
    ]


def test_memory_without_cache_on_both_cgroup_versions() -> None:
    assert resident({"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 1}}) == 70
    assert resident({"usage": 100, "stats": {"inactive_file": 30}}) == 70
    assert resident({"usage": 100, "stats": {"inactive_file": 200}}) == 100
    assert resident({}) == 0


def test_layers() -> None:
    layers = Layers()
    half = {"id": "a", "status": "Downloading", "progressDetail": {"current": 5, "total": 10}}
    for line in (half, {"status": "Pulling from x", "id": "1"}, {"id": "b", "status": "Waiting"}):
        layers.note(line)
    step = PullImage(reference="i", cause="test")
    told = layers.progress(step, "")
    assert (told.current, told.total, told.layers, told.layers_done) == (5, 10, 2, 0)
    layers.note({"id": "a", "status": "Pull complete"})
    layers.note({"id": "c", "status": "Already exists"})
    told = layers.progress(step, "")
    assert (told.current, told.layers, told.layers_done) == (10, 3, 2)
    assert (told.pull, told.organization) == (("i",), None)


# ---------------------------------------------------------------- the host
TRIE = """Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
        /1 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.1
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
     |-- 10.8.0.0
        /16 universe UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
Id 52:
     |-- 10.99.0.0
        /16 universe UNICAST
"""
DEV = "Inter-| Receive\n face |bytes\n    lo: 1 2\n  eth0: 1\ndocker0: 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "fib_trie").write_text(TRIE)
    (tmp_path / "dev").write_text(DEV)
    return tmp_path


def bridge(name: str, *subnets: str) -> Network:
    return Network(name, name, {}, subnets, False, name)


def test_routes_of_the_host_without_the_engine_s_own(proc: Path) -> None:
    own = [bridge("docker0", "172.17.0.0/16"), bridge("six", "fd00::/64")]
    assert host.routed(own, proc) == ["10.8.0.0/16", "10.99.0.0/16", "192.0.2.2/32"]
    assert "172.17.0.0/16" in host.routed([], proc)


def test_reach(proc: Path, tmp_path: Path) -> None:
    here, elsewhere = [bridge("docker0")], [bridge("docker7")]
    assert host.reach(here, loopback=True, proc=proc) == "host"
    assert host.reach(elsewhere, loopback=True, proc=proc) == "attached"
    assert host.reach(here, loopback=False, proc=proc) == "none"
    assert host.reach(here, loopback=True, proc=tmp_path / "none") == "attached"
    assert host.routed([], tmp_path / "none") == []
