"""Who mounts a volume, in words."""

from __future__ import annotations

from resources.labels import L_KIND, L_NAME
from resources.observed import Container
from resources.world import World


def mounting(world: World, engine_name: str) -> list[Container]:
    """Running or not, whoever owns them: each of them keeps the volume from being removed."""
    return sorted(world.containers_mounting(engine_name), key=lambda c: (c.name, c.id))


def service_of(container: Container) -> str:
    """``Service/web``; ``container/NAME`` for somebody else's."""
    kind, name = container.labels.get(L_KIND), container.labels.get(L_NAME)
    return f"{kind}/{name}" if kind and name else f"container/{container.name}"
