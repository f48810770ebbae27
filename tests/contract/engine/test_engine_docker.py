"""What only a real engine can show: hardening, start commands, files, logs, exec, usage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resources.container_spec import ExecCheck, FileContent, PortBinding
from resources.errors import UserError
from resources.observed import Container, Mount
from resources.steps import PutFiles
from tests.contract.engine.bench import MEGABYTE, DockerBench, step
from tests.images import ensure_image

pytestmark = pytest.mark.docker

TALKER = ("sh", "-c", "echo out; echo err >&2; exec sleep 100000")


async def raw(bench: DockerBench, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = await bench.engine._wire.get("hand", f"containers/{ref}/json")
    return found


async def output(bench: DockerBench, container: Container, *command: str) -> tuple[str, int]:
    session = await bench.engine.exec(container.id, command)
    text = b"".join([data async for _, data in session.output()])
    code = await session.exit_code()
    await session.close()
    return text.decode(), code


async def lines(bench: DockerBench, ref: str, **options: Any) -> list[str]:
    return [f"{x.stream} {x.text}" async for x in bench.engine.logs(ref, **options)]


async def test_hardening(docker: DockerBench) -> None:
    network = await docker.network()
    container = await docker.create(
        docker.spec(
            "web",
            network=network.id,
            capabilities=("CHOWN",),
            read_only_root=True,
            restart="always",
            tmpfs={"/run": MEGABYTE},
            shm_size=2 * MEGABYTE,
            environment={"B": "2", "A": "x=y"},
            working_dir="/tmp",
            user="app",
            hostname="web",
            stop_signal="SIGINT",
            stop_grace=7,
            ports=(
                PortBinding(80),
                PortBinding(53, "udp", 47853),
                PortBinding(1, "tcp", 47854, "127.0.0.1"),
            ),
        )
    )
    seen = await raw(docker, container.id)
    host, config = seen["HostConfig"], seen["Config"]
    assert host["CapDrop"] == ["ALL"]
    assert [c.removeprefix("CAP_") for c in host["CapAdd"]] == ["CHOWN"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Init"] is True
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert (host["PidMode"], host["Binds"], host["Devices"] or []) == ("", None, [])
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "10m", "max-file": "3"},
    }
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["Memory"] == host["MemorySwap"] == 64 * MEGABYTE
    assert host["Tmpfs"] == {"/run": f"size={MEGABYTE}"}
    assert host["ShmSize"] == 2 * MEGABYTE
    assert host["NetworkMode"] == network.id
    assert host["PortBindings"] == {
        "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "47853"}],
        "1/tcp": [{"HostIp": "127.0.0.1", "HostPort": "47854"}],
    }
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp", "1/tcp"}
    assert config["Env"][:2] == ["A=x=y", "B=2"]
    assert (config["WorkingDir"], config["User"], config["Hostname"]) == ("/tmp", "app", "web")
    assert (config["StopSignal"], config["StopTimeout"]) == ("SIGINT", 7)

    await docker.start(container)
    text, _ = await output(docker, container, "sh", "-c", "id -u; pwd; grep Cap /proc/self/status")
    assert text.splitlines()[:2] == ["1000", "/tmp"]
    assert "CapEff:\t0000000000000000" in text


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        (None, None, "entry image-cmd"),
        (("echo", "mine"), None, "mine"),
        (None, ("arg",), "entry arg"),
        (("echo", "mine"), ("arg",), "mine arg"),
        ((), (), "entry image-cmd"),
    ],
)
async def test_command_and_args_as_in_kubernetes(
    docker: DockerBench, command: Any, args: Any, said: str
) -> None:
    image = ensure_image(
        "skypanel/test-entrypoint:1", ('ENTRYPOINT ["echo", "entry"]', 'CMD ["image-cmd"]')
    )
    container = await docker.run("web", image=image, entrypoint=command, command=args)
    await docker.becomes(container.id, lambda c: c.state == "exited")
    assert await lines(docker, container.id) == [f"stdout {said}"]


async def test_the_image_s_own_check_stays_or_is_replaced(docker: DockerBench) -> None:
    image = ensure_image(
        "skypanel/test-check:1",
        ('CMD ["sleep", "100000"]', "HEALTHCHECK --interval=1h --start-period=1h CMD false"),
    )
    own = await docker.run("own", image=image, entrypoint=None)
    assert own.health == "starting"
    check = ExecCheck(("true",), interval=0.2, timeout=1, retries=1, start_period=0)
    ours = await docker.run("ours", image=image, entrypoint=None, check=check)
    assert (await raw(docker, ours.id))["Config"]["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 200_000_000,
        "Timeout": 1_000_000_000,
        "Retries": 1,
        "StartPeriod": 1_000_000,
    }
    await docker.becomes(ours.id, lambda c: c.health == "healthy")


async def test_files(docker: DockerBench) -> None:
    volume = await docker.volume()
    container = await docker.create(docker.spec("web", mounts=(Mount(volume, "/data"),)))
    files = (
        FileContent("/etc/app/deep/conf", "grüße\n", 0o440),
        FileContent("/etc/passwd", "root:x:0:0::/:/bin/sh\n"),
        FileContent("/data/in-volume", "v"),
    )
    await docker.engine.put_files(PutFiles(**step(container), files=files))
    await docker.start(container)
    text, _ = await output(
        docker, container, "stat", "-c", "%n %a %u",
        "/etc/app", "/etc/app/deep/conf", "/etc", "/etc/passwd", "/data/in-volume",
    )  # fmt: skip
    assert text.splitlines() == [
        "/etc/app 755 0",
        "/etc/app/deep/conf 440 0",
        "/etc 755 0",
        "/etc/passwd 444 0",
        "/data/in-volume 444 0",
    ]
    assert (await output(docker, container, "cat", "/etc/app/deep/conf"))[0] == "grüße\n"


async def test_files_in_a_read_only_root(docker: DockerBench) -> None:
    volume = await docker.volume()
    container = await docker.create(
        docker.spec("web", mounts=(Mount(volume, "/data"),), read_only_root=True)
    )
    inside = (FileContent("/data/sub/file", "v"),)
    await docker.engine.put_files(PutFiles(**step(container), files=inside))
    with pytest.raises(UserError) as caught:
        await docker.engine.put_files(
            PutFiles(**step(container), files=(FileContent("/etc/file", "v"),))
        )
    assert (caught.value.code, caught.value.retryable) == ("DEPLOYMENT_FILES_REFUSED", False)
    await docker.start(container)
    assert (await output(docker, container, "cat", "/data/sub/file"))[0] == "v"


async def test_logs(docker: DockerBench) -> None:
    long = "x" * 40_000
    script = f"echo out; echo err >&2; echo {long}; printf unfinished"
    container = await docker.run("web", entrypoint=("sh", "-c", script))
    await docker.becomes(container.id, lambda c: c.state == "exited")
    said = await lines(docker, container.id)
    assert sorted(said) == sorted(
        ["stdout out", "stderr err", f"stdout {long}", "stdout unfinished"]
    )
    assert await lines(docker, container.id, tail=1) == ["stdout unfinished"]
    first = await anext(docker.engine.logs(container.id))
    assert first.time.startswith("20")
    assert first.time.endswith("Z")
    with pytest.raises(UserError) as caught:
        await lines(docker, docker.name("nowhere"))
    assert caught.value.code == "RESOURCE_NOT_FOUND"


async def test_following_logs_ends_with_the_container(docker: DockerBench) -> None:
    container = await docker.run("web", entrypoint=TALKER)
    async with asyncio.timeout(20):
        followed = docker.engine.logs(container.id, follow=True)
        first = [await anext(followed), await anext(followed)]
        assert sorted(x.text for x in first) == ["err", "out"]
        await docker.stop(container)
        assert [x async for x in followed] == []


async def test_logs_of_a_terminal(docker: DockerBench) -> None:
    name = docker.name("tty")
    body = {
        "Image": docker.image("sleeper"),
        "Tty": True,
        "Cmd": ["sh", "-c", "echo one; echo two"],
    }
    wire = docker.engine._wire
    await wire.call("hand", "POST", "containers/create", params={"name": name}, json=body)
    await docker.by_hand("start", name)
    await docker.becomes(name, lambda c: c.state == "exited")
    assert await lines(docker, name) == ["stdout one", "stdout two"]


async def test_exec(docker: DockerBench) -> None:
    container = await docker.run("web")
    session = await docker.engine.exec(
        container.id, ["sh", "-c", "cat; echo done >&2; exit 7"], stdin=True
    )
    await session.write(b"hello")
    await session.close_input()
    assert [o async for o in session.output()] == [("stdout", b"hello"), ("stderr", b"done\n")]
    assert await session.exit_code() == 7
    await session.write(b"too late")
    await session.close()

    session = await docker.engine.exec(container.id, ["tty"], tty=True)
    await session.resize(30, 100)
    assert b"".join([d async for _, d in session.output()]) == b"/dev/pts/0\r\n"
    assert await session.exit_code() == 0
    await session.close()

    text, code = await output(docker, container, "/nowhere")
    assert code in (126, 127), "the engine's word on what is not there changed over time"
    assert "no such file" in text
    await docker.stop(container)
    with pytest.raises(UserError) as caught:
        await docker.engine.exec(container.id, ["true"])
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_BUSY", True)


async def test_an_abandoned_exec_is_closed(docker: DockerBench) -> None:
    container = await docker.run("web")
    session = await docker.engine.exec(container.id, ["sleep", "100"])
    await session.close()
    await session.close()


async def test_usage(docker: DockerBench) -> None:
    busy = await docker.run("busy", entrypoint=("sh", "-c", "while :; do :; done"))
    async with asyncio.timeout(20):
        while True:
            usage = await docker.engine.usage(busy.id)
            assert usage is not None
            if usage.cpu_ratio > 0.5:
                break
            await asyncio.sleep(0.3)
    assert usage.memory_limit == 64 * MEGABYTE
    assert 0 < usage.memory < 20 * MEGABYTE
    assert usage.pids >= 2
    await docker.stop(busy)
    assert await docker.engine.usage(busy.id) is None
    assert await docker.engine.usage(docker.name("nowhere")) is None


async def test_info_and_host(docker: DockerBench) -> None:
    info = await docker.engine.info()
    assert info.id
    assert (info.reach, info.local) == ("host", True)
    assert info.api_version >= "1.41"
    network = await docker.network()
    taken = await docker.engine.host_networks()
    assert taken
    assert not set(taken) & set(network.subnets)
