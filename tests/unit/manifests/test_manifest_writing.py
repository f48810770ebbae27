"""Writes that fail, are refused, or come too late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.sources.manifests.declaration import FileReading, declare
from controller.sources.manifests.writing import Writer
from controller.store.base import StoreUnavailable
from resources.document import parse
from tests.fakes.store import FakeStore
from tests.unit.manifests.directory import EPOCH, services


async def test_a_cancellation_that_comes_while_a_write_fails_is_heard() -> None:
    async def before(op: str, *what: Any) -> None:
        if op == "apply" and what[0].name == "a":
            raise StoreUnavailable("gone")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            applying.cancel()
            raise

    store = FakeStore(before=before)
    text = services("a", "b").encode()
    reading = FileReading.of(parse(text, "all.yaml"), text)
    writer = Writer(store, "manifest:main", lambda: EPOCH, max_percent=50, minimum=5)
    documents = declare({"all.yaml": reading}, {}, ()).wanted.values()
    applying = asyncio.create_task(writer.apply(documents))
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await applying
