"""The watch over containers' labels, on virtual time: what counts as seen, and who is accused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.ingress.base import Marker, Sight
from controller.ingress.label_mirror import IDLE, Hostnames, LabelMirror
from controller.ingress.mirror import HASTE
from controller.settings import Settings
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_ROUTES, L_UID
from resources.observed import Attachment, Container, Network
from resources.routing import container_routes
from resources.routing.routes_label import Carried, written
from resources.routing.world import Labelled
from resources.world import World
from tests.sim.clockwork import SimClock
from tests.unit.ingress.virtual import running, until, virtually

DOMAIN, SERVICE = "11111111-domain", "22222222-service"
ROUTER, BACKEND = "acme-shop-11111111-aa", "acme-web-22222222-80-bb"
RULE, HOST = "traefik.http.routers.{}.rule", "shop.example.com"
WAIT = 3.0


class Traefik:
    """What it has made of the labels. away: why it cannot be asked."""

    def __init__(self) -> None:
        self.sight = Sight()
        self.away = ""
        self.looks = 0

    async def look(self) -> Sequence[Sight]:
        self.looks += 1
        if self.away:
            raise UserError("CONFIGURATION_INGRESS_UNREACHABLE", self.away, retryable=True)
        return [self.sight]

    async def serve(self, name: str, marker: Marker | None) -> bool:
        raise AssertionError("labels have no marker")

    async def open_connections(self, urls: frozenset[str]) -> Mapping[str, int]:
        return {}

    def serves(self, *numbers: int, fault: str = "") -> None:
        urls = frozenset(f"http://10.0.0.{number}:80" for number in numbers)
        self.sight = Sight({ROUTER: fault}, {BACKEND: urls})


class Bed:
    def __init__(self, traefik: Traefik | None = None) -> None:
        self.world = World.of([Network("n1", "skypanel_acme", {})])
        self.hostnames = {HOST: DOMAIN, "*.example.org": "other"}
        self.woken = Counter[str]()
        self.troubles = 0
        self.watch = LabelMirror(
            lambda: self.world,
            "i-1",
            SimClock(),
            Hostnames(lambda: len(self.hostnames), self._owners),
            traefik,
            WAIT,
            lambda uid: self.woken.update([uid]),
            self._troubled,
        )

    def _troubled(self) -> None:
        self.troubles += 1

    def _owners(self, hostname: str) -> list[str]:
        return [uid for name, uid in self.hostnames.items() if name == hostname]

    def run(self, number: int = 1, health: str = "", **labels: str) -> Container:
        """One of ours."""
        traefik = {
            "traefik.enable": "true",
            "traefik.docker.network": "skypanel_acme",
            RULE.format(ROUTER): f"Host(`{HOST}`)",
            f"traefik.http.services.{BACKEND}.loadbalancer.server.port": "80",
        }
        carried = written([Carried("shop", DOMAIN, "aa")], traefik)
        own = {L_CONTROLLER: "i-1", L_UID: SERVICE, L_ROUTES: carried}
        return self.put(number, {**traefik, **own, **labels}, health)

    def put(self, number: int, labels: Mapping[str, str], health: str = "") -> Container:
        place = Attachment("n1", f"10.0.0.{number}")
        container = Container(
            f"c{number}",
            f"c{number}",
            labels,
            "i",
            "sha256:i",
            "running",
            health,
            networks=(place,),
        )
        self.world.put(container)
        return container

    @property
    def known(self) -> Labelled:
        return self.world.labelled.get(DOMAIN) or Labelled(DOMAIN)

    def served(self) -> frozenset[str]:
        found = self.world.serving.get(SERVICE)
        return found.everywhere.get(BACKEND, frozenset()) if found else frozenset()

    def runs(self) -> AbstractAsyncContextManager[None]:
        return running(self.watch.run())


def test_without_an_api_a_container_is_seen_after_the_wait() -> None:
    async def story() -> None:
        bed = Bed()
        bed.run()
        async with bed.runs():
            await until(lambda: bed.known.digests == {"aa"}, 0.5)
            assert not bed.known.seen
            assert WAIT <= await until(lambda: bed.known.seen == {"aa"}) <= WAIT + 0.5
            assert bed.served() == {"http://10.0.0.1:80"}
            bed.run(2)
            await asyncio.sleep(WAIT / 2)
            assert bed.served() == {"http://10.0.0.1:80"}
            await until(lambda: len(bed.served()) == 2, WAIT)
            bed.world.drop_container("c1")
            await until(lambda: bed.served() == {"http://10.0.0.2:80"}, 0.5)
        assert bed.troubles == 1

    virtually(story)


def test_what_is_not_well_is_not_served() -> None:
    """Traefik leaves it out, so the wait begins when it is well."""

    async def story() -> None:
        bed = Bed()
        bed.run(health="starting")
        async with bed.runs():
            await asyncio.sleep(2 * WAIT)
            assert not bed.known.seen
            bed.run(health="healthy")
            assert WAIT <= await until(lambda: bed.known.seen) <= WAIT + 0.5
            bed.run(health="unhealthy")
            await until(lambda: not bed.known.seen, 0.5)

    virtually(story)


def test_with_an_api_it_is_seen_when_the_proxy_says_so() -> None:
    async def story() -> None:
        traefik = Traefik()
        bed = Bed(traefik)
        bed.run()
        async with bed.runs():
            await asyncio.sleep(3 * WAIT)
            assert not bed.known.seen
            traefik.serves(2)
            await asyncio.sleep(WAIT)
            assert not bed.known.seen, "its server is not among them"
            traefik.serves(1, 2)
            assert await until(lambda: bed.known.seen) < 1
            assert bed.served() == {"http://10.0.0.1:80"}
            looks = traefik.looks
            await asyncio.sleep(30)
            assert traefik.looks - looks <= 11
            traefik.serves(1, fault="entryPoint web does not exist")
            await until(lambda: not bed.known.seen, 4)
            assert bed.known.faults == {ROUTER: "entryPoint web does not exist"}

    virtually(story)


def test_a_proxy_that_does_not_answer() -> None:
    async def story() -> None:
        traefik = Traefik()
        traefik.serves(1)
        bed = Bed(traefik)
        bed.run()
        async with bed.runs():
            await until(lambda: bed.known.seen, 1)
            traefik.away = "gone"
            await until(lambda: bed.watch.problem == "gone", 4)
            assert bed.known.seen, "what it said last still holds"
            traefik.away = ""
            await until(lambda: not bed.watch.problem, 4)

    virtually(story)


@pytest.mark.parametrize(
    "labels",
    [
        {RULE.format("evil"): f"Host(`{HOST.upper()}`)"},
        {RULE.format("evil"): f"PathPrefix(`/x`) || Host(`a.test`, `{HOST}`)"},
        {RULE.format(ROUTER): "Host(`a.test`)"},
        {f"traefik.http.services.{BACKEND}.loadbalancer.server.port": "1"},
        {RULE.format("evil"): f"Host(`{HOST}`)", L_CONTROLLER: "another"},
    ],
)
def test_who_claims_what_is_not_theirs_is_accused(labels: dict[str, str]) -> None:
    async def story() -> None:
        bed = Bed()
        bed.run()
        bed.put(9, {RULE.format("fine"): "Host(`fine.test`)"})
        async with bed.runs():
            await until(lambda: bed.known.digests)
            assert bed.known.impostors == ()
            bed.put(10, labels)
            await until(lambda: bed.known.impostors == ("c10",), 0.5)
            bed.world.drop_container("c10")
            await until(lambda: bed.known.impostors == (), 0.5)

    virtually(story)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("HostRegexp(`^.+$`)", True),
        ("Host(`fine.test`) || hostRegexp ( `^shop[.].+$` )", True),
        ("PathPrefix(`/`)", True),
        ("HostSNI(`*`)", True),
        ("Host(`fine.test`) && PathPrefix(`/`)", False),
        ("Host(`fine.test`) && PathRegexp(`/[0-9]`)", False),
    ],
)
def test_who_may_take_anybodys_visitors_is_told_of_once(rule: str, told: bool) -> None:
    async def story() -> None:
        bed = Bed()
        bed.run()
        bed.put(8, {RULE.format("off"): rule})
        bed.put(9, {RULE.format("evil"): rule, "traefik.enable": "true"})
        bed.run(2, **{RULE.format("mine"): rule})
        with capture_logs() as logs:
            async with bed.runs():
                for number in range(3, 6):
                    await asyncio.sleep(1)
                    bed.run(number)
        names = [entry["container"] for entry in logs if entry["log_level"] == "warning"]
        assert names == (["c9"] if told else [])

    virtually(story)


def test_what_does_not_run_is_held_and_not_served() -> None:
    async def story() -> None:
        bed = Bed()
        mine = bed.run()
        async with bed.runs():
            await until(lambda: bed.served(), WAIT + 1)
            bed.world.put(replace(mine, state="restarting"))
            await until(lambda: not bed.known.digests, 0.5)
            assert bed.known == Labelled(DOMAIN, held=frozenset({"aa"}))
            assert not bed.served()
            bed.world.put(mine)
            assert WAIT <= await until(lambda: bed.served()) <= WAIT + 0.5
            bed.world.drop_container(mine.id)
            await until(lambda: DOMAIN not in bed.world.labelled, 0.5)

    virtually(story)


def test_what_is_below_a_wildcard_is_its_owners() -> None:
    async def story() -> None:
        bed = Bed()
        bed.put(9, {RULE.format("evil"): "Host(`a.example.org`)"})
        async with bed.runs():
            await until(lambda: "other" in bed.world.labelled)
            assert bed.world.labelled["other"].impostors == ("c9",)

    virtually(story)


def test_who_claimed_it_before_it_was_declared_is_accused() -> None:
    async def story() -> None:
        bed = Bed()
        bed.put(9, {RULE.format("evil"): "Host(`late.test`)"})
        async with bed.runs():
            await asyncio.sleep(1)
            assert not bed.world.labelled
            bed.hostnames["late.test"] = "late"
            await until(lambda: "late" in bed.world.labelled, 0.5)

    virtually(story)


def test_at_rest_nothing_is_reckoned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    reckoned: list[int] = []
    reckon = container_routes.domains
    monkeypatch.setattr(
        container_routes, "domains", lambda c, seen: reckoned.append(1) or reckon(c, seen)
    )

    async def story() -> None:
        traefik = Traefik()
        traefik.serves(1)
        bed = Bed(traefik)
        bed.run()
        bed.put(9, {RULE.format("fine"): "Host(`fine.test`)"})
        async with bed.runs():
            await until(lambda: bed.known.seen, 1)
            before = len(reckoned)
            await asyncio.sleep(60)
            assert len(reckoned) == before
            bed.world.drop_container("c9")
            await asyncio.sleep(1)
            assert len(reckoned) == before + 1

    virtually(story)


@pytest.mark.parametrize("mode", ["process", "container"])
def test_labels_are_for_somebody_elses_proxy(mode: str) -> None:
    with pytest.raises(ValueError, match="SKYCTL_INGRESS=external"):
        Settings.model_validate({"ingress": mode, "ingress_publish": "labels"})


@pytest.mark.parametrize("health", ["starting", "unhealthy"])
def test_nobody_is_asked_again_and_again_about_what_is_not_well(health: str) -> None:
    async def story() -> None:
        traefik = Traefik()
        traefik.serves(1)
        bed = Bed(traefik)
        bed.run()
        bed.run(2, health)
        async with bed.runs():
            await until(lambda: bed.known.seen, 1)
            looks = traefik.looks
            await asyncio.sleep(30)
            assert traefik.looks - looks <= 11
            traefik.serves(1, 2)
            bed.run(2, "healthy")
            await until(lambda: len(bed.served()) == 2, 0.5)

    virtually(story)


def test_nobody_is_asked_eagerly_for_ever_about_what_never_comes() -> None:
    async def story() -> None:
        traefik = Traefik()
        bed = Bed(traefik)
        bed.run()
        async with bed.runs():
            await asyncio.sleep(HASTE + 1)
            assert not bed.known.seen
            assert bed.watch.settled
            looks = traefik.looks
            await asyncio.sleep(30)
            assert traefik.looks - looks <= 11
            traefik.serves(1)
            await until(lambda: bed.known.seen, IDLE + 0.5)

    virtually(story)


def test_on_another_network_nobody_has_to_reach_it() -> None:
    async def story() -> None:
        traefik = Traefik()
        bed = Bed(traefik)
        mine = bed.run()
        bed.world.put(Network("n2", "elsewhere", {}))
        networks = (Attachment("n2", "10.9.0.1"), *mine.networks)
        bed.world.put(replace(mine, networks=networks))
        traefik.serves(1)
        async with bed.runs():
            await until(lambda: bed.known.seen, 1)
            assert bed.served() == {"http://10.0.0.1:80"}

    virtually(story)
