"""Ten files of one directory, some of which go."""

from __future__ import annotations

from controller.sources.manifests import ManifestSource
from tests.unit.manifests.directory import (
    Desk,
    service,
    until,
)

NAMES = tuple(f"s{number}" for number in range(10))

BROKEN = "kind: [\n"


def ten_files(desk: Desk) -> None:
    for name in NAMES:
        desk.write(f"{name}.yaml", service(name))


def remove(desk: Desk, *names: str) -> None:
    for name in names:
        (desk.directory / f"{name}.yaml").unlink()


async def held(desk: Desk, source: ManifestSource) -> str:
    await until(lambda: source.held is not None, "a batch is held")
    assert source.held is not None
    return source.held.id
