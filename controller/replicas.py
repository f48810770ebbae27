"""Which replicas there are and how often each was started again: kept current by what the engine's
index tells, and shown among the metrics.

Theory: the engine counts restarts for each container, from its making to its removal, and begins
anew when somebody starts it by hand. What is shown belongs to the ordinal: it goes on when the
container is replaced. Only what changed is looked at, whatever the number of containers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from controller.consumption import Consumption, ContainerCollector, Row, Shown
from resources.labels import L_KIND, L_ROLE, L_UID, is_ours
from resources.meta import Key
from resources.observed import Container
from resources.service.fleet import ordinal_of
from resources.world import World


class Seen(NamedTuple):
    """counted: the engine has counted a start already that is still to come."""

    restarts: int
    started: datetime | None
    counted: bool

    @classmethod
    def of(cls, container: Container) -> Seen:
        return cls(container.restarts, container.started_at, container.state == "restarting")


@dataclass(slots=True)
class Replica:
    """container: the one that is shown; None: none is there."""

    uid: str
    ordinal: int
    row: Row
    restarts: int = 0
    container: Container | None = None
    consumption: Consumption | None = None
    known: dict[str, Seen] = field(default_factory=dict)
    """Its containers, as they were looked at last."""

    def note(self, containers: Iterable[Container]) -> None:
        """All that are there now, inspected."""
        now = {c.id: Seen.of(c) for c in containers}
        self.restarts += sum(again(self.known.get(id_), one) for id_, one in now.items())
        self.known = now


def again(before: Seen | None, now: Seen) -> int:
    """How often it was started again since it was last seen: the engine's count, which begins anew
    when somebody starts it by hand."""
    if before is None:
        return now.restarts
    if now.restarts > before.restarts:
        return now.restarts - before.restarts
    if before.started is None or now.started is None or now.started <= before.started:
        return 0
    anew = now.restarts if now.restarts < before.restarts else 0
    return anew if before.counted else anew + 1


class Replicas:
    """world: the live one. key_of: whose uid it is. oom_kills: heard of, by uid and
    ordinal."""

    def __init__(
        self,
        world: Callable[[], World],
        key_of: Callable[[str], Key | None],
        instance: str,
        oom_kills: Callable[[str, int], int],
        shown: ContainerCollector,
    ) -> None:
        self._world = world
        self._key_of = key_of
        self._instance = instance
        self._oom_kills = oom_kills
        self._shown = shown
        self._replicas: dict[str, dict[int, Replica]] = {}
        self._running: dict[str, tuple[str, int]] = {}
        self._on = False

    # -- lifetime
    def begin(self) -> None:
        """From now on, starting from all that there is."""
        self._on = True
        for uid in {c.uid for c in self._world().containers.values() if self._counts(c.labels)}:
            self._look(uid)

    def end(self) -> None:
        self._on = False
        self._replicas.clear()
        self._running.clear()
        self._shown.clear()

    def prune(self) -> None:
        """Forgets those whose Service is gone."""
        for uid in [uid for uid in self._replicas if self._key_of(uid) is None]:
            for replica in self._replicas.pop(uid).values():
                self._stand(replica, None)

    # -- what was heard
    def changed(self, labels: Mapping[str, str] | None, _name: str, type_: str) -> None:
        """As the index tells."""
        if self._on and type_ == "container" and labels and self._counts(labels):
            self._look(labels.get(L_UID, ""))

    def _counts(self, labels: Mapping[str, str]) -> bool:
        return (
            is_ours(labels, self._instance)
            and labels.get(L_KIND) == "Service"
            and L_ROLE not in labels
        )

    def _look(self, uid: str) -> None:
        key = self._key_of(uid)
        if key is None or key.kind != "Service":
            return
        there: dict[int, list[Container]] = {}
        for container in self._world().containers_of(uid):
            ordinal = ordinal_of(container)
            if self._counts(container.labels) and container.inspected and ordinal is not None:
                there.setdefault(ordinal, []).append(container)
        replicas = self._replicas.setdefault(uid, {})
        for ordinal in replicas.keys() | there.keys():
            row = Row(key.organization, key.name, str(ordinal))
            replica = replicas.setdefault(ordinal, Replica(uid, ordinal, row))
            replica.note(there.get(ordinal, ()))
            self._stand(replica, min(there.get(ordinal, ()), key=_worth, default=None))

    def _stand(self, replica: Replica, container: Container | None) -> None:
        """It is this container that is shown."""
        before, replica.container = replica.container, container
        if before is not None:
            self._running.pop(before.id, None)
        if _process(container) is None or _process(container) != _process(before):
            replica.consumption = None
        if container is not None and container.running:
            self._running[container.id] = (replica.uid, replica.ordinal)
        self._show(replica)

    def _show(self, replica: Replica) -> None:
        if replica.container is None:
            self._shown.hide(replica.row)
            return
        kills = self._oom_kills(replica.uid, replica.ordinal)
        self._shown.show(replica.row, Shown(replica.restarts, kills, replica.consumption))

    # -- what is read of them
    @property
    def running(self) -> Mapping[str, object]:
        """By the container's id."""
        return self._running

    def container(self, id_: str) -> Container | None:
        """That is shown, and runs."""
        replica = self._at(id_)
        return replica.container if replica is not None else None

    def consumed(self, id_: str, consumption: Consumption) -> None:
        if (replica := self._at(id_)) is not None:
            replica.consumption = consumption
            self._show(replica)

    def _at(self, id_: str) -> Replica | None:
        if (place := self._running.get(id_)) is None:
            return None
        uid, ordinal = place
        return self._replicas[uid][ordinal]


def _process(container: Container | None) -> tuple[str, int] | None:
    """None: nothing runs."""
    if container is None or not container.running:
        return None
    return container.id, container.pid


def _worth(container: Container) -> tuple[bool, float, str]:
    """The one that is shown comes first: it runs, and is the newest."""
    created = container.created_at.timestamp() if container.created_at else 0.0
    return (not container.running, -created, container.id)
