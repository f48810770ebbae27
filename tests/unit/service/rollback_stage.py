"""A rollout of a Service that fails, and the way back."""

from __future__ import annotations

from typing import Any

from resources.conditions import find
from resources.labels import L_GENERATION
from resources.meta import Key
from tests.unit.service.rollout_stage import CHECK, running
from tests.unit.service.theatre import Theatre

BAD = "nginx:1.27"

SHORT = {"progressDeadline": "20s"}


def failing(**spec: Any) -> tuple[Theatre, Key]:
    """Generation 2 is under way, and never becomes healthy."""
    update = {**SHORT, **spec.pop("update", {})}
    base = {"healthCheck": CHECK, "update": update, **spec}
    stage, web = running(**base)
    stage.service(**base, image=BAD)
    stage.pass_(web)
    return stage, web


def rolled_back(**spec: Any) -> tuple[Theatre, Key]:
    stage, web = failing(**spec)
    stage.wait(20)
    go_back(stage, web)
    return stage, web


def go_back(stage: Theatre, web: Key) -> None:
    """What is made of the earlier generation is healthy."""
    stage.optimistic = True
    stage.go(web)
    stage.optimistic = False


def generations(stage: Theatre, web: Key) -> list[str]:
    return [c.labels[L_GENERATION] for c in stage.containers(web)]


def word(status: dict[str, Any], type_: str) -> str:
    found = find(status, type_)
    assert found is not None
    return str(found["status"])
