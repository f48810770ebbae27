"""Who waits for a foreign object to get out of the way.

A conflict is retried with a growing pause; but the moment when the object goes is known, and then
there is nothing to wait for. Held in memory only: a lost note costs the pause.
"""

from __future__ import annotations

from resources.errors import UserError
from resources.meta import Key
from resources.world import World

TYPES = ("container", "network", "volume")
"""Of engine objects; also the detail in which a conflict names the one in the way."""


class Obstructions:
    """By the object in the way: its type and its name."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], set[Key]] = {}
        self._by_key: dict[Key, tuple[str, str]] = {}

    def note(self, key: Key, problem: UserError | None) -> None:
        """The outcome of a pass."""
        self._forget(key)
        if problem is None or problem.code != "RESOURCE_CONFLICT":
            return
        for type_ in TYPES:
            if type_ in problem.details:
                thing = (type_, str(problem.details[type_]))
                self._by_key[key] = thing
                self._waiting.setdefault(thing, set()).add(key)
                return

    def freed(self, world: World, type_: str, name: str) -> tuple[Key, ...]:
        """Who waited for this name, if nothing has it any more."""
        keys = self._waiting.get((type_, name))
        return () if not keys or _taken(world, type_, name) else tuple(keys)

    def _forget(self, key: Key) -> None:
        thing = self._by_key.pop(key, None)
        if thing is not None:
            keys = self._waiting[thing]
            keys.discard(key)
            if not keys:
                del self._waiting[thing]


def _taken(world: World, type_: str, name: str) -> bool:
    match type_:
        case "container":
            return world.container_named(name) is not None
        case "network":
            return bool(world.networks_named(name))
        case _:
            return name in world.volumes
