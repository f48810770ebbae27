"""Traefik as a container of the engine: in the host's network, restarted by the engine, left alone
by passes and sweeps, replaced without a 404."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from controller.engine.docker import DockerEngine, connect
from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from controller.ingress.process import running
from controller.settings import Settings
from resources.labels import L_CONTROLLER, L_UID
from resources.orphans import orphans
from tests.e2e.ingress_bed import Bed, Load, Server, until
from tests.fakes.traefik import stop_all

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the container writes as we do"),
]


def image() -> str:
    """Traefik alone: its program needs nothing beside it."""
    binary = find_traefik()
    assert binary is not None
    seen = binary.stat()
    name = f"skypanel/test-traefik:{seen.st_size}"
    known = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    if known.returncode != 0:
        archive = subprocess.Popen(
            ["tar", "-C", str(binary.parent), "-c", "--dereference", binary.name],
            stdout=subprocess.PIPE,
        )
        entrypoint = f'ENTRYPOINT ["/{binary.name}"]'
        subprocess.run(
            ["docker", "import", "--change", entrypoint, "-", name],
            stdin=archive.stdout,
            check=True,
            capture_output=True,
        )
        archive.wait()
    return name


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[DockerEngine]:
    found = await connect(Settings(state_dir=tmp_path))
    try:
        yield found
    finally:
        await found.close()


async def alone(engine: DockerEngine, labels: Mapping[str, str], *, another_than: str) -> None:
    """Until one container is there, and not that one."""
    async with asyncio.timeout(60):
        while True:
            found = [one.id for one in await engine.platform_containers.list(labels)]
            if len(found) == 1 and found != [another_than]:
                return
            await asyncio.sleep(0.2)


async def started_again(engine: DockerEngine, id_: str) -> None:
    """Killed while no controller runs: the engine starts it, and it has its routes."""
    pid = await engine.platform_containers.pid(id_)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while await engine.platform_containers.pid(id_) in (None, pid):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_container_serves_and_is_replaced(engine: DockerEngine, tmp_path: Path) -> None:
    instance = str(uuid.uuid4())
    settings = Settings(
        state_dir=tmp_path,
        ingress="container",
        ingress_image=await asyncio.to_thread(image),
        ingress_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
        ingress_grace=2.0,
        ingress_access_log=True,
    )
    bed = Bed(settings, engine.platform_containers)
    load, server = Load(settings.http_port), Server(0)
    bed.instance = instance
    labels = {L_CONTROLLER: instance}
    await server.start()
    try:
        async with bed.led():
            await bed.exchange([server.url])
            await bed.route()
            async with load.upon():
                await until(lambda: load.answers["0"] > 20, "it does not serve")
        (first,) = await engine.platform_containers.list(labels)
        said = [line.text async for line in engine.logs(first.id, tail=5)]
        assert any('"RouterName":"acme-site-11111111@file"' in text for text in said), said
        world = await engine.list()
        assert L_UID not in world.containers[first.id].labels
        assert [s for s in orphans(world, instance, frozenset()) if first.id in repr(s)] == []
        async with load.upon():
            await started_again(engine, first.id)
            before = load.answers["0"]
            await until(lambda: load.answers["0"] > before + 20, "it does not serve alone")
            load.failures.clear()
            bed.settings = settings.model_copy(update={"ingress_dial_timeout": 0.7})
            async with bed.led():
                await alone(engine, labels, another_than=first.id)
                before = load.answers["0"]
                await until(lambda: load.answers["0"] > before + 20, "it does not serve")
        print(f"\nreplaced: {load.told()}")
        assert not [said for said in load.failures if said[-3:].isdigit()], load.failures
        assert len(load.failures) <= 2, load.failures
        async with bed.led():
            (paused,) = await engine.platform_containers.list(labels)
            await asyncio.to_thread(
                subprocess.run, ["docker", "pause", paused.id], check=True, capture_output=True
            )
            await alone(engine, labels, another_than=paused.id)
            await until(lambda: bed.gateway.mirror.problem == "", "nobody answers")
    finally:
        for one in await engine.platform_containers.list(labels):
            await engine.platform_containers.remove(one.id, 0.0)
        await server.stop()


async def test_another_mode_replaces_what_the_former_one_started(
    engine: DockerEngine, tmp_path: Path
) -> None:
    """A process by a container, that by a process again, and that by nothing."""
    settings = Settings(
        state_dir=tmp_path,
        ingress="process",
        ingress_image=await asyncio.to_thread(image),
        ingress_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
        ingress_grace=2.0,
    )
    bed = Bed(settings, engine.platform_containers)
    load, server = Load(settings.http_port), Server(0)
    labels, home = {L_CONTROLLER: bed.instance}, settings.ingress_dir.resolve()
    await server.start()
    try:
        async with bed.led():
            await bed.exchange([server.url])
            await bed.route()
        async with load.upon():
            bed.settings = settings.model_copy(update={"ingress": "container"})
            async with bed.led():
                await until(lambda: not running(home), "the process stays")
                assert len(await engine.platform_containers.list(labels)) == 1
            bed.settings = settings
            async with bed.led():
                await until(lambda: len(running(home)) == 1, "no process runs")
                async with asyncio.timeout(60):
                    while await engine.platform_containers.list(labels):  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                before = load.answers["0"]
                await until(lambda: load.answers["0"] > before + 20, "it does not serve")
        print(f"\nreplaced: {load.told()}")
        assert not [said for said in load.failures if said[-3:].isdigit()], load.failures
        assert len(load.failures) <= 4, load.failures
        bed.settings = settings.model_copy(update={"ingress": "none"})
        acting = asyncio.create_task(bed.another().run())
        await until(lambda: not running(home), "it serves for ever")
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    finally:
        stop_all(home)
        for one in await engine.platform_containers.list(labels):
            await engine.platform_containers.remove(one.id, 0.0)
        await server.stop()
