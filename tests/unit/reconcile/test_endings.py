"""What processes said before they ended: read once for each end, and never waited for long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controller.engine.base import EngineEvent, LogLine
from controller.engine.deaths import Deaths
from controller.reconcile.endings import LINES, LONGEST, Endings
from resources.errors import UserError
from resources.observed import Container

END = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)


class Logs:
    """An engine that has logs and nothing else."""

    def __init__(self, *lines: tuple[str, str], error: UserError | None = None) -> None:
        self.lines = [LogLine("stdout", time, text) for time, text in lines]
        self.error = error
        self.asked = 0

    async def logs(self, container: str, **_: Any) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        for line in self.lines:
            yield line


def crashed(**fields: Any) -> Container:
    given: dict[str, Any] = {"state": "restarting", "exit_code": 3, "finished_at": END, **fields}
    return Container("c", "web_0", {}, "i", "sha256:i", inspected=True, **given)


async def test_the_last_lines_of_the_process_that_ended() -> None:
    engine = Logs(
        ("2026-01-02T03:04:05.400000001Z", "boom\0"),
        ("2026-01-02T03:04:05.9Z", "of the next one"),
    )
    endings = Endings(engine)  # type: ignore[arg-type]
    await endings.learn([crashed()])
    (found,) = endings.of([crashed()]).values()
    assert (found.tail, found.exit_code, found.at) == ("boom", 3, END)


async def test_once_for_each_end() -> None:
    engine = Logs()
    endings = Endings(engine)  # type: ignore[arg-type]
    await endings.learn([crashed(exit_code=None, restarts=1, state="running")])
    await endings.learn([crashed(restarts=1)])
    assert engine.asked == 1
    assert endings.of([crashed()])["c"].exit_code == 3
    await endings.learn([crashed(finished_at=END.replace(second=6))])
    assert engine.asked == 2


async def test_what_ended_well_or_runs_is_not_asked_about() -> None:
    engine = Logs()
    endings = Endings(engine)  # type: ignore[arg-type]
    await endings.learn(
        [crashed(exit_code=0, state="exited"), crashed(state="running", exit_code=None)]
    )
    assert engine.asked == 0


async def test_bounded_and_without_a_log() -> None:
    engine = Logs(*[("2026-01-02T03:04:05Z", "x" * 9999)] * 40)
    endings = Endings(engine)  # type: ignore[arg-type]
    await endings.learn([crashed()])
    tail = endings.of([crashed()])["c"].tail
    assert len(tail.splitlines()) == LINES
    assert max(map(len, tail.splitlines())) == LONGEST
    gone = Endings(Logs(error=UserError("RESOURCE_NOT_FOUND", "gone")))  # type: ignore[arg-type]
    await gone.learn([crashed()])
    assert gone.of([crashed()])["c"].tail == ""


async def test_an_exit_code_that_only_an_event_told() -> None:
    deaths = Deaths()
    deaths.heard(EngineEvent("container", "die", "c", time_nano=int(END.timestamp() * 1e9)))
    again = crashed(exit_code=None, restarts=1, state="running")
    endings = Endings(Logs(), deaths.code)  # type: ignore[arg-type]
    await endings.learn([again])
    assert endings.of([again])["c"].exit_code is None
    told = EngineEvent("container", "die", "c", time_nano=int(END.timestamp() * 1e9), exit_code=3)
    deaths.heard(told)
    await endings.learn([again])
    assert endings.of([again])["c"].exit_code == 3
    assert deaths.code("c", END.replace(minute=9)) is None


async def test_what_an_earlier_run_said_is_not_among_its_last_lines() -> None:
    engine = Logs(
        ("2026-01-02T03:04:01.000000001Z", "of the first"),
        ("2026-01-02T03:04:05.0Z", "of the second"),
        ("2026-01-02T03:04:09.0Z", "of the third"),
    )
    endings = Endings(engine)  # type: ignore[arg-type]
    second = END.replace(second=4)
    await endings.learn([crashed(started_at=second, restarts=1)])
    assert endings.of([crashed()])["c"].tail == "of the second"
    third = crashed(finished_at=END.replace(second=10), state="running", restarts=2)
    await endings.learn([replace(third, started_at=END.replace(second=11))])
    assert endings.of([crashed()])["c"].tail == "of the third"


async def test_one_that_said_nothing_has_no_words_of_another() -> None:
    engine = Logs(("2026-01-02T03:04:05.4Z", "boom"))
    endings = Endings(engine)  # type: ignore[arg-type]
    await endings.learn([crashed()])
    silent = crashed(finished_at=END.replace(second=8), started_at=END.replace(second=7))
    await endings.learn([silent])
    assert endings.of([silent])["c"].tail == ""
