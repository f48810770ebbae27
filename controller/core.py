"""What the HTTP side may ask of a running controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NamedTuple, Protocol

from controller.engine.base import Engine, EngineInfo, PullProgress
from controller.reconcile.lastwords import LastWords
from controller.sealing import Vault
from controller.settings import Settings
from controller.store.base import Store
from controller.traffic import Lately
from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.plan import Plan


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying one manifest would do. action: create | configure | unchanged | delete |
    refused (then error says why). accepted: False when the controller would not accept it (the
    plan's problem says why)."""

    key: Key
    action: str
    plan: Plan
    changes: tuple[str, ...] = ()
    error: UserError | None = None
    accepted: bool = True


class Planned(NamedTuple):
    """resumed: what it would do once nobody pauses it; None when nobody does."""

    key: Key
    plan: Plan
    resumed: Plan | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """role: leader | standby | starting. reasons: why not ready (empty when ready)."""

    role: str
    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons


class Preview(Protocol):
    async def plan(self, keys: Sequence[Key] | None = None) -> Sequence[Planned]:
        """What the next pass of each key would do (None: of all), read authoritatively."""
        ...

    async def diff(self, manifests: Sequence[Manifest], source: str) -> Sequence[Difference]:
        """What applying them would do, together, in dependency order; nothing is written."""
        ...


@dataclass
class Core:
    """configured: names of the settings that the CaasConfiguration says, flags and environment
    do not. docker: where the engine is, as DOCKER_* say it."""

    settings: Settings
    store: Store
    engine: Engine
    preview: Preview
    readiness: Callable[[], Readiness]
    engine_info: Callable[[], EngineInfo | None]
    pulls: Callable[[], AsyncIterator[PullProgress]]
    """Progress of image pulls from now on, until closed."""
    adopt_engine: Callable[[], object]
    """Awaitable: binds the store to the engine that answers now and resumes acting."""
    vault: Vault
    instance: str
    version: str
    last_words: LastWords
    """Of the containers that were removed."""
    ended_before: Callable[[str, datetime], datetime | None] = lambda _id, _at: None
    """When a container's process ended the last time before that moment, if it was heard of."""
    lately: Callable[[str], Lately | None] = lambda _uid: None
    """What was asked of a Domain in the last minutes, by its uid; None: nobody tells."""
    decided: Callable[[], None] = lambda: None
    """A person decided something (guard, adoption, purge): look again now, not at the next
    resync."""
    configured: frozenset[str] = frozenset()
    docker: Mapping[str, str] = field(default_factory=dict)

    def become(self, other: Core) -> None:
        """Whoever holds this one asks the other's controller from now on."""
        for item in fields(self):
            setattr(self, item.name, getattr(other, item.name))
