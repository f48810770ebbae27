"""A Domain under random answers of DNS, decisions of the store, disturbances and deaths.

Nothing is published before the name is proven and ours, whatever happens; and once everything is
well again, a few passes make it active, and the plan is empty.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resources.meta import HostnameClaim
from resources.routing.steps import PublishRoutes
from resources.routing.world import Published, Serving
from tests.unit.domain.domain_stage import (
    ACME,
    INGRESS,
    NAME,
    OURS,
    SERVICE,
    SHOP,
    UID,
    DomainStage,
)

HOSTS = ("shop.example.com", "new.example.com", "shop.acme.apps.test", "shop.beta.apps.test")


def declared(stage: DomainStage, draw: random.Random) -> None:
    spec: dict[str, Any] = {"hostname": draw.choice(HOSTS)}
    if draw.random() < 0.3:
        spec["pathPrefix"] = draw.choice(["/a", "/a/b"])
    if draw.random() < 0.1:
        spec["nonsense"] = 1
    if draw.random() < 0.1:
        spec["service"] = "nobody"
    stage.domain(**spec)


def asked(stage: DomainStage, draw: random.Random) -> None:
    question = stage.question()
    if question is None:
        return
    match draw.randrange(4):
        case 0:
            stage.ask((), error="away")
        case 1:
            stage.ask(())
        case 2:
            stage.ask(addresses=("198.51.100.1",))
        case 3:
            stage.ask()


def decided(stage: DomainStage, draw: random.Random) -> None:
    claims = stage.rows[SHOP].record.hostnames
    taken = draw.random() < 0.5
    stage.claims(*(replace(c, conflict="taken" if taken else "", verified=False) for c in claims))


def served(stage: DomainStage, draw: random.Random) -> None:
    if draw.random() < 0.5:
        stage.serve()
    else:
        stage.world.serving.pop(draw.choice([SERVICE, UID]), None)


def disturbed(stage: DomainStage, draw: random.Random) -> None:
    if UID in stage.world.published and draw.random() < 0.5:
        stage.world.put(Published(UID, NAME, ""))
    else:
        stage.world.published.pop(UID, None)


def restarted(stage: DomainStage, draw: random.Random) -> None:
    stage.world.findings.clear()
    if draw.random() < 0.5:
        stage.world.serving.clear()


def suspended(stage: DomainStage, draw: random.Random) -> None:
    stage.declare(*ACME, {"suspended": draw.random() < 0.5})


def ingress(stage: DomainStage, draw: random.Random) -> None:
    changes: list[dict[str, Any]] = [{}, {"problem": "away"}, {"unread": True}, {"mode": "none"}]
    changed = replace(INGRESS, **draw.choice(changes))
    stage.platform = replace(stage.platform, ingress=changed)


def passed(stage: DomainStage, draw: random.Random) -> None:
    """Perhaps killed midway; perhaps before the status was written."""
    plan = stage.plan(SHOP)
    for step in plan.steps[: draw.randrange(4)]:
        if isinstance(step, PublishRoutes):
            proven(stage)
        stage.apply(SHOP, step)
    if draw.random() < 0.7:
        stage.status(SHOP)


def late(stage: DomainStage, draw: random.Random) -> None:
    stage.now += timedelta(hours=draw.choice([0.1, 1, 30]))


def proven(stage: DomainStage) -> None:
    """By what the store holds at that moment."""
    standing = stage.standing()
    claim = HostnameClaim(standing.spec.hostname, standing.spec.path, True)
    assert claim in stage.rows[SHOP].record.hostnames
    assert not standing.suspended


EVENTS: list[Callable[[DomainStage, random.Random], None]] = [
    *(declared, asked, asked, decided, served, disturbed, restarted, suspended, ingress, late),
    *[passed] * 4,
]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_nothing_unproven_is_published_and_it_ends_well(seed: int, count: int) -> None:
    draw, stage = random.Random(seed), DomainStage()
    stage.domain()
    for _ in range(count):
        draw.choice(EVENTS)(stage, draw)
        assert stage.plan(SHOP) == stage.plan(SHOP)
    stage.platform = replace(stage.platform, ingress=INGRESS)
    stage.declare(*ACME, {})
    stage.domain(hostname=HOSTS[0])
    stage.claims(*(replace(c, conflict="") for c in stage.rows[SHOP].record.hostnames))
    stage.world.findings.clear()
    for _ in range(4):
        stage.go()
        stage.serve()
        stage.ask(addresses=OURS[:1])
        if (document := stage.standing().document) and UID in stage.world.published:
            routers = dict.fromkeys(document.content["http"]["routers"], "")
            stage.world.put(Serving(UID, stage.now, routers))
    stage.go()
    assert stage.told["state"] == "active", stage.told
    assert stage.plan(SHOP).converged
    assert stage.world.published[UID].digest == stage.standing().document.digest
    before = stage.told
    stage.now += timedelta(days=3)
    assert stage.told == before
