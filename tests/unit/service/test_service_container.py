"""One replica rendered: nothing more than what is declared, hardened by default."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from resources.container_spec import ContainerSpec
from resources.observed import Limits
from resources.quantity import MI
from resources.steps import CreateContainer
from tests.property.apply import uid_of
from tests.unit.service.theatre import Theatre


def made(organization: dict[str, Any] | None = None, **spec: Any) -> ContainerSpec:
    stage = Theatre(organization)
    stage.volume()
    web = stage.service(**spec)
    plan = stage.plan(web)
    assert plan.problem is None
    return next(step.spec for step in plan.steps if isinstance(step, CreateContainer))


def test_the_least() -> None:
    assert asdict(made()) == {
        "name": "acme_web_0_ea0e52",
        "image": "nginx:1.26",
        "labels": {
            "io.skypanel.controller": "i-1",
            "io.skypanel.organization": "acme",
            "io.skypanel.kind": "Service",
            "io.skypanel.name": "web",
            "io.skypanel.uid": uid_of("Service", "acme", "web"),
            "io.skypanel.generation": "1",
            "io.skypanel.revision": "v1:ea0e52bb0a4a4c83",
            "io.skypanel.ordinal": "0",
        },
        "network": "n0001",
        "aliases": ("web",),
        "limits": asdict(Limits(500_000_000, 256 * MI, 256, 256 * MI)),
        "restart": "always",
        "entrypoint": None,
        "command": None,
        "working_dir": None,
        "user": None,
        "environment": {},
        "sealed": {},
        "ports": (),
        "mounts": (),
        "volume_uids": {},
        "tmpfs": {},
        "shm_size": None,
        "files": (),
        "check": None,
        "stop_signal": None,
        "stop_grace": 10,
        "capabilities": (
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "KILL",
            "NET_BIND_SERVICE",
            "SETGID",
            "SETUID",
        ),
        "read_only_root": False,
        "hostname": "web-0",
        "users": {},
    }


def test_everything_declared_arrives() -> None:
    spec = made(
        command=["sh", "-c"],
        args=["exec app"],
        workingDir="/srv",
        user="1000:1000",
        environment={"A": "x", "B": 1, "C": True},
        files=[{"path": "/etc/a", "content": "text", "mode": "0600"}],
        ports=[{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}],
        volumes=[{"volume": "data", "mountPath": "/data", "readOnly": True}],
        tmpfs=[{"mountPath": "/tmp", "size": "1Mi"}],
        shmSize="2Mi",
        resources={"cpu": "250m", "memory": "64Mi", "pids": 10},
        healthCheck={"exec": ["true"], "interval": "1s", "timeout": "2s", "retries": 3},
        restart={"policy": "onFailure"},
        terminationGracePeriod="1500ms",
        stopSignal="SIGINT",
        readOnlyRootFilesystem=False,
        capabilities=["SYS_CHROOT"],
    )
    assert (spec.entrypoint, spec.command) == (("sh", "-c"), ("exec app",))
    assert (spec.working_dir, spec.user) == ("/srv", "1000:1000")
    assert spec.environment == {"A": "x", "B": "1", "C": "true"}
    assert [(f.path, f.content, f.mode) for f in spec.files] == [("/etc/a", "text", 0o600)]
    assert [(p.container_port, p.protocol, p.host_port) for p in spec.ports] == [
        (80, "tcp", None),
        (53, "udp", None),
    ]
    (mount,) = spec.mounts
    assert (mount.path, mount.read_only) == ("/data", True)
    assert list(spec.volume_uids) == [mount.volume]
    assert (spec.tmpfs, spec.shm_size) == ({"/tmp": MI}, 2 * MI)
    assert spec.limits == Limits(250_000_000, 64 * MI, 10, 64 * MI)
    assert spec.check is not None
    assert (spec.check.command, spec.check.interval, spec.check.retries) == (("true",), 1.0, 3)
    assert (spec.restart, spec.stop_grace, spec.stop_signal) == ("onFailure", 2, "SIGINT")
    assert "SYS_CHROOT" in spec.capabilities


def test_limits_come_from_the_service_then_the_organization() -> None:
    defaults = {"defaults": {"resources": {"cpu": 1, "memory": "1Gi"}}}
    spec = made(defaults, resources={"cpu": 2})
    assert spec.limits == Limits(2_000_000_000, 1024 * MI, 256, 1024 * MI)


def test_checks_from_outside_are_not_the_engines() -> None:
    assert made(healthCheck={"http": {"port": 80}}).check is None


def test_restricted_keeps_no_capability() -> None:
    restricted = {"security": {"profile": "restricted"}}
    assert made(restricted, user="1000").capabilities == ()
    allowed = {"security": {"profile": "restricted", "allowedCapabilities": ["NET_ADMIN"]}}
    assert made(allowed, user="1000").capabilities == ()
    assert made(allowed, user="1000", capabilities=["NET_ADMIN"]).capabilities == ("NET_ADMIN",)


def test_no_new_container_gets_what_the_organization_took_away() -> None:
    stage = Theatre({"security": {"allowedCapabilities": ["NET_ADMIN"]}})
    web = stage.service(capabilities=["NET_ADMIN"])
    stage.go(web)
    stage.declare("Organization", "", "acme", {})
    plan = stage.plan(web)
    (spec,) = [step.spec for step in plan.steps if isinstance(step, CreateContainer)]
    assert "NET_ADMIN" not in spec.capabilities


@pytest.mark.parametrize("name", ["web", "a" * 63, "a" * 60 + "-bc"])
def test_hostnames_are_dns_labels(name: str) -> None:
    stage = Theatre()
    key = stage.service(name, replicas=12)
    for step in stage.plan(key).steps:
        if isinstance(step, CreateContainer):
            assert len(step.spec.hostname) <= 63
            assert "--" not in step.spec.hostname or name.count("--")
            assert len(step.spec.name) <= 63
