"""What containers consume: the kernel's files and the engine's own word agree."""

from __future__ import annotations

import asyncio
from pathlib import Path

from controller.engine.docker.cgroups import Cgroups
from controller.engine.docker.sampling import Sampling
from tests.contract.engine.bench import MEGABYTE, Bench, DockerBench

BURN = ("sh", "-c", "while :; do :; done")


async def test_only_what_runs_is_found(bench: Bench) -> None:
    running, ended = await bench.run("running"), await bench.run("ended")
    await bench.stop(ended)
    gone = await bench.run("gone")
    await bench.remove(gone)
    sampled = await bench.engine.sample([running, ended, gone])
    assert set(sampled.found) == {running.id}
    assert sampled.cost > 0
    assert (await bench.engine.sample([])).found == {}


async def test_a_started_container_has_the_number_of_its_process(docker: DockerBench) -> None:
    container = await docker.run("web")
    assert container.pid > 0
    await docker.stop(container)
    assert (await docker.see(container.name)).pid == 0


async def test_a_loop_burns_what_it_may(docker: DockerBench) -> None:
    """LIMITS allow half a core, never more; a machine that is busy beside it gives that now and
    then."""
    busy = await docker.run("busy", entrypoint=BURN)
    for _ in range(10):
        first = (await docker.engine.sample([busy])).found[busy.id]
        await asyncio.sleep(3)
        second = (await docker.engine.sample([busy])).found[busy.id]
        spent = (second.cpu - first.cpu) / (second.at - first.at)
        assert spent < 0.55
        if spent > 0.3:
            break
    assert spent > 0.3
    assert 0 < second.memory < 20 * MEGABYTE


async def test_the_engine_tells_the_same_as_the_kernel(docker: DockerBench, tmp_path: Path) -> None:
    network = await docker.network()
    still = await docker.run("still", network=network.id)
    asking = Sampling(docker.engine._wire, Cgroups(tmp_path))
    one = (await docker.engine.sample([still])).found[still.id]
    other = (await asking.sample([still])).found[still.id]
    assert abs(one.cpu - other.cpu) < 0.05
    assert abs(one.memory - other.memory) < MEGABYTE
    assert one.network_receive is not None
    assert other.network_receive is not None
    assert 0 <= other.network_receive - one.network_receive < 10_000
    assert (one.disk_read, one.disk_write) == (other.disk_read, other.disk_write)


async def test_many_that_the_engine_is_asked_for_are_asked_a_few_at_a_time(
    docker: DockerBench, tmp_path: Path
) -> None:
    containers = [await docker.run(f"c{number}") for number in range(6)]
    asking = Sampling(docker.engine._wire, Cgroups(tmp_path))
    sampled = await asking.sample(containers)
    assert set(sampled.found) == {container.id for container in containers}
    await docker.remove(containers[0])
    assert set((await asking.sample(containers[:2])).found) == {containers[1].id}
