"""The last lines of a removed container are kept, bounded, and never in anybody's way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.reconcile import lastwords
from controller.reconcile.lastwords import LastWords
from resources.labels import L_GENERATION, L_ORDINAL, L_ROLE
from resources.observed import Container
from tests.fakes.engine import FakeEngine

UID = "4d5b8192-0000-4000-8000-000000000000"


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def sizes_in(directory: Path) -> dict[str, int]:
    """By uid."""
    return {file.parent.name: file.stat().st_size for file in directory.glob("*/*.json")}


class Saying(FakeEngine):
    """Every container says the same."""

    def __init__(self, lines: int = 3, text: str = "line {}") -> None:
        super().__init__(Clock())
        self.said = [("stdout", f"t{n}", text.format(n)) for n in range(lines)]

    def container(self, name: str = "web", ordinal: int = 0, **labels: str) -> Container:
        made = self.hand.run(name, "app:1", labels={L_ORDINAL: str(ordinal), **labels})
        self.machine.lives[made.id].logs.extend(self.said)
        return made


async def test_kept_with_what_it_was(tmp_path: Path) -> None:
    engine = Saying()
    words = LastWords(engine, Clock(), tmp_path / "words")
    await words.keep(UID, engine.container(ordinal=2, **{L_GENERATION: "7"}))
    (kept,) = await words.kept(UID)
    assert (kept.container, kept.ordinal, kept.generation) == ("web", 2, "7")
    assert kept.removed_at == "2026-01-01T00:00:01Z"
    assert [line.text for line in kept.lines] == ["line 0", "line 1", "line 2"]
    assert all(f.stat().st_mode & 0o77 == 0 for f in (tmp_path / "words" / UID).iterdir())
    await words.forget(UID)
    assert await words.kept(UID) == []


async def test_a_few_of_each_replica(tmp_path: Path) -> None:
    engine = Saying()
    words = LastWords(engine, Clock(), tmp_path)
    for number in range(4):
        await words.keep(UID, engine.container(f"a{number}", 0))
        await words.keep(UID, engine.container(f"b{number}", 1))
    await words.keep(UID, engine.container("job", 0, **{L_ROLE: "preDeploy"}))
    found = [(k.container, k.ordinal, k.role) for k in await words.kept(UID)]
    assert found == [
        ("a2", 0, ""),
        ("b2", 1, ""),
        ("a3", 0, ""),
        ("b3", 1, ""),
        ("job", -1, "preDeploy"),
    ]


async def test_the_end_of_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lastwords, "BYTES", 100)
    engine = Saying(lines=50, text="x" * 28 + "{:02}")
    words = LastWords(engine, Clock(), tmp_path)
    await words.keep(UID, engine.container())
    (kept,) = await words.kept(UID)
    assert [line.text[-2:] for line in kept.lines] == ["47", "48", "49"]


async def test_bounded_altogether_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lastwords, "ALTOGETHER", 4000)
    engine = Saying()
    words = LastWords(engine, Clock(), tmp_path)
    for number in range(40):
        await words.keep(f"uid-{number:02}", engine.container(f"c{number}"))
    sizes = sizes_in(tmp_path)
    assert sum(sizes.values()) <= 4000
    assert "uid-39" in sizes
    assert "uid-00" not in sizes


async def test_an_engine_that_says_nothing_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lastwords, "SECONDS", 0.01)
    engine = Saying()
    container = engine.container()

    async def never(*_: Any) -> None:
        import asyncio

        await asyncio.sleep(3600)

    engine.latency = never
    words = LastWords(engine, Clock(), tmp_path)
    await words.keep(UID, container)
    assert await words.kept(UID) == []


async def test_damage_and_no_directory(tmp_path: Path) -> None:
    engine = Saying()
    words = LastWords(engine, Clock(), tmp_path)
    await words.keep(UID, engine.container())
    (tmp_path / UID / "000000000000001_0_bad.json").write_text("{")
    (tmp_path / UID / "000000000000002_0_odd.json").write_text('{"lines": [{}]}')
    assert len(await words.kept(UID)) == 1
    nowhere = LastWords(engine, Clock(), None)
    await nowhere.keep(UID, engine.container("other"))
    assert await nowhere.kept(UID) == []
