"""Volumes: data that must not be lost to a name, a phantom or a mistake."""

from __future__ import annotations

import pytest

from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_PHANTOM, L_UID
from resources.observed import Mount
from resources.steps import CheckVolumes, CreateVolume, RemoveVolume
from tests.contract.engine.bench import WHY, Bench, step


def removal(bench: Bench, name: str, *, uid: str = "", instance: str = "") -> RemoveVolume:
    return RemoveVolume(**WHY, name=name, uid=uid or bench.uid, instance=instance or bench.prefix)


async def test_making_twice_is_harmless(bench: Bench) -> None:
    name = await bench.volume()
    assert await bench.volume() == name
    volume = await bench.engine.inspect_volume(name)
    assert volume is not None
    assert volume.labels == bench.labels()


async def test_another_owner_keeps_its_volume(bench: Bench) -> None:
    name = await bench.volume()
    other = {**bench.labels(), L_UID: "somebody-else"}
    with pytest.raises(UserError) as caught:
        await bench.engine.create_volume(CreateVolume(**WHY, name=name, labels=other))
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_CONFLICT", False)
    for removed in (
        removal(bench, name, uid="somebody-else"),
        removal(bench, name, instance="another-controller"),
    ):
        with pytest.raises(UserError) as caught:
            await bench.engine.remove_volume(removed)
        assert caught.value.code == "RESOURCE_CONFLICT"
    volume = await bench.engine.inspect_volume(name)
    assert volume is not None
    assert volume.labels == bench.labels()


async def test_removed_only_when_unused(bench: Bench) -> None:
    name = await bench.volume()
    container = await bench.create(bench.spec("db", mounts=(Mount(name, "/data"),)))
    with pytest.raises(UserError) as caught:
        await bench.engine.remove_volume(removal(bench, name))
    assert (caught.value.code, caught.value.retryable) == ("STORAGE_VOLUME_IN_USE", True)
    await bench.remove(container)
    assert await bench.engine.inspect_volume(name) is not None, "named volumes outlive containers"
    await bench.engine.remove_volume(removal(bench, name))
    await bench.engine.remove_volume(removal(bench, name))
    assert await bench.engine.inspect_volume(name) is None


async def test_a_missing_volume_is_made_as_a_phantom(bench: Bench) -> None:
    kept, lost = await bench.volume("kept"), bench.name("lost")
    container = await bench.create(
        bench.spec("db", mounts=(Mount(lost, "/lost"), Mount(kept, "/kept", read_only=True)))
    )
    assert container.mounts == (Mount(kept, "/kept", read_only=True), Mount(lost, "/lost"))
    phantom = await bench.engine.inspect_volume(lost)
    assert phantom is not None
    assert phantom.labels == {L_CONTROLLER: bench.prefix, L_PHANTOM: "true"}
    real = await bench.engine.inspect_volume(kept)
    assert real is not None
    assert real.labels == bench.labels(), "labels are given only to what is newly made"

    await bench.engine.check_volumes(CheckVolumes(**step(container), volume_uids={kept: bench.uid}))
    with pytest.raises(UserError) as caught:
        await bench.engine.check_volumes(
            CheckVolumes(**step(container), volume_uids={kept: bench.uid, lost: bench.uid})
        )
    assert (caught.value.code, caught.value.retryable) == ("STORAGE_VOLUME_LOST", False)
    assert list(caught.value.details["volumes"]) == [lost]


async def test_checking_a_volume_that_is_gone_or_another_s(bench: Bench) -> None:
    foreign = bench.name("foreign")
    await bench.by_hand("create_volume", foreign, {L_UID: "somebody-else"})
    container = await bench.create(bench.spec("db"))
    uids = {foreign: bench.uid, bench.name("nowhere"): bench.uid}
    with pytest.raises(UserError) as caught:
        await bench.engine.check_volumes(CheckVolumes(**step(container), volume_uids=uids))
    assert caught.value.code == "STORAGE_VOLUME_LOST"
    assert sorted(caught.value.details["volumes"]) == sorted(uids)


async def test_removed_by_hand_while_mounted_is_refused(bench: Bench) -> None:
    name = await bench.volume()
    await bench.create(bench.spec("db", mounts=(Mount(name, "/data"),)))
    with pytest.raises(Exception, match=r"in use|mounted"):
        await bench.by_hand("rm_volume", name)
