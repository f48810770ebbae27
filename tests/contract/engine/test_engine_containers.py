"""Containers: what each step does, what it refuses, and that repeating it is harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.engine.index import agrees
from resources.container_spec import PortBinding
from resources.errors import UserError
from resources.observed import Limits, Mount
from resources.steps import RenameContainer, UnpauseContainer, UpdateContainer
from tests.contract.engine.bench import LIMITS, MEGABYTE, Bench, step


async def test_life_of_a_container(bench: Bench) -> None:
    network = await bench.network()
    created = await bench.create(
        bench.spec("web", network=network.id, aliases=("web",), restart="always")
    )
    assert (created.state, created.exit_code, created.started_at) == ("created", None, None)
    assert [(a.network_id, a.aliases) for a in created.networks] == [(network.id, ("web",))]

    await bench.start(created)
    await bench.start(created)
    running = await bench.see(created.id)
    assert (running.state, running.restart_policy) == ("running", "always")
    assert running.limits == replace(LIMITS, memory_swap=LIMITS.memory)
    assert running.networks[0].address.startswith(network.subnets[0].rpartition(".")[0])
    assert running.networks[0].aliases == ("web",)
    assert running.started_at is not None

    await bench.stop(running)
    await bench.stop(running)
    stopped = await bench.see(created.id)
    assert (stopped.state, stopped.exit_code) == ("exited", 143)
    assert [(a.network_id, a.address) for a in stopped.networks] == [(network.id, "")]

    await bench.start(stopped)
    assert (await bench.see(created.id)).state == "running"
    await bench.remove(running)
    await bench.remove(running)
    assert await bench.engine.inspect_container(created.id) is None


@pytest.mark.parametrize("state", ["created", "running", "exited", "paused"])
async def test_list_and_inspection_agree(bench: Bench, state: str) -> None:
    network = await bench.network()
    volume = await bench.volume()
    container = await bench.create(
        bench.spec("c", "healthy", network=network.id, mounts=(Mount(volume, "/data"),))
    )
    if state != "created":
        await bench.start(container)
        await bench.becomes(container.id, lambda c: c.health == "healthy")
    if state == "exited":
        await bench.stop(container)
    if state == "paused":
        await bench.by_hand("pause", container.name)
    seen = await bench.see(container.id)
    assert seen.state == state
    listed = (await bench.engine.list()).containers[container.id]
    assert not listed.inspected
    assert agrees(seen, listed)


async def test_name_taken(bench: Bench) -> None:
    await bench.create(bench.spec("web"))
    with pytest.raises(UserError) as caught:
        await bench.create(bench.spec("web"))
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", True)


async def test_image_missing(bench: Bench) -> None:
    with pytest.raises(UserError) as caught:
        await bench.create(bench.spec("web", image="skypanel/no-such-image:1"))
    assert (caught.value.code, caught.value.retryable) == ("IMAGE_NOT_FOUND", True)
    assert await bench.engine.inspect_image("skypanel/no-such-image:1") is None


async def test_refused_spec_is_terminal(bench: Bench) -> None:
    with pytest.raises(UserError) as caught:
        await bench.create(bench.spec("web", limits=replace(LIMITS, memory=MEGABYTE)))
    assert (caught.value.code, caught.value.retryable) == ("DEPLOYMENT_CREATE_FAILED", False)


async def test_start_that_cannot_work(bench: Bench) -> None:
    container = await bench.create(bench.spec("web", "nobody", user="nosuch"))
    with pytest.raises(UserError) as caught:
        await bench.start(container)
    assert (caught.value.code, caught.value.retryable) == ("DEPLOYMENT_START_FAILED", False)
    assert "nosuch" in caught.value.message
    seen = await bench.see(container.id)
    assert (seen.state, seen.exit_code) == ("created", 128)
    assert "nosuch" in seen.error


async def test_a_command_that_is_not_there_starts_and_exits(bench: Bench) -> None:
    """The init process takes the start upon itself."""
    container = await bench.create(bench.spec("web", "missing"))
    await bench.start(container)
    await bench.becomes(container.id, lambda c: (c.state, c.exit_code) == ("exited", 127))


async def test_what_is_gone_cannot_start_but_counts_as_stopped(bench: Bench) -> None:
    container = await bench.create(bench.spec("web"))
    await bench.by_hand("rm", container.name)
    with pytest.raises(UserError) as caught:
        await bench.start(container)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_NOT_FOUND", True)
    await bench.stop(container)


async def test_host_port_in_use(bench: Bench) -> None:
    port = (PortBinding(80, host_port=47811),)
    network = await bench.network()
    await bench.run("one", ports=port, network=network.id)
    second = await bench.create(bench.spec("two", ports=port, network=network.id))
    with pytest.raises(UserError) as caught:
        await bench.start(second)
    assert (caught.value.code, caught.value.retryable) == ("CONFIGURATION_PORT_IN_USE", True)
    assert "47811" in caught.value.message
    assert (await bench.see(second.id)).state == "created"


async def test_renamed(bench: Bench) -> None:
    container, other = await bench.run("web"), await bench.run("other")
    name = container.name
    await bench.engine.rename_container(RenameContainer(**step(container), name=f"{name}-x"))
    assert (await bench.see(container.id)).name == f"{name}-x"
    for _ in range(2):
        await bench.engine.rename_container(RenameContainer(**step(container), name=name))
    assert (await bench.see(container.id)).name == name
    with pytest.raises(UserError) as caught:
        await bench.engine.rename_container(RenameContainer(**step(other), name=name))
    assert caught.value.code == "RESOURCE_CONFLICT"


async def test_paused(bench: Bench) -> None:
    container = await bench.run("web")
    await bench.by_hand("pause", container.name)
    assert (await bench.see(container.id)).state == "paused"
    with pytest.raises(UserError) as caught:
        await bench.start(container)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_BUSY", True)

    await bench.engine.unpause_container(UnpauseContainer(**step(container)))
    await bench.engine.unpause_container(UnpauseContainer(**step(container)))
    assert (await bench.see(container.id)).state == "running"

    await bench.by_hand("pause", container.name)
    await bench.stop(container)
    assert (await bench.see(container.id)).state == "exited"


async def test_a_paused_one_can_be_removed(bench: Bench) -> None:
    container = await bench.run("web")
    await bench.by_hand("pause", container.name)
    await bench.remove(container)
    assert await bench.engine.inspect_container(container.id) is None


async def test_restart_always(bench: Bench) -> None:
    container = await bench.run("web", "quitter", restart="always")
    again = await bench.becomes(container.id, lambda c: c.restarts >= 2)
    assert again.state in ("running", "restarting")
    await bench.stop(container)
    stopped = await bench.see(container.id)
    assert stopped.state == "exited"
    await bench.start(container)
    assert (await bench.see(container.id)).restarts == 0


async def test_restart_shows_the_last_exit(bench: Bench) -> None:
    container = await bench.run("web", "quitter", restart="always")
    seen = await bench.becomes(container.id, lambda c: c.state == "restarting")
    assert seen.exit_code == 3
    assert all(a.address == "" for a in seen.networks)


@pytest.mark.parametrize(
    ("policy", "kind", "restarts", "code"),
    [("never", "quitter", False, 3), ("onFailure", "finisher", False, 0),
     ("onFailure", "quitter", True, 3), ("always", "finisher", True, 0)],
)  # fmt: skip
async def test_restart_policies(
    bench: Bench, policy: str, kind: str, restarts: bool, code: int
) -> None:
    container = await bench.run("web", kind, restart=policy)
    if restarts:
        await bench.becomes(container.id, lambda c: c.restarts >= 1)
    else:
        ended = await bench.becomes(container.id, lambda c: c.state == "exited")
        assert (ended.exit_code, ended.restarts) == (code, 0)
        assert ended.finished_at is not None


async def test_killed_by_hand_stays_down(bench: Bench) -> None:
    container = await bench.run("web", restart="always")
    await bench.by_hand("kill", container.name)
    seen = await bench.becomes(container.id, lambda c: c.state == "exited")
    assert (seen.exit_code, seen.restarts) == (137, 0)


async def test_stubborn_is_killed_after_its_grace(bench: Bench) -> None:
    container = await bench.run("web", "stubborn")
    await bench.stop(container, grace=1)
    assert (await bench.see(container.id)).exit_code == 137


async def test_update_in_place(bench: Bench) -> None:
    container = await bench.run("web")
    wanted = Limits(250_000_000, 32 * MEGABYTE, 33)
    await bench.engine.update_container(
        UpdateContainer(**step(container), limits=wanted, restart="onFailure")
    )
    seen = await bench.see(container.id)
    assert seen.limits == replace(wanted, memory_swap=wanted.memory)
    assert (seen.restart_policy, seen.state) == ("onFailure", "running")
    assert seen.started_at == container.started_at

    await bench.engine.update_container(UpdateContainer(**step(container), restart="always"))
    assert (await bench.see(container.id)).restart_policy == "always"
    with pytest.raises(UserError) as caught:
        await bench.engine.update_container(
            UpdateContainer(**step(container), limits=replace(wanted, memory=MEGABYTE))
        )
    assert (caught.value.code, caught.value.retryable) == ("DEPLOYMENT_UPDATE_FAILED", False)


async def test_health(bench: Bench) -> None:
    well = await bench.run("well", "healthy")
    assert well.health == "starting"
    await bench.becomes(well.id, lambda c: c.health == "healthy")
    ill = await bench.run("ill", "sick")
    await bench.becomes(ill.id, lambda c: c.health == "unhealthy")
    await bench.stop(ill)
    assert (await bench.see(ill.id)).health == ""


async def test_renamed_by_hand(bench: Bench) -> None:
    container = await bench.run("web")
    await bench.by_hand("rename", container.name, bench.name("other"))
    assert (await bench.see(container.id)).name == bench.name("other")
    assert await bench.engine.inspect_container(container.name) is None


async def test_started_without_its_network(bench: Bench) -> None:
    network = await bench.network()
    container = await bench.create(bench.spec("web", network=network.id))
    await bench.remove_network(network)
    with pytest.raises(UserError) as caught:
        await bench.start(container)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_NOT_FOUND", True)
