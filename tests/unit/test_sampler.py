"""Who is read when, what becomes of it, and what is shown of replicas that come, change and go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client.core import CollectorRegistry
from prometheus_client.exposition import generate_latest

from controller.consumption import ContainerCollector, Row
from controller.engine.base import EngineEvent, Sample, Sampled
from controller.engine.deaths import Deaths
from controller.replicas import Replicas
from controller.sampler import EVERY, SHARE, Sampler
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_KIND, L_NAME, L_ORDINAL, L_ORGANIZATION, L_ROLE, L_UID
from resources.meta import Key
from resources.observed import Container, Limits
from resources.world import World

START = datetime(2030, 1, 1, tzinfo=UTC)
GIB = 1 << 30
WEB = Key("Service", "acme", "web")


class Lab:
    """Replicas and a sampler on a world that is changed by hand; the engine counts what it is
    asked, a reading costs ``cost`` seconds."""

    def __init__(self) -> None:
        self.world = World()
        self.keys: dict[str, Key] = {"u": WEB}
        self.deaths = Deaths()
        self.shown = ContainerCollector()
        self.replicas = Replicas(
            lambda: self.world, self.keys.get, "mine", self.deaths.oom_kills, self.shown
        )
        self.sampler = Sampler(cast(Any, self), self.replicas, cast(Any, None))
        self.asked: Counter[str] = Counter()
        self.most = 0
        self.cost = 0.0001
        self.away = False
        self.at, self.cpu = 0.0, 0.0

    async def sample(self, containers: Sequence[Container]) -> Sampled:
        if self.away:
            raise UserError("CONFIGURATION_ENGINE_UNREACHABLE", "away")
        self.asked.update(c.id for c in containers)
        self.most = max(self.most, len(containers))
        there = [c.id for c in containers if c.id in self.world.containers]
        one = Sample(self.at, self.cpu, 100, 1, 2, 3, None)
        return Sampled(dict.fromkeys(there, one), self.cost * len(containers))

    def labels(self, ordinal: int = 0, **more: str) -> dict[str, str]:
        own = {L_CONTROLLER: "mine", L_UID: "u", L_KIND: "Service", L_ORDINAL: str(ordinal)}
        return {**own, L_ORGANIZATION: "acme", L_NAME: "web", **more}

    def put(self, id_: str, ordinal: int = 0, **fields: Any) -> Container:
        values: dict[str, Any] = {
            "labels": self.labels(ordinal),
            "state": "running",
            "created_at": START,
            "started_at": START,
            "limits": Limits(500_000_000, GIB, 64),
            "pid": 7,
            **fields,
        }
        made = Container(id=id_, name=id_, image="i", image_id="i", inspected=True, **values)
        self.world.put_container(made)
        self.tell(made)
        return made

    def change(self, id_: str, **fields: Any) -> None:
        changed = replace(self.world.containers[id_], **fields)
        self.world.put_container(changed)
        self.tell(changed)

    def drop(self, id_: str) -> None:
        gone = self.world.drop_container(id_)
        assert gone is not None
        self.tell(gone)

    def tell(self, container: Container) -> None:
        self.replicas.changed(container.labels, container.name, "container")

    def oom(self, id_: str, ordinal: int = 0) -> None:
        self.deaths.heard(EngineEvent("container", "oom", id_, labels=self.labels(ordinal)))

    async def round(self, at: float, cpu: float) -> None:
        """Everybody is read once."""
        self.at, self.cpu = at, cpu
        await self.sampler.turn(1e6)

    def restarts(self, ordinal: int = 0) -> int:
        return self.shown.shown()[Row("acme", "web", str(ordinal))].restarts

    def page(self) -> dict[str, float]:
        registry = CollectorRegistry()
        registry.register(self.shown)
        lines = generate_latest(registry).decode().splitlines()
        prefix = "skyctl_container_"
        pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(prefix))
        return {name.removeprefix(prefix): float(value) for name, value in pairs}


@pytest.fixture
def lab() -> Lab:
    made = Lab()
    made.replicas.begin()
    return made


# ---------------------------------------------------------------- what is shown


async def test_everything_that_is_known_of_a_replica(lab: Lab) -> None:
    lab.put("a")
    await lab.round(100, 5)
    await lab.round(110, 7.5)
    labels = '{ordinal="0",organization="acme",service="web"}'
    assert lab.page() == {
        f"cpu_ratio{labels}": 0.5,
        f"cpu_seconds_total{labels}": 7.5,
        f"memory_bytes{labels}": 100,
        f"memory_limit_bytes{labels}": GIB,
        f"network_receive_bytes_total{labels}": 1,
        f"network_transmit_bytes_total{labels}": 2,
        f"disk_read_bytes_total{labels}": 3,
        f"restarts_total{labels}": 0,
        f"oom_total{labels}": 0,
    }


async def test_one_reading_has_no_rate_and_no_limit_no_ratio(lab: Lab) -> None:
    lab.put("a")
    lab.put("b", 1, limits=Limits(0, 0, 0))
    await lab.round(100, 5)
    assert not any(name.startswith("cpu_ratio") for name in lab.page())
    await lab.round(110, 7.5)
    with_ratio = [name for name in lab.page() if name.startswith("cpu_ratio")]
    assert with_ratio == ['cpu_ratio{ordinal="0",organization="acme",service="web"}']
    limited = [name for name in lab.page() if name.startswith("memory_limit")]
    assert len(limited) == 1


async def test_a_process_that_began_anew_has_no_rate_to_the_one_before(lab: Lab) -> None:
    lab.put("a")
    await lab.round(100, 5)
    await lab.round(110, 7)
    lab.change("a", pid=8, started_at=START + timedelta(minutes=1))
    assert not any("cpu" in name for name in lab.page()), "what ended is not shown as running"
    await lab.round(120, 30)
    assert not any(name.startswith("cpu_ratio") for name in lab.page())
    await lab.round(130, 31)
    assert lab.page()['cpu_ratio{ordinal="0",organization="acme",service="web"}'] == 0.2


async def test_what_stopped_keeps_its_totals_and_loses_the_rest(lab: Lab) -> None:
    lab.put("a")
    await lab.round(100, 5)
    lab.change("a", state="exited", pid=0)
    assert {name.partition("{")[0] for name in lab.page()} == {"restarts_total", "oom_total"}


async def test_series_of_what_went_are_gone(lab: Lab) -> None:
    lab.put("a")
    lab.put("b", 1)
    await lab.round(100, 5)
    lab.drop("b")
    assert {name.partition("{")[2] for name in lab.page()} == {
        'ordinal="0",organization="acme",service="web"}'
    }
    lab.drop("a")
    assert lab.page() == {}
    await lab.round(200, 6)
    assert lab.page() == {}


async def test_a_service_that_is_gone_is_forgotten_with_its_totals(lab: Lab) -> None:
    lab.put("a", restarts=3)
    del lab.keys["u"]
    await lab.round(100, 5)
    assert lab.page() == {}
    lab.keys["u"] = WEB
    lab.drop("a")
    lab.put("b")
    assert lab.restarts() == 0


async def test_only_replicas_of_ours(lab: Lab) -> None:
    lab.put("once", labels=lab.labels(**{L_ROLE: "preDeploy"}))
    lab.put("foreign", labels={**lab.labels(), L_CONTROLLER: "theirs"})
    lab.put("nobody's", labels={**lab.labels(), L_UID: "unknown"})
    lab.put("odd", labels={**lab.labels(), L_ORDINAL: "first"})
    await lab.round(100, 5)
    assert lab.page() == {}
    assert not lab.asked


async def test_of_two_with_one_ordinal_the_newer_that_runs(lab: Lab) -> None:
    lab.put("old")
    lab.put("new", created_at=START + timedelta(minutes=1), state="created", pid=0)
    await lab.round(100, 5)
    assert set(lab.asked) == {"old"}
    lab.change("new", state="running", pid=9)
    await lab.round(110, 6)
    assert lab.asked == {"old": 1, "new": 1}
    lab.drop("old")
    assert "cpu_seconds_total" in {name.partition("{")[0] for name in lab.page()}


def test_who_does_not_lead_shows_nothing(lab: Lab) -> None:
    lab.put("a", restarts=2)
    lab.replicas.end()
    assert lab.page() == {}
    lab.put("b", 1)
    assert lab.page() == {}
    lab.replicas.begin()
    assert (lab.restarts(0), lab.restarts(1)) == (2, 0)


# ---------------------------------------------------------------- totals


def test_restarts_go_on_when_the_container_is_replaced(lab: Lab) -> None:
    lab.put("a", restarts=2)
    lab.change("a", restarts=5, started_at=START + timedelta(minutes=1))
    lab.drop("a")
    lab.put("b")
    assert lab.restarts() == 5
    lab.change("b", restarts=1, started_at=START + timedelta(minutes=2))
    assert lab.restarts() == 6


def test_a_start_by_hand_is_one_though_the_engine_begins_to_count_anew(lab: Lab) -> None:
    lab.put("a", restarts=3)
    lab.change("a", restarts=0, started_at=START + timedelta(minutes=1))
    assert lab.restarts() == 4
    lab.change("a", state="exited")
    assert lab.restarts() == 4
    lab.change("a", state="running", started_at=START + timedelta(minutes=2))
    assert lab.restarts() == 5


def test_a_restart_is_counted_once_though_the_engine_counts_before_it_starts(lab: Lab) -> None:
    lab.put("a")
    lab.change("a", state="restarting", restarts=1, pid=0)
    assert lab.restarts() == 1
    lab.change("a", state="running", started_at=START + timedelta(minutes=1))
    assert lab.restarts() == 1
    lab.change("a", state="restarting", restarts=3, started_at=START + timedelta(minutes=2))
    lab.change("a", state="running", restarts=0, started_at=START + timedelta(minutes=3))
    assert lab.restarts() == 3


def test_the_first_start_is_none(lab: Lab) -> None:
    lab.put("a", state="created", started_at=None)
    lab.change("a", state="running", started_at=START)
    lab.change("a", health="healthy")
    assert lab.restarts() == 0


async def test_kills_are_counted_by_ordinal_whichever_the_container(lab: Lab) -> None:
    lab.put("a")
    lab.put("b", 1)
    lab.oom("a")
    lab.change("a", state="exited", pid=0)
    lab.drop("a")
    lab.put("c")
    lab.oom("c")
    await lab.round(100, 5)
    counted = {row.ordinal: one.oom for row, one in lab.shown.shown().items()}
    assert counted == {"0": 2, "1": 0}


# ---------------------------------------------------------------- when


async def turns(lab: Lab, seconds: int) -> None:
    for _ in range(seconds):
        await lab.sampler.turn(1.0)


async def test_each_once_an_interval_spread_evenly(lab: Lab) -> None:
    for number in range(60):
        lab.put(str(number), number)
    await turns(lab, 100)
    lab.asked.clear()
    lab.most = 0
    await turns(lab, 10 * int(EVERY))
    assert set(lab.asked.values()) <= {9, 10, 11}
    assert lab.most <= 60 / EVERY + 1
    assert lab.sampler.interval == EVERY


async def test_the_interval_stretches_with_what_it_costs(lab: Lab) -> None:
    lab.cost = 0.002
    for number in range(1000):
        lab.put(str(number), number)
    await turns(lab, 300)
    assert lab.sampler.interval == pytest.approx(1000 * lab.cost / SHARE, rel=0.05)
    lab.asked.clear()
    await turns(lab, 300)
    assert sum(lab.asked.values()) * lab.cost / 300 <= SHARE * 1.05
    lab.cost = 0.0001
    await turns(lab, 300)
    assert lab.sampler.interval == EVERY


async def test_what_costs_is_not_known_at_first_so_few_are_read(lab: Lab) -> None:
    for number in range(1000):
        lab.put(str(number), number)
    await lab.sampler.turn(1.0)
    assert sum(lab.asked.values()) <= 5


async def test_an_engine_that_is_away_and_a_container_that_is_gone_are_no_errors(
    lab: Lab,
) -> None:
    lab.put("a")
    lab.away = True
    await lab.round(100, 5)
    assert not any("cpu" in name for name in lab.page())
    lab.away = False
    lab.world.drop_container("a")
    await lab.round(110, 6)
    assert lab.asked == {"a": 1}
    assert not any("cpu" in name for name in lab.page())


async def test_what_went_is_not_remembered_for_ever(lab: Lab) -> None:
    for number in range(100):
        made = lab.put(f"c{number}")
        await lab.round(number, number)
        lab.drop(made.id)
    assert len(lab.sampler._last) <= 20


async def test_nothing_is_shown_after_the_term(lab: Lab) -> None:
    class Clock:
        def monotonic(self) -> float:
            return asyncio.get_running_loop().time()

    lab.put("a")
    sampler = Sampler(cast(Any, lab), lab.replicas, cast(Any, Clock()))
    task = asyncio.create_task(sampler.run())
    await asyncio.sleep(0)
    assert lab.page()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lab.page() == {}
