"""Pulls: a real engine against a registry of our own, in every mood."""

from __future__ import annotations

import pytest

from controller.engine.base import PullProgress
from resources.errors import UserError
from resources.steps import PullImage
from tests.contract.engine.bench import WHY, Bench, DockerBench
from tests.registry import registry


async def pull(bench: Bench, reference: str) -> UserError | None:
    try:
        await bench.engine.pull_image(PullImage(**WHY, reference=reference))
    except UserError as error:
        return error
    return None


@pytest.mark.docker
async def test_pulled_with_progress(docker: DockerBench) -> None:
    told: list[PullProgress] = []
    docker.engine.on_pull_progress = told.append
    async with registry(size=2_000_000) as there:
        there.pace = 4_000_000
        assert await docker.engine.inspect_image(there.image) is None
        async with docker.listening() as heard:
            assert await pull(docker, there.image) is None
            assert await heard.until(there.image, "image pull")
        image = await docker.engine.inspect_image(there.image)
        assert image is not None
        assert (image.reference, image.user) == (there.image, "1000")
        assert image.digests == (f"{there.host}/app@{there.digest}",)
        assert told[-1].status == "done"
        assert told[-1].current == told[-1].total > 1_000_000
        assert any(0 < p.current < p.total for p in told)
        asked = PullImage(**WHY, reference=there.image)
        assert await docker.engine.ask_registry(asked) == there.digest
        there.renew()
        assert await docker.engine.ask_registry(asked) == there.digest
        assert there.digest not in image.digests[0]
        there.mood = "unauthorized"
        with pytest.raises(UserError, match="refuses to give"):
            await docker.engine.ask_registry(asked)
        there.mood = "ok"
        assert await pull(docker, there.image) is None
        by_digest = f"{there.host}/app@{there.digest}"
        assert await pull(docker, by_digest) is None
        assert (await docker.engine.inspect_image(by_digest)) is not None
        moved = await docker.engine.inspect_image(there.image)
    assert moved is not None
    assert moved.id != image.id
    for gone in (image.id, moved.id):
        await docker.engine._wire.call("hand", "DELETE", f"images/{gone}", params={"force": "1"})


@pytest.mark.docker
@pytest.mark.parametrize(
    ("mood", "code", "retryable"),
    [
        ("unauthorized", "IMAGE_PULL_UNAUTHORIZED", False),
        ("limited", "IMAGE_RATE_LIMITED", True),
        ("broken", "IMAGE_REGISTRY_UNREACHABLE", True),
    ],
)
async def test_moods(docker: DockerBench, mood: str, code: str, retryable: bool) -> None:
    async with registry() as there:
        there.mood = mood
        error = await pull(docker, there.image)
    assert error is not None
    assert (error.code, error.retryable) == (code, retryable), error.details


@pytest.mark.docker
async def test_what_is_not_there(docker: DockerBench) -> None:
    async with registry() as there:
        missing = await pull(docker, f"{there.host}/app:2")
        unknown = await pull(docker, f"{there.host}/other:1")
        gone = there.image
    assert missing is not None
    assert (missing.code, missing.retryable) == ("IMAGE_NOT_FOUND", False)
    assert unknown is not None
    assert (unknown.code, unknown.retryable) == ("IMAGE_NOT_FOUND", False)
    refused = await pull(docker, gone)
    assert refused is not None
    assert (refused.code, refused.retryable) == ("IMAGE_REGISTRY_UNREACHABLE", True)
    nonsense = await pull(docker, "UPPER/Case:1")
    assert nonsense is not None
    assert (nonsense.code, nonsense.retryable) == ("IMAGE_REFERENCE_INVALID", False)


@pytest.mark.parametrize(
    ("pull_", "code"),
    [
        ("missing", "IMAGE_NOT_FOUND"),
        ("unauthorized", "IMAGE_PULL_UNAUTHORIZED"),
        ("unreachable", "IMAGE_REGISTRY_UNREACHABLE"),
        ("full", "IMAGE_DISK_FULL"),
    ],
)
async def test_the_fake_has_the_same_moods(pull_: str, code: str) -> None:
    from tests.contract.engine.bench import fake_bench
    from tests.fakes.objects import Behaviour

    bench = fake_bench()
    bench.engine.images.update({"app:1": Behaviour(pull=pull_), "app:2": Behaviour()})
    error = await pull(bench, "app:1")
    assert error is not None
    assert error.code == code
    assert await bench.engine.inspect_image("app:2") is None
    assert await pull(bench, "app:2") is None
    assert await bench.engine.inspect_image("app:2") is not None
