"""Which proxy is kept, started and dismissed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from controller.ingress.alive import Alive
from controller.ingress.api import Address, Apis
from controller.ingress.ports import free_port
from controller.ingress.retiring import Retiring
from controller.ingress.supervisor import DEAF_FIRST, STEADY, ProxySupervisor
from controller.settings import Settings
from resources.errors import UserError
from tests.fakes.clock import HandClock


class Answering(Apis):
    """All do, but those at the ports of ``silent``."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[int] = set()
        self.asked: list[int] = []

    async def get(self, address: Address, path: str, *, absent: bytes | None = None) -> bytes:
        port = int(address.url.rpartition(":")[2])
        self.asked.append(port)
        if port in self.silent:
            raise UserError("CONFIGURATION_INGRESS_UNREACHABLE", "silent", retryable=True)
        return b"{}"


class Runner:
    """Proxies that are names; they answer at once, and go when they are told."""

    home = Path("/ours")

    def __init__(self) -> None:
        self.alive: list[Alive] = []
        self.made = 0
        self.setting = "one"

    async def desired(self) -> str:
        return self.setting

    async def running(self) -> Sequence[Alive]:
        return list(self.alive)

    async def spawn(self, digest: str, api_port: int) -> Alive:
        self.made += 1
        self.alive.append(Alive(f"proxy {self.made}", digest, api_port, self.home))
        return self.alive[-1]

    async def pid(self, proxy: Alive) -> int | None:
        return None

    async def last_words(self, proxy: Alive) -> str:
        return ""

    async def ended(self, proxy: Alive) -> None:
        await asyncio.Event().wait()

    async def stop(self, proxy: Alive, grace: float) -> None:
        with suppress(ValueError):
            self.alive.remove(proxy)

    @property
    def names(self) -> list[str]:
        return [proxy.id for proxy in self.alive]


class Stage:
    def __init__(self, place: Path) -> None:
        self.deaf, self.leads, self.apis = False, True, Answering()
        self.clock, self.runner, self.former = HandClock(), Runner(), Runner()
        settings = Settings(
            state_dir=place,
            ingress_address="127.0.0.1",
            http_port=free_port(),
            https_port=free_port(),
        )
        self._settings = settings
        self.again()

    def again(self) -> None:
        """Another controller begins."""
        self.supervisor = ProxySupervisor(
            self._settings,
            self.runner,
            "token",
            self.apis,
            self.clock,
            wanted=lambda: True,
            deaf=lambda: self.deaf,
            leading=lambda: self.leads,
            others=[self.former],
        )

    async def turn(self, seconds: float = 0.0) -> list[str]:
        """After so many more seconds; who runs then."""
        self.clock.at += seconds
        async with asyncio.TaskGroup() as group:
            await self.supervisor.turn(group)
        return self.runner.names


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_one_is_kept_and_another_takes_its_place_for_a_setting(stage: Stage) -> None:
    assert await stage.turn() == ["proxy 1"]
    assert await stage.turn(STEADY) == ["proxy 1"]
    stage.runner.setting = "two"
    assert await stage.turn() == ["proxy 2"]
    stage.runner.alive.clear()
    assert await stage.turn(STEADY) == ["proxy 3"]


async def test_one_that_does_not_hear_is_replaced_ever_more_rarely(stage: Stage) -> None:
    await stage.turn()
    stage.deaf = True
    assert await stage.turn(STEADY) == ["proxy 2"]
    assert await stage.turn(DEAF_FIRST - 1) == ["proxy 2"]
    assert await stage.turn(1) == ["proxy 3"]
    assert await stage.turn(2 * DEAF_FIRST - 1) == ["proxy 3"]
    assert await stage.turn(1) == ["proxy 4"]


async def test_one_that_heard_again_is_replaced_soon_the_next_time(stage: Stage) -> None:
    await stage.turn()
    for name in ("proxy 2", "proxy 3", "proxy 4"):
        stage.deaf = True
        assert await stage.turn(STEADY) == [name]
        stage.deaf = False
        assert await stage.turn() == [name]


async def test_one_of_another_controller_is_replaced_and_never_asked(stage: Stage) -> None:
    """It reads another directory, which nobody keeps, and has another token."""
    former = Alive("former", "ab", 9000, Path("/theirs"))
    stage.runner.alive.append(former)
    assert await stage.supervisor.formers() == [Path("/theirs")]
    assert await stage.turn() == ["proxy 1"]
    assert former.api_port not in stage.apis.asked
    assert await stage.supervisor.formers() == []


async def test_who_does_not_lead_touches_nothing(stage: Stage) -> None:
    await stage.turn()
    stage.runner.setting, stage.leads = "two", False
    assert await stage.turn(STEADY) == ["proxy 1"]
    stage.leads = True
    assert await stage.turn() == ["proxy 2"]


async def half_handed_over(stage: Stage) -> tuple[Alive, Alive]:
    """The controller was killed after it had started the one that takes the place of another."""
    await stage.turn()
    (old,) = stage.runner.alive
    stage.runner.setting = "two"
    await stage.turn(STEADY)
    (new,) = stage.runner.alive
    stage.runner.alive.insert(0, old)
    stage.again()
    return old, new


async def test_the_one_that_serves_stays_until_the_right_one_answers(stage: Stage) -> None:
    old, new = await half_handed_over(stage)
    stage.apis.silent = {new.api_port}
    turn = asyncio.create_task(stage.turn())
    async with asyncio.timeout(10):
        while stage.apis.asked.count(new.api_port) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert stage.runner.names == [old.id, new.id]
    assert [address.url for address in stage.supervisor.addresses()] == [
        f"http://127.0.0.1:{old.api_port}"
    ]
    stage.apis.silent = set()
    assert await turn == [new.id]
    assert stage.runner.made == 2


async def test_a_right_one_that_fell_silent_dismisses_nobody(stage: Stage) -> None:
    old, new = await half_handed_over(stage)
    stage.apis.silent = {old.api_port, new.api_port}
    assert await stage.turn() == [old.id, new.id]
    stage.apis.silent = {old.api_port}
    assert await stage.turn() == [new.id]


async def test_what_former_settings_asked_for_is_replaced(stage: Stage) -> None:
    """As what it was, say a process, where a container is asked for now."""
    await stage.former.spawn("ab", 9000)
    assert await stage.turn() == ["proxy 1"]
    assert stage.former.names == []
    assert await stage.turn(STEADY) == ["proxy 1"]
    await stage.former.spawn("ab", 9000)
    await stage.turn(STEADY)
    assert stage.former.names == ["proxy 2"], "nobody searches for them for ever"


async def test_where_none_is_asked_for_any_more_all_go(stage: Stage) -> None:
    await stage.turn()
    await stage.former.spawn("ab", 9000)
    sure = False
    retiring = Retiring([stage.runner, stage.former], 1.0, lambda: sure)
    task = asyncio.create_task(retiring.run())
    await asyncio.sleep(0)
    assert stage.runner.names
    sure = True
    async with asyncio.timeout(10):
        await task
    assert stage.runner.names == stage.former.names == []
