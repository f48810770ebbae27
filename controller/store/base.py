"""Desired state and status behind one Protocol. PostgreSQL is the implementation.

Users and the panel write ``resources``; the controller alone writes everything else, and each
of its writes carries the leader's epoch: a write from an older epoch raises ``Deposed`` and
changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from resources.context import Retained
from resources.image_access import Announced, Grant, ImageAccess
from resources.meta import Entry, Key, Manifest
from resources.quota import Admission
from resources.sealed import Sealed, SealingKey
from resources.store_steps import StoreStep


class StoreUnavailable(Exception):
    """The store cannot be reached or did not answer in time. Nothing may be changed meanwhile."""


class Deposed(Exception):
    """Another controller leads: stop acting."""


@dataclass(frozen=True, slots=True)
class Applied:
    """action: created | configured | unchanged."""

    key: Key
    action: str
    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Event:
    """type: Normal | Warning. reason: CamelCase. Equal ones in a row are counted."""

    uid: str
    key: Key
    type: str
    reason: str
    message: str
    at: datetime | None = None
    count: int = 1
    first_at: datetime | None = None


def source_key(source: str) -> Key:
    """Whom an event is about that is no row's: where it comes from, ``source/manifest:shop``."""
    return Key("Source", "", source)


@dataclass(frozen=True, slots=True)
class Held:
    """A batch of inferred deletions that waits for a person (``skyctl guard``).

    source: ``manifest:NAME`` or ``engine`` (objects without a row). items: keys, or rendered
    steps for engine objects. state: held | approved | discarded. total: what the source had.
    """

    id: str
    source: str
    items: tuple[str, ...]
    total: int
    state: str
    at: datetime
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """outcome: of its last rollout, None when there was none. was_ready: it was, at some time."""

    generation: int
    spec: Mapping[str, Any]
    at: datetime
    by: str | None
    accepted: bool
    outcome: str | None = None
    was_ready: bool = False


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image on the engine, and under which reference."""

    reference: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the listener heard. key None: something was missed, read everything again."""

    key: Key | None
    reason: str = ""


Seal = Callable[[str, str, Sealed | None], str]
"""A Secret's key, the plain value that came for it, what is in force for it now -> sealed text."""


class Store(Protocol):
    """All methods raise StoreUnavailable; writers raise UserError for refusals."""

    # -- reading
    async def entries(self) -> Sequence[Entry]:
        """All rows, from one snapshot. Raises rather than answering partly."""
        ...

    async def entry(self, key: Key) -> Entry | None: ...
    async def entries_of(self, keys: Sequence[Key]) -> Sequence[Entry]:
        """Those rows that there are, in no order, each once. keys: distinct."""
        ...

    async def members(self, organization: str) -> tuple[int, int]:
        """How many rows are in the organization, and how many of them nobody asked to delete."""
        ...

    async def admissions(self, organization: str) -> Mapping[str, Admission]:
        """uid of each member that holds something or waits -> its row, without requests that are
        outdated (of an earlier generation, or of who is being deleted)."""
        ...

    async def retained(self) -> Sequence[Retained]: ...
    async def subnets(self) -> Mapping[str, str]:
        """uid of the organization -> reserved CIDR."""
        ...

    async def revisions(self, uid: str) -> Sequence[Revision]: ...
    async def events(
        self,
        *,
        uid: str | None = None,
        organization: str | None = None,
        since: datetime | None = None,
        limit: int = 500,
    ) -> Sequence[Event]: ...

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Entered: listening (read everything only then). The iterator raises
        StoreUnavailable when the connection is lost or its canary does not return."""
        ...

    # -- users' writes (CLI, HTTP, manifests)
    async def apply(
        self,
        manifest: Manifest,
        *,
        source: str,
        actor: str | None = None,
        dry_run: bool = False,
        owner: str | None = None,
        epoch: int | None = None,
    ) -> Applied:
        """epoch: the leader's, where only the leader may write so (manifests). Raises Deposed,
        UserError RESOURCE_OWNED_ELSEWHERE, RESOURCE_BEING_DELETED, ..."""
        ...

    async def delete(
        self,
        key: Key,
        *,
        source: str | None,
        actor: str | None = None,
        epoch: int | None = None,
    ) -> bool:
        """Requests deletion; False when there is no such row. source None: whoever owns it.
        epoch: as of ``apply``."""
        ...

    async def annotate(
        self, key: Key, changes: Mapping[str, str | None], *, actor: str | None = None
    ) -> None: ...

    async def adopt(self, key: Key, *, source: str, actor: str | None = None) -> None: ...

    # -- the controller's writes
    async def record(self, uid: str, steps: Sequence[StoreStep], *, epoch: int) -> Entry | None:
        """All steps in one transaction. The row as it is after them, None when it is gone."""
        ...

    async def seal_inbox(self, uid: str, seal: Seal, *, epoch: int) -> Entry | None:
        """What waits in the inbox for a Secret is sealed, written to its spec and taken out of the
        inbox, in one transaction. The row as it is then, None when it is gone. Raises UserError
        SECRET_VALUE_GONE when a ticket means nothing (any more)."""
        ...

    async def write_status(
        self, uid: str, observed_generation: int, status: Mapping[str, Any], *, epoch: int
    ) -> bool:
        """False when equal to what is there (nothing written, nobody notified)."""
        ...

    async def emit(self, events: Sequence[Event], *, epoch: int) -> None: ...

    async def claim_expired(self, uid: str, *, epoch: int) -> bool:
        """May this retained volume's data go? From then on nobody can adopt it. False when its
        window has not ended by the store's clock, or it is not retained (any more)."""
        ...

    async def release_retained(self, uid: str, *, epoch: int) -> None:
        """The retained volume's data is gone from the engine: forget it."""
        ...

    async def expire_retained(self, uid: str, *, actor: str | None = None) -> None:
        """``skyctl purge``: its window ends now."""
        ...

    async def housekeeping(self, *, epoch: int) -> None:
        """Event retention, revision trimming (never those that are still needed)."""
        ...

    # -- images
    async def pulled(self) -> Sequence[Pulled]:
        """By us, the oldest first."""
        ...

    async def record_pulled(self, pulled: Pulled, *, epoch: int) -> None: ...
    async def forget_pulled(self, pulled: Pulled, *, epoch: int) -> None: ...
    async def needed_images(self, generations: int) -> frozenset[str]:
        """References in the last so many generations of every service, in its newest accepted one
        and in the newest that was Ready."""
        ...

    async def image_allowed(self, pulled: Pulled, policy: str) -> bool:
        """Has that policy allowed it?"""
        ...

    async def allow_image(self, pulled: Pulled, policy: str, *, epoch: int) -> None: ...

    async def image_access(self) -> ImageAccess:
        """Whose images are, as far as they were pulled with credentials."""
        ...

    async def announce_pull(self, pull: Announced, *, epoch: int) -> None:
        """An announcement that is there already stays as it is."""
        ...

    async def grant_image(
        self, image_id: str, grant: Grant, *, over: Announced | None = None, epoch: int
    ) -> None:
        """over: the announcement that goes with it, in the same transaction."""
        ...

    async def withdraw_pull(self, pull: Announced, *, epoch: int) -> None: ...
    async def forget_image(self, image_id: str, *, epoch: int) -> None:
        """The image has gone: nothing is remembered of whose it was."""
        ...

    # -- the guard
    async def held(self) -> Sequence[Held]: ...
    async def hold(
        self, source: str, items: Sequence[str], total: int, fingerprint: str, *, epoch: int
    ) -> Held:
        """The same source and fingerprint gives the row that is there, in whatever state."""
        ...

    async def decide(self, id_: str, state: str, *, actor: str | None = None) -> Held: ...
    async def drop_held(self, source: str, *, keep: str | None, epoch: int) -> None:
        """The source's batches are moot (what was missing is back), but for that fingerprint."""
        ...

    # -- identity and leadership
    async def instance(self) -> str: ...
    async def engine_id(self) -> str | None: ...
    async def bind_engine(self, engine_id: str, *, adopt: bool = False) -> str:
        """Only if there is none yet, or to adopt another one. Which one it is now."""
        ...

    async def sealing_key(self) -> SealingKey | None:
        """The one that values are sealed for, None when there is none yet."""
        ...

    async def anything_sealed(self) -> bool:
        """Is any value sealed in this store, or waiting to be?"""
        ...

    async def bind_sealing_key(self, key: SealingKey, *, adopt: bool = False) -> SealingKey:
        """Only if there is none yet, nothing is sealed yet, or to adopt another one. Which one it
        is now."""
        ...

    async def heartbeat(
        self,
        *,
        process: str,
        version: str,
        leader: bool,
        epoch: int,
        engine_state: str,
        engine_version: str,
    ) -> None: ...

    async def epoch(self) -> int:
        """The newest leader's epoch, read now."""
        ...

    def leadership(self, process: str) -> Lease: ...

    async def close(self) -> None: ...


class Lease(Protocol):
    """A claim to be the one acting controller. One per process."""

    async def acquire(self) -> int:
        """Waits until we lead; returns our epoch. Cancel to give up."""
        ...

    async def hold(self) -> None:
        """Returns (or raises) as soon as we may no longer be the leader."""
        ...

    def fresh(self) -> bool:
        """May we act at this very moment? Needs no I/O: false as soon as the last proof is too
        old, also in a process that just woke from being frozen, before ``hold`` has returned."""
        ...

    async def release(self) -> None: ...
