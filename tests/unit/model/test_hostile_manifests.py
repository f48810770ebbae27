"""What a tenant can write in order to get out: an error that says what is wrong, or exactly the
literal value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.engine.docker import render
from resources.organization.security import FORBIDDEN_CAPABILITIES, GRANTABLE_CAPABILITIES
from resources.registry import kinds
from resources.schema import manifest_schema
from tests.e2e.escapes.place import HOSTILE
from tests.e2e.escapes.written import REFUSED, TEXTS, not_stored
from tests.unit.service.test_service_container import made

SAID = not_stored()
WANTED = {
    **{written.title: written.said for written in REFUSED},
    **{title: said for title, _, said in TEXTS},
}


@pytest.mark.parametrize("title", SAID)
def test_refused_and_told_why(title: str) -> None:
    assert SAID[title], "it was taken"
    assert WANTED[title].lower() in SAID[title].lower()
    assert len(SAID[title]) < 3000


def test_a_hostile_value_arrives_as_it_is() -> None:
    lines = "a\nB=c\r\n\ttab"
    spec = made(
        environment={"ODD": HOSTILE, "LINES": lines},
        command=[HOSTILE],
        args=["--", HOSTILE],
        files=[{"path": "/odd", "content": HOSTILE}],
    )
    body = render.container(spec)
    assert body["Env"] == [f"LINES={lines}", f"ODD={HOSTILE}"]
    assert (body["Entrypoint"], body["Cmd"]) == ([HOSTILE], ["--", HOSTILE])
    assert spec.files[0].content == HOSTILE


ENDANGERING = {
    "Binds", "Devices", "DeviceRequests", "DeviceCgroupRules", "Privileged", "PidMode", "IpcMode",
    "UTSMode", "UsernsMode", "CgroupParent", "Cgroup", "Runtime", "Sysctls", "VolumesFrom", "Links",
    "ExtraHosts", "GroupAdd", "OomKillDisable", "MaskedPaths", "ReadonlyPaths", "StorageOpt",
    "VolumeDriver", "Dns", "Isolation",
}  # fmt: skip


def test_no_rendered_container_has_what_endangers_the_host() -> None:
    """Whatever is declared: the most that a spec can say, of every field."""
    organization = {"security": {"allowedCapabilities": sorted(GRANTABLE_CAPABILITIES)}}
    spec = made(
        organization,
        capabilities=sorted(GRANTABLE_CAPABILITIES),
        user="0:0",
        tmpfs=[{"mountPath": "/t"}],
        shmSize="64Mi",
        ports=[{"containerPort": 80}],
        healthCheck={"exec": ["true"]},
        workingDir="/",
        stopSignal="SIGKILL",
    )
    host = render.container(spec)["HostConfig"]
    assert not ENDANGERING & host.keys()
    assert host["CapDrop"] == ["ALL"]
    assert not FORBIDDEN_CAPABILITIES & set(host["CapAdd"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert {mount["Type"] for mount in host["Mounts"]} <= {"volume"}
    assert host["PidsLimit"] > 0
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0


WORDS = ("host", "device", "privileg", "namespace", "label", "option", "driver", "bind", "sysctl")
HARMLESS = {"hostPort", "hostPorts", "hostAddress", "hostname", "labels"}


@pytest.mark.parametrize("kind", kinds())
def test_no_field_speaks_of_the_host(kind: str) -> None:
    """A new field of such a name is looked at here before it goes out."""
    suspicious = {
        name
        for name in _fields(manifest_schema(kinds()[kind])["$defs"])
        if any(word in name.lower() for word in WORDS)
    }
    assert suspicious <= HARMLESS


def _fields(definitions: Mapping[str, Any]) -> set[str]:
    return {name for told in definitions.values() for name in told.get("properties", {})}
