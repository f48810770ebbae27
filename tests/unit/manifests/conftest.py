from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.manifests.directory import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    directory = tmp_path / "manifests"
    directory.mkdir()
    return Desk(directory)
