from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Docker, Program, short_directory
from tests.images import ensure_busybox_image


@pytest.fixture(scope="session")
def image() -> str:
    return ensure_busybox_image()


@pytest.fixture
def place() -> Iterator[Path]:
    """A short, world-traversable directory."""
    with short_directory() as path:
        yield path


@pytest.fixture
def docker() -> Docker:
    return Docker()


@pytest.fixture
def program(place: Path, docker: Docker) -> Iterator[Program]:
    """Not started yet. What it made on the engine goes when the test ends."""
    made = Program(place / "state")
    try:
        yield made
    finally:
        finish(made, docker)


def finish(program: Program, docker: Docker) -> None:
    """Stops it and removes what carries its instance id, also after a failed test."""
    try:
        instance = program.instance_known()
    finally:
        if program.process is not None:
            program.stop()
        program.end_traefik()
        program.end_database()
    if instance:
        docker.sweep(instance)
