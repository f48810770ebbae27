"""A Service in the middle of a rollout, played pass by pass."""

from __future__ import annotations

from typing import Any

from resources.context import Platform
from resources.meta import Key
from resources.observed import Container
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

CHECK = {"exec": ["true"]}

HTTP = {"http": {"port": 80}}

PAUSE = {"onFailure": "pause"}


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def running(**spec: Any) -> tuple[Theatre, Key]:
    stage = Theatre(platform=Platform(INSTANCE, host_ports=(1, 65535)))
    web = stage.service(**spec)
    stage.go(web)
    stage.optimistic = False
    return stage, web


def new(stage: Theatre, key: Key) -> list[Container]:
    """Of the newest generation."""
    generation = str(stage.rows[key].resource.generation)
    return [c for c in stage.containers(key) if c.labels["io.skypanel.generation"] == generation]
