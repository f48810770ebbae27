"""Directories are read one after the other at first: one may declare what another refers to."""

from __future__ import annotations

import asyncio

import pytest

from controller import acting
from controller.acting import Acting
from tests.unit.manifests.directory import Desk, service, until


class Slow:
    """A source that has begun when somebody says so."""

    def __init__(self, name: str, started: list[str]) -> None:
        self.name = name
        self.begun = asyncio.Event()
        self._started = started

    async def run(self) -> None:
        self._started.append(self.name)
        await asyncio.Event().wait()


def turns(*sources: object) -> asyncio.Task[None]:
    held = object.__new__(Acting)
    held._manifests = sources  # type: ignore[assignment]
    return asyncio.create_task(held._sources())


async def test_the_next_begins_when_the_one_before_has_written() -> None:
    started: list[str] = []
    first, second = Slow("first", started), Slow("second", started)
    task = turns(first, second)
    for _ in range(20):
        await asyncio.sleep(0)
    assert started == ["first"]
    first.begun.set()
    await until(lambda: started == ["first", "second"])
    task.cancel()


async def test_a_directory_that_does_not_answer_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acting, "FIRST_READING", 0.02)
    started: list[str] = []
    task = turns(Slow("first", started), Slow("second", started))
    await until(lambda: started == ["first", "second"])
    task.cancel()


async def test_a_source_has_begun_when_its_first_documents_are_written(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    async with desk.running() as source:
        await asyncio.wait_for(source.begun.wait(), 10)
        assert desk.rows == {"web"}
