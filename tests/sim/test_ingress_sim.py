"""A controller and its proxies in the simulation: what was published is known to whoever leads
next, and what the proxies serve is believed only while they answer."""

from __future__ import annotations

from resources.meta import Key
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes
from tests.fakes.ingress import FakeIngress
from tests.sim.faults import Rates
from tests.sim.harness import Controlled, Simulation, simulate

UID, BACKEND = "22222222-service", "acme-web-22222222-80"
URL = "http://10.0.0.1:80"


def published() -> PublishRoutes:
    services = {BACKEND: {"loadBalancer": {"servers": [{"url": URL}]}}}
    content = {"http": {"services": services}}
    return PublishRoutes(document=Document(UID, "service_acme_web_22222222", content), cause="test")


def served(process: Controlled) -> bool:
    found = process.controller.index.world.serving.get(UID)
    return found is not None and URL in found.everywhere.get(BACKEND, frozenset())


def well(process: Controlled) -> bool:
    return process.leads and not process.controller.platform().ingress.problem


async def routes(sim: Simulation) -> None:
    assert sim.ingress is not None
    first = sim.launch()
    await sim.until(lambda: well(first), 60, "the proxies are not asked")
    assert first.controller.platform().ingress.routing
    await sim.ingress.publish(published())
    await sim.until(lambda: served(first), 60, "not seen to be served")
    sim.ingress.away = "it burns"
    await sim.until(lambda: not well(first), 60, "nobody noticed")
    assert served(first)
    sim.ingress.away = ""
    sim.kill(first, "in the test")
    second = sim.launch()
    await sim.until(lambda: well(second) and served(second), 120, "the next one does not know")
    assert second.controller.index.world.published[UID].digest == published().document.digest


async def nobody(sim: Simulation) -> None:
    """Routes of a resource that the store does not have, as after a restored database."""
    assert sim.ingress is not None
    await sim.ingress.publish(published())
    await sim.apply(Key("Organization", "", "acme"), {})
    first = sim.launch()
    await sim.until(lambda: well(first), 60, "the proxies are not asked")
    await sim.until(lambda: not sim.ingress.documents, 120, "they stay")  # type: ignore[union-attr]


def test_routes_without_a_row_are_withdrawn() -> None:
    simulate(Simulation(1, ingress=FakeIngress()), nobody)


def test_what_is_published_and_served_is_known_to_whoever_leads() -> None:
    simulate(Simulation(1, ingress=FakeIngress(proxies=2)), routes)


def test_also_when_answers_get_lost() -> None:
    rates = Rates(request_lost=0.1, reply_lost=0.1, slow=0.1)
    for seed in range(3):
        simulate(Simulation(seed, rates=rates, ingress=FakeIngress(proxies=2)), routes)
