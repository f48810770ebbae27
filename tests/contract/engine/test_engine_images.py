"""Removing images: ours by its name, and only when nothing is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.errors import UserError
from resources.steps import PullImage, RemoveImage
from tests.contract.engine.bench import WHY, Bench, DockerBench, fake_bench
from tests.fakes.objects import Behaviour
from tests.registry import registry


async def pulled(bench: Bench, reference: str) -> RemoveImage:
    await bench.engine.pull_image(PullImage(**WHY, reference=reference))
    image = await bench.engine.inspect_image(reference)
    assert image is not None
    return RemoveImage(**WHY, reference=reference, id=image.id)


async def cases(bench: Bench, reference: str) -> None:
    step = await pulled(bench, reference)
    assert reference in (await bench.engine.list_images())[step.id]
    by_id = await bench.engine.inspect_image(step.id)
    assert by_id is not None
    assert by_id.id == step.id
    spec = replace(bench.spec("box"), image=reference)
    container = await bench.create(spec)
    with pytest.raises(UserError) as caught:
        await bench.engine.remove_image(step)
    assert (caught.value.code, caught.value.retryable) == ("RESOURCE_BUSY", True)
    await bench.remove(container)
    await bench.engine.remove_image(replace(step, id="sha256:" + "0" * 64))  # another one's tag
    assert await bench.engine.inspect_image(reference) is not None
    await bench.engine.remove_image(step)
    assert await bench.engine.inspect_image(reference) is None
    assert step.id not in await bench.engine.list_images()
    await bench.engine.remove_image(step)  # once more is fine


async def test_on_the_fake() -> None:
    bench = fake_bench()
    bench.engine.images["app:1"] = Behaviour()
    await cases(bench, "app:1")


@pytest.mark.docker
async def test_on_an_engine(docker: DockerBench) -> None:
    async with registry() as there:
        await cases(docker, there.image)


@pytest.mark.docker
async def test_a_moved_tag(docker: DockerBench) -> None:
    """The old image has no tag any more: it goes by its id, unless somebody else named it."""
    async with registry() as there:
        old = await pulled(docker, there.image)
        there.renew()
        new = await pulled(docker, there.image)
        assert new.id != old.id
        assert (await docker.engine.list_images())[old.id] == frozenset()
        theirs = {"repo": f"{docker.prefix}/theirs", "tag": "1"}
        path = f"images/{old.id}/tag"
        await docker.engine._wire.call("hand", "POST", path, params=theirs)
        await docker.engine.remove_image(old)
        assert old.id in await docker.engine.list_images()
        await docker.engine._wire.call("hand", "DELETE", f"images/{docker.prefix}/theirs:1")
        await docker.engine.remove_image(old)
        await docker.engine.remove_image(new)
        found = await docker.engine.list_images()
        assert not {old.id, new.id} & found.keys()
