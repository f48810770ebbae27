"""The drift matrix, all rows at once: told with the field, and right again or left and told."""

from __future__ import annotations

import pytest

from tests.e2e.drift import matrix, table
from tests.e2e.harness import Docker, Program

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

TOLD = 10.0
RIGHT = 20.0
"""Seconds at most, on a machine that is busy with all the other rows."""


def test_every_row(program: Program, docker: Docker) -> None:
    with matrix(program, docker) as played:
        results = played.play()
    print(table(results))
    late = [r.row.slug for r in results if r.detected > TOLD or (r.healed or 0) > RIGHT]
    assert not late, table(results)
    assert all(f"[drift: {r.row.field}]" in r.said for r in results)
