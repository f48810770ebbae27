"""What proxies count, read from their text, added up, and told of rollouts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.ingress.api import Address, Apis
from controller.ingress.base import Shelved
from controller.ingress.counting import APART, Counting, Owners
from controller.ingress.exposition import LONGEST_LINE, Exposition, Scrape, increases
from controller.ingress.rollouts import PATIENCE, Rollouts
from controller.metrics import METRICS
from controller.traffic import Traffic, TrafficCollector
from resources.errors import UserError
from resources.meta import Key
from resources.routing.world import Published, Requests
from resources.service.plan import plan
from resources.service.status import status
from tests.sim.clockwork import SimClock, run_virtually
from tests.unit.service.theatre import Theatre

DOMAIN, SERVICE = "11111111-domain", "22222222-service"
ROUTER, BACKEND = "acme-site-11111111", "acme-web-22222222-80"
ONE, OTHER = Address("http://one"), Address("http://other")
SITE = Key("Domain", "acme", "site")
SHELF = {
    DOMAIN: Shelved(Published(DOMAIN, "domain", "d"), frozenset({ROUTER})),
    SERVICE: Shelved(Published(SERVICE, "service", "d"), frozenset(), frozenset({BACKEND})),
}


def text(requests: dict[str, int], *, started: float = 100.0, router: str = ROUTER) -> bytes:
    """As Traefik 3.7 writes it. requests: by code."""
    lines = [f"process_start_time_seconds {started}", "go_goroutines 60"]
    name = "traefik_router_request"
    for code, count in requests.items():
        for method in ("GET", "POST"):
            labels = (
                f'code="{code}",method="{method}",protocol="http",router="{router}@file",'
                f'service="{BACKEND}@file"'
            )
            lines += [f'{name}_duration_seconds_bucket{{{labels},le="0.1"}} {count // 2}']
            lines += [f'{name}_duration_seconds_bucket{{{labels},le="+Inf"}} {count}']
            lines += [f"{name}_duration_seconds_sum{{{labels}}} {count * 0.2}"]
            lines += [f"{name}_duration_seconds_count{{{labels}}} {count}"]
            lines += [f"{name}s_total{{{labels}}} {count}"]
            lines += [f"{name}s_bytes_total{{{labels}}} 7"]
    return ("\n".join(lines) + "\n").encode()


def read(whole: bytes, piece: int = 50) -> Scrape:
    exposition = Exposition()
    for start in range(0, len(whole), piece):
        exposition.feed(whole[start : start + piece])
    return exposition.scrape()


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_the_text_is_read_in_pieces_of_any_length(piece: int) -> None:
    found = increases(None, read(text({"200": 4, "204": 2, "502": 3}), piece), 0.0)
    told = {(s.router, s.service, s.what, s.label): value for s, value in found.items()}
    assert told == {
        (ROUTER, BACKEND, "requests", "2xx"): 12.0,
        (ROUTER, BACKEND, "requests", "5xx"): 6.0,
        (ROUTER, BACKEND, "bucket", "0.1"): 8.0,
        (ROUTER, BACKEND, "bucket", "+Inf"): 18.0,
        (ROUTER, BACKEND, "seconds", ""): pytest.approx(3.6),
    }


def test_it_reads_what_the_official_parser_reads() -> None:
    whole = text({"200": 4, "404": 1, "502": 3})
    found = increases(None, read(whole), 0.0)
    ours = sum(value for series, value in found.items() if series.what == "requests")
    families = text_string_to_metric_families(whole.decode())
    theirs = [s for f in families for s in f.samples if s.name.endswith("requests_total")]
    assert ours == sum(sample.value for sample in theirs) == 16


@pytest.mark.parametrize(
    "whole",
    [
        b"x" * (LONGEST_LINE + 1),
        text({"200": 1}).replace(b'http"} 1', b'http"} one').replace(b'@file"} 1', b'@file"} one'),
    ],
)
def test_what_is_no_such_text_is_refused(whole: bytes) -> None:
    with pytest.raises(ValueError, match=r"does not end|could not convert"):
        read(whole)


def test_counters_that_fell_began_anew() -> None:
    before, after = read(text({"200": 10, "500": 5})), read(text({"200": 3, "500": 7}))
    found = {
        s.label: value for s, value in increases(before, after, 0.0).items() if s.what[0:3] == "req"
    }
    assert found == {"2xx": 6.0, "5xx": 4.0}


def test_a_proxy_that_was_started_anew_began_anew_even_if_it_has_counted_more() -> None:
    before = read(text({"200": 10}))
    after = read(text({"200": 12}, started=200.0))
    found = {s.label: v for s, v in increases(before, after, 0.0).items() if s.what == "requests"}
    assert found == {"2xx": 24.0}


@pytest.mark.parametrize(("started", "counted"), [(100.0, 0.0), (200.0, 20.0)])
def test_what_a_proxy_counted_before_we_looked_is_not_ours_to_tell(
    started: float, counted: float
) -> None:
    found = increases(None, read(text({"200": 10}, started=started)), since=150.0)
    assert sum(v for s, v in found.items() if s.what == "requests") == counted
    assert increases(None, replace(read(text({"200": 10})), started=None), 0.0) == {}


# -- what is shown


def test_quantiles_are_estimated_as_prometheus_does() -> None:
    traffic = Traffic({"2xx": 100}, {0.1: 50.0, 0.5: 90.0, inf: 100.0}, 12.0)
    assert traffic.quantile(0.5) == pytest.approx(0.1)
    assert traffic.quantile(0.7) == pytest.approx(0.3)
    assert traffic.quantile(0.99) == 0.5
    assert Traffic().quantile(0.5) is None


def test_the_page_has_a_counter_and_a_histogram_for_each_domain() -> None:
    collector = TrafficCollector()
    collector.show(
        {("acme", "site"): Traffic({"2xx": 3.0}, {0.1: 1.0, inf: 3.0}, 0.7), ("b", "c"): Traffic()}
    )
    samples = [s for family in collector.collect() for s in family.samples]
    told = {(s.name, *sorted(s.labels.items())): s.value for s in samples}
    site = (("name", "site"), ("organization", "acme"))
    assert told["skyctl_domain_requests_total", ("code", "2xx"), *site] == 3
    assert told["skyctl_domain_requests_total", ("code", "5xx"), *site] == 0
    assert told["skyctl_domain_request_seconds_bucket", ("le", "0.1"), *site] == 1
    assert told["skyctl_domain_request_seconds_count", *site] == 3
    assert not [s for s in samples if s.name.endswith("_sum") and s.labels["name"] == "c"]
    collector.forget("acme", "site")
    assert {s.labels["name"] for family in collector.collect() for s in family.samples} == {"c"}


# -- the reader


class FakeApis:
    """What each proxy says; a proxy that is not there does not answer."""

    def __init__(self) -> None:
        self.texts: dict[Address, bytes] = {}
        self.asked = 0

    async def pour(self, address: Address, path: str, into: Callable[[bytes], None]) -> None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if address not in self.texts:
            raise UserError("CONFIGURATION_INGRESS_UNREACHABLE", "it is away", retryable=True)
        into(self.texts[address])


class Bed:
    def __init__(self, *, own: bool = True) -> None:
        self.apis = FakeApis()
        self.addresses = [ONE]
        self.shelf = dict(SHELF)
        self.keys = {DOMAIN: SITE, SERVICE: Key("Service", "acme", "web")}
        self.counting = Counting(
            cast(Apis, self.apis),
            lambda: self.addresses,
            lambda: self.shelf,
            self.keys.get,
            SimClock(),
            own=lambda: own,
        )

    async def says(
        self, address: Address, requests: dict[str, int], started: float = 100.0
    ) -> None:
        self.apis.texts[address] = text(requests, started=started)
        await self.counting.read()

    def shown(self) -> dict[str, float]:
        """By code, as on our page."""
        return {
            sample.labels["code"]: sample.value
            for family in METRICS.traffic.collect()
            for sample in family.samples
            if sample.name == "skyctl_domain_requests_total" and sample.labels["name"] == "site"
        }


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    METRICS.traffic.show({})


def test_proxies_are_summed_and_one_that_does_not_answer_changes_nothing() -> None:
    async def scene() -> None:
        bed = Bed()
        bed.addresses = [ONE, OTHER]
        await bed.says(ONE, {"200": 5})
        assert bed.shown() == {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0}
        await bed.says(OTHER, {"200": 50})
        await bed.says(ONE, {"200": 6, "503": 1})
        await bed.says(OTHER, {"200": 60})
        assert bed.shown() == {"2xx": 22, "3xx": 0, "4xx": 0, "5xx": 2}
        del bed.apis.texts[OTHER]
        await bed.counting.read()
        assert bed.shown()["2xx"] == 22
        assert bed.counting.served(SERVICE) is not None
        del bed.apis.texts[ONE]
        await bed.counting.read()
        assert bed.shown()["2xx"] == 22
        assert bed.counting.served(SERVICE) is None

    run_virtually(scene)


def test_a_domain_that_is_gone_is_shown_no_more_and_a_strangers_router_never() -> None:
    async def scene() -> None:
        bed = Bed()
        await bed.says(ONE, {"200": 5})
        bed.apis.texts[ONE] = text({"200": 9}, router="someone-elses")
        await bed.counting.read()
        assert bed.shown()["2xx"] == 0
        del bed.shelf[DOMAIN]
        del bed.keys[DOMAIN]
        await bed.counting.read()
        assert bed.shown() == {}

    run_virtually(scene)


def test_a_proxy_of_somebody_else_that_counts_no_routers_tells_nothing() -> None:
    async def scene() -> None:
        bed = Bed(own=False)
        bed.apis.texts[ONE] = b"process_start_time_seconds 100\n"
        await bed.counting.read()
        assert bed.counting.served(SERVICE) is None
        assert bed.counting.lately(DOMAIN) is None

    run_virtually(scene)


def test_the_last_minutes_are_told_apart_from_what_was_before() -> None:
    async def scene() -> None:
        bed = Bed()
        await bed.says(ONE, {"200": 5})
        for n in range(20):
            await asyncio.sleep(APART / 2)
            await bed.says(ONE, {"200": 10 + n})
        lately = bed.counting.lately(DOMAIN)
        assert lately is not None
        assert 5 * APART <= lately.seconds <= 6.1 * APART
        assert lately.traffic.codes["2xx"] == 2 * round(lately.seconds / (APART / 2))

    run_virtually(scene)


def test_proxies_are_read_each_ten_seconds_and_at_once_when_somebody_asks() -> None:
    async def scene() -> None:
        bed = Bed()
        bed.apis.texts[ONE] = text({"200": 5})
        task = asyncio.create_task(bed.counting.run())
        await asyncio.sleep(101)
        assert 9 <= bed.apis.asked <= 11
        asked = bed.apis.asked
        bed.counting.hurry()
        await asyncio.sleep(0.2)
        assert bed.apis.asked == asked + 1
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run_virtually(scene)


def test_names_belong_to_whose_document_defines_them() -> None:
    owners = Owners.of(SHELF.values())
    assert (owners.routers, owners.backends) == ({ROUTER: DOMAIN}, {BACKEND: SERVICE})


# -- rollouts


class Rolling:
    """A Service that is rolled out, and what is counted of it."""

    def __init__(self) -> None:
        self.bed = Bed()
        self.woken: list[Key] = []
        self.rollouts = Rollouts(self.bed.counting, self.woken.append, SimClock())
        self.stage = Theatre()
        self.web = self.stage.service()
        uid = self.stage.rows[self.web].resource.uid
        self.bed.shelf = {
            uid: Shelved(Published(uid, "service", "d"), frozenset(), frozenset({BACKEND}))
        }

    def observed(self) -> None:
        self.rollouts.observed(self.stage.context(self.web), self.web)

    async def counted(self, **requests: int) -> None:
        await asyncio.sleep(1)
        await self.bed.says(ONE, {code[1:]: n for code, n in requests.items()})

    def begin(self) -> None:
        """The first plan is applied, the rollout is recorded."""
        while self.stage.rows[self.web].record.rollout is None:
            self.stage.pass_(self.web)
        self.observed()

    def end(self) -> None:
        self.stage.go(self.web)
        self.observed()


def test_a_rollout_is_counted_from_its_beginning_to_its_end() -> None:
    async def scene() -> None:
        here = Rolling()
        await here.counted(_200=10, _502=1)
        here.begin()
        await here.counted(_200=20, _502=1)
        await here.counted(_200=50, _502=2)
        assert here.rollouts.requests(here.web) is None
        here.end()
        assert here.woken == []
        await here.counted(_200=60, _502=4)
        assert here.woken == [here.web]
        found = here.rollouts.requests(here.web)
        assert found is not None
        assert (found.seen, found.failed) == (2 * 43, 2 * 3)
        await here.counted(_200=90, _502=9)
        assert here.rollouts.requests(here.web) == found
        assert here.woken == [here.web]

    run_virtually(scene)


def test_a_reading_that_was_under_way_already_is_neither_beginning_nor_end() -> None:
    async def scene() -> None:
        here = Rolling()
        here.begin()
        before = asyncio.get_running_loop().time() - 0.1
        await here.bed.says(ONE, {"200": 10})
        here.rollouts = Rollouts(here.bed.counting, here.woken.append, SimClock())
        here.observed()
        here.rollouts.read(before)
        await here.counted(_200=30)
        here.end()
        here.rollouts.read(before)
        assert here.rollouts.requests(here.web) is None
        await here.counted(_200=40)
        found = here.rollouts.requests(here.web)
        assert found is not None
        assert found.seen == 2 * 10

    run_virtually(scene)


def test_nothing_is_told_of_a_rollout_whose_beginning_or_end_nobody_counted() -> None:
    async def scene() -> None:
        here = Rolling()
        here.stage.go(here.web)
        here.observed()
        await here.counted(_200=10)
        assert here.rollouts.requests(here.web) is None  # it was over when we came

        here = Rolling()
        here.begin()
        await here.counted(_200=20)
        here.bed.apis.texts.clear()
        here.end()
        await asyncio.sleep(PATIENCE + 2)
        await here.bed.counting.read()
        await here.counted(_200=30)
        assert here.rollouts.requests(here.web) is None
        assert here.woken == []

    run_virtually(scene)


def test_the_status_tells_and_what_was_told_stands() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    began = stage.rows[web].record.rollout
    assert began is not None
    assert "requests" not in stage.status(web)["rollout"]

    since = began.started_at + timedelta(seconds=1)

    def told(requests: Requests | None) -> dict[str, Any]:
        context = replace(stage.context(web), requests=requests)
        found: dict[str, Any] = status(context, plan(context), None)
        stage.rows[web] = replace(stage.rows[web], status=found)
        return dict(found["rollout"])

    earlier = Requests(began.started_at - timedelta(hours=1), 9, 9)
    assert "requests" not in told(earlier)
    shown = told(Requests(since, 120, 3))["requests"]
    assert shown == {"seen": 120, "failed": 3, "since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert told(None)["requests"] == shown  # after a restart of ours
    stage.wait(100)
    stage.service(image="nginx:1.27")
    stage.go(web)
    assert "requests" not in stage.status(web)["rollout"]
