"""Every case of this folder that asks for ``bench`` runs against the fake and the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.engine.bench import Bench, DockerBench, docker_bench, fake_bench


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    made = fake_bench() if request.param == "fake" else await docker_bench()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def docker() -> AsyncIterator[DockerBench]:
    made = await docker_bench()
    try:
        yield made
    finally:
        await made.close()
