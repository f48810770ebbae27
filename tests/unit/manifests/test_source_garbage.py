"""What lies in a directory and is no manifest does not harm who reads it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from controller.sources.manifests.hints import _watch
from resources.errors import UserError


async def test_a_name_that_is_no_text_ends_the_hints_and_nothing_else(tmp_path: Path) -> None:
    woken = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(str(tmp_path), woken.set, recursive=True))
        (tmp_path / "good.yaml").write_text("a: 1")
        bad = os.fsencode(tmp_path) + b"/bad\xff\xfename.yaml"
        deadline = time.monotonic() + 20
        while not watching.done() and time.monotonic() < deadline:
            os.close(os.open(bad, os.O_CREAT | os.O_WRONLY))
            await asyncio.sleep(0.05)
            os.unlink(bad)
        watching.cancel()
    assert watching.exception() is None if not watching.cancelled() else True


def test_a_thousand_equal_problems_are_told_apart_quickly() -> None:
    problems = [
        UserError("CONFIGURATION_INVALID_MANIFEST", "the same", details={"line": n})
        for n in range(2000)
    ]
    assert len({hash(problem) for problem in problems}) == 2000
