"""What the proxies will serve once a document is published: all of it, at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, RouteStep, WithdrawRoutes
from resources.routing.world import Published, Serving
from resources.world import World


def advance(world: World, step: RouteStep, now: datetime) -> None:
    """Changes the world in place. Optimistic: nothing is under way to what leaves."""
    match step:
        case PublishRoutes():
            document = step.document
            world.put(published(document))
            world.put(served(document, world.serving.get(document.uid), now))
        case WithdrawRoutes():
            world.published.pop(step.uid, None)
            world.serving.pop(step.uid, None)


def published(document: Document) -> Published:
    """As read back right after it was published."""
    return Published(document.uid, document.name, document.digest, document.servers, document.rules)


def served(document: Document, before: Serving | None, now: datetime) -> Serving:
    """As every proxy shows it. before: what they showed until now."""
    http = document.content.get("http", {})
    there = {name: _urls(service) for name, service in http.get("services", {}).items()}
    known = before or Serving(document.uid, now)
    were = frozenset[str]().union(*known.anywhere.values())
    gone = were - frozenset[str]().union(*there.values())
    return replace(
        known,
        routers=dict.fromkeys(http.get("routers", {}), ""),
        everywhere=there,
        anywhere=there,
        left={**known.left, **dict.fromkeys(gone, now)},
        open={**known.open, **dict.fromkeys(gone, 0)},
    )


def _urls(service: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(s["url"] for s in service.get("loadBalancer", {}).get("servers", ()))
