"""docs/reference/ and crds/ say what the program says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from resources.schema import write

PROJECT = Path(__file__).resolve().parents[3]


def test_the_reference_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/reference", "--check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_schemas_are_fresh(tmp_path: Path) -> None:
    fresh = {path.name: path.read_text() for path in write(tmp_path)}
    assert {path.name: path.read_text() for path in (PROJECT / "crds").glob("*.json")} == fresh
