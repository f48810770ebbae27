"""How a container was made: ours of every shape are told from what others made in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.engine.docker import render
from resources.container_spec import ContainerSpec, ExecCheck, PortBinding
from resources.observed import Container, Image, Mount
from resources.service import impostor
from tests.contract.engine.bench import MEGABYTE, DockerBench
from tests.images import ensure_busybox_image, ensure_image

pytestmark = pytest.mark.docker

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "command": {"entrypoint": ("sleep", "9")},
    "args": {"entrypoint": None, "command": ("arg",)},
    "both": {"entrypoint": ("echo",), "command": ("a", "b")},
    "empty": {"entrypoint": (), "command": ()},
    "environment": {"environment": {"A": "x=y", "PATH": "/bin", "EMPTY": "", "É": "ü\n"}},
    "user": {"user": "12:13", "working_dir": "/tmp/"},
    "ports": {
        "ports": (
            PortBinding(80),
            PortBinding(53, "udp", 47871),
            PortBinding(1, "tcp", 47872, "127.0.0.1"),
            PortBinding(1, "tcp", 47873, "127.0.0.1"),
        )
    },
    "hardened": {
        "read_only_root": True,
        "tmpfs": {"/run": MEGABYTE, "/tmp": 0},
        "shm_size": 2 * MEGABYTE,
        "capabilities": ("CHOWN", "NET_BIND_SERVICE"),
        "stop_signal": "SIGINT",
        "hostname": "web",
    },
    "check": {"check": ExecCheck(("true",), 60, 1, 3, 0)},
}


def rich() -> str:
    """An image that says something about everything."""
    return ensure_image(
        "skypanel/test-impostor:1",
        (
            "ENV A=image B=image",
            'ENTRYPOINT ["sleep"]',
            'CMD ["100000"]',
            "USER 7",
            "WORKDIR /srv",
            "EXPOSE 8080",
            "VOLUME /anonymous",
            "HEALTHCHECK --interval=1h CMD true",
        ),
    )


async def known(docker: DockerBench, reference: str) -> Image:
    image = await docker.engine.inspect_image(reference)
    assert image is not None
    return image


def found(container: Container, spec: ContainerSpec, image: Image | None) -> set[str]:
    fields = {difference.field for difference in impostor.differences(container, spec, image)}
    return fields | ({"powers"} if container.powers else set())


@pytest.mark.parametrize("image", [ensure_busybox_image, rich], ids=["bare", "rich"])
async def test_ours_show_no_difference(docker: DockerBench, image: Callable[[], str]) -> None:
    reference, network, volume = image(), await docker.network(), await docker.volume()
    config, shown = await known(docker, reference), {}
    for shape, fields in SHAPES.items():
        given: dict[str, Any] = {
            "image": reference,
            "entrypoint": None,
            "network": network.id,
            "environment": {"B": "2"},
            "mounts": (Mount(volume, "/data"), Mount(volume, "/b", True)),
            **fields,
        }
        if image is ensure_busybox_image and not given["entrypoint"]:
            given["entrypoint"] = ("sleep", "9")
        spec = docker.spec("web", **given)
        container = await docker.create(spec)
        shown[shape] = found(container, spec, config)
        shown[f"{shape}, the image is not known"] = found(container, spec, None) - {"environment"}
        await docker.remove(container)
    assert {shape: fields for shape, fields in shown.items() if fields} == {}


Change = Callable[[dict[str, Any]], Any]
IMPOSTORS: dict[str, tuple[str, Change]] = {
    "command": ("command args", lambda body: body.update(Entrypoint=["sh", "-c", "echo evil"])),
    "arguments": ("args", lambda body: body.update(Cmd=["1"])),
    "user": ("user", lambda body: body.update(User="12")),
    "root": ("user", lambda body: body.update(User="0")),
    "a variable more": ("environment", lambda body: body["Env"].append("EVIL=1")),
    "a variable changed": ("environment", lambda body: body["Env"].append("MINE=2")),
    "a variable of the image": ("environment", lambda body: body["Env"].append("B=evil")),
    "a variable less": ("environment", lambda body: body["Env"].clear()),
    "published": (
        "ports",
        lambda body: body["HostConfig"].update(
            PortBindings={"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "47874"}]}
        ),
    ),
    "all published": ("powers", lambda body: body["HostConfig"].update(PublishAllPorts=True)),
    "read-only": (
        "readOnlyRootFilesystem",
        lambda body: body["HostConfig"].update(ReadonlyRootfs=True),
    ),
    "tmpfs": ("tmpfs", lambda body: body["HostConfig"].update(Tmpfs={"/x": ""})),
    "no check": ("healthCheck", lambda body: body.update(Healthcheck={"Test": ["NONE"]})),
    "capability": ("security", lambda body: body["HostConfig"].update(CapAdd=["CHOWN"])),
    "capabilities": ("powers", lambda body: body["HostConfig"].pop("CapDrop")),
    "privileges": ("powers", lambda body: body["HostConfig"].pop("SecurityOpt")),
    "seccomp": (
        "powers",
        lambda body: body["HostConfig"]["SecurityOpt"].append(
            'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'
        ),
    ),
    "device rule": (
        "powers",
        lambda body: body["HostConfig"].update(DeviceCgroupRules=["c 1:3 rwm"]),
    ),
    "device request": (
        "powers",
        lambda body: body["HostConfig"].update(DeviceRequests=[{"Driver": "x", "Count": 1}]),
    ),
    "sysctl": (
        "powers",
        lambda body: body["HostConfig"].update(Sysctls={"net.ipv4.ip_forward": "1"}),
    ),
    "group": ("powers", lambda body: body["HostConfig"].update(GroupAdd=["1"])),
    "cgroup": ("powers", lambda body: body["HostConfig"].update(CgroupParent="/elsewhere")),
    "named as if it had no name": (
        "powers",
        lambda body: body["HostConfig"].update(Binds=[f"{'c7' * 32}:/anonymous"]),
    ),
    "mounted as if it had no name": (
        "powers",
        lambda body: body["HostConfig"].update(
            Mounts=[{"Type": "volume", "Source": "c7" * 32, "Target": "/anonymous"}]
        ),
    ),
    "a volume of the host": (
        "powers",
        lambda body: body["HostConfig"].update(
            Mounts=[
                {
                    "Type": "volume",
                    "Target": "/anonymous",
                    "VolumeOptions": {
                        "DriverConfig": {
                            "Name": "local",
                            "Options": {"type": "none", "o": "bind", "device": "/"},
                        }
                    },
                }
            ]
        ),
    ),
}


async def test_each_impostor_shows(docker: DockerBench) -> None:
    spec = docker.spec("web", image=rich(), entrypoint=None, environment={"MINE": "1"})
    config, shown = await known(docker, spec.image), {}
    try:
        for name, (_, change) in IMPOSTORS.items():
            body = render.container(spec)
            change(body)
            await by_hand(docker, spec.name, body)
            container = await docker.see(spec.name)
            shown[name] = found(container, spec, config)
            await docker.remove(container)
    finally:
        await docker.by_hand("rm_volume", "c7" * 32)
    assert shown == {name: set(fields.split()) for name, (fields, _) in IMPOSTORS.items()}


async def by_hand(docker: DockerBench, name: str, body: dict[str, Any]) -> None:
    wire = docker.engine._wire
    await wire.call("hand", "POST", "containers/create", params={"name": name}, json=body)


async def test_an_impostor_by_docker_run(docker: DockerBench) -> None:
    """As people make them: nothing is dropped."""
    spec = docker.spec("web", image=ensure_busybox_image(), environment={"MINE": "1"})
    body = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Cmd": ["sh", "-c", "echo evil"],
        "Env": ["EVIL=1"],
        "User": "12",
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "47875"}]}},
    }
    await by_hand(docker, spec.name, body)
    container = await docker.see(spec.name)
    assert container.powers == ("capabilities of the engine's choice", "new privileges")
    shown = found(container, spec, await known(docker, spec.image))
    assert shown == {"powers", "command", "args", "user", "environment", "ports"}
