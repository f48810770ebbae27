"""What the index holds, object by object: a change is told, an answer that is older is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from controller.engine.agreement import Thing
from controller.engine.dirty import Ref
from resources.observed import Container, Network, Volume
from resources.world import World

OnChange = Callable[[Mapping[str, str] | None, str, str], None]
"""(labels before or after, name, type)"""


def ignore(*_: Any) -> None:
    return None


class Holdings:
    """on_change: called once ``world`` holds what it tells of, and never for what is equal."""

    def __init__(self, world: World, on_change: OnChange = ignore) -> None:
        self._world = world
        self._on_change = on_change
        self._asked_for: dict[int, set[Ref]] = {}

    @contextmanager
    def asking(self) -> Iterator[set[Ref]]:
        """Gathers of which objects something newer becomes known meanwhile."""
        newer: set[Ref] = set()
        self._asked_for[id(newer)] = newer
        try:
            yield newer
        finally:
            del self._asked_for[id(newer)]

    def outdate(self, ref: Ref) -> None:
        """What is being asked for just now may already be old, as far as this is concerned."""
        for newer in self._asked_for.values():
            newer.add(ref)

    def hold(self, ref: Ref, new: Thing | None) -> None:
        """Puts or drops, and tells when that made a difference."""
        self.outdate(ref)
        old = self._held(ref)
        if self._drop(ref) if new is None else self._put(new):
            self._tell(ref.type, old, new)

    def _held(self, ref: Ref) -> Thing | None:
        match ref.type:
            case "container":
                return self._world.containers.get(ref.id)
            case "network":
                return self._world.networks.get(ref.id)
            case _:
                return self._world.volumes.get(ref.id)

    def _drop(self, ref: Ref) -> bool:
        match ref.type:
            case "container":
                return self._world.drop_container(ref.id) is not None
            case "network":
                return self._world.drop_network(ref.id) is not None
            case _:
                return self._world.drop_volume(ref.id) is not None

    def _put(self, new: Thing) -> bool:
        match new:
            case Container():
                return self._world.put_container(new)
            case Network():
                return self._world.put_network(new)
            case Volume():
                return self._world.put_volume(new)

    def _tell(self, type_: str, old: Thing | None, new: Thing | None) -> None:
        if new is not None:
            self._on_change(new.labels, new.name, type_)
        if old is not None and (new is None or (new.labels, new.name) != (old.labels, old.name)):
            self._on_change(old.labels, old.name, type_)
        container = new or old
        if isinstance(container, Container) and (old is None or new is None):
            self._tell_volumes(container)

    def _tell_volumes(self, container: Container) -> None:
        """Who mounts a volume is part of what there is to know of it."""
        for mount in container.mounts:
            if (volume := self._world.volumes.get(mount.volume)) is not None:
                self._on_change(volume.labels, volume.name, "volume")
