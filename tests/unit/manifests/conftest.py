from __future__ import annotations

import gc
import warnings
from pathlib import Path

import pytest

from tests.unit.manifests.directory import Desk


@pytest.fixture(scope="module", autouse=True)
def swept() -> None:
    """Warnings are errors here, and whatever runs when the garbage collector finds what an
    earlier test left (httpcore drops a socket that could not connect) would be blamed for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    directory = tmp_path / "manifests"
    directory.mkdir()
    return Desk(directory)
