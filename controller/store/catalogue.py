"""The mirror of the store in memory: rows by key, read into models, with their relations.

It is a cache and says so: a pass that finds something to do reads the row anew before it acts.
Readers may race: an entry is replaced only by one that is not older, and who found no row takes
away only what had not come in since he asked (``moment``). Relations are kept as an index in both
directions; waking is a lookup, never a scan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from resources.effective import effective, references
from resources.errors import UserError
from resources.meta import Entry, Key
from resources.registry import Kind, kinds


@dataclass(frozen=True, slots=True)
class Reading:
    """An entry understood. spec is the model of ``effective_generation``: the newest generation if
    it validates, else the last accepted one (None: there is none). rejection says why the
    newest does not validate. kind None: of a kind that this build does not know."""

    entry: Entry
    kind: Kind | None
    spec: Any
    effective_generation: int
    rejection: UserError | None
    refs: tuple[Key, ...]


def read(entry: Entry) -> Reading:
    """Pure: validates what the row says."""
    resource = entry.resource
    kind = kinds().get(resource.key.kind)
    found = effective(entry)
    refs: tuple[Key, ...] = ()
    if kind is not None:
        refs = references(kind, entry, found)
    return Reading(entry, kind, found.spec, found.generation, found.rejection, refs)


class Catalogue:
    def __init__(self) -> None:
        self._readings: dict[Key, Reading] = {}
        self._referrers: dict[Key, dict[Key, None]] = {}
        self._members: dict[str, dict[Key, None]] = {}
        self._by_uid: dict[str, Key] = {}
        self._confirmed: dict[Key, int] = {}
        self._moment = 0

    def __len__(self) -> int:
        return len(self._readings)

    def get(self, key: Key) -> Reading | None:
        return self._readings.get(key)

    def entry(self, key: Key) -> Entry | None:
        reading = self._readings.get(key)
        return reading.entry if reading else None

    def all_keys(self) -> list[Key]:
        return list(self._readings)

    def key_of(self, uid: str) -> Key | None:
        return self._by_uid.get(uid)

    def referrers(self, key: Key) -> tuple[Key, ...]:
        """Who refers to this key (whether or not it exists)."""
        return tuple(self._referrers.get(key, ()))

    def members(self, organization: str) -> int:
        """How many rows are in the organization."""
        return len(self._members.get(organization, ()))

    def undeleted(self, organization: str) -> int:
        """How many of them nobody asked to delete."""
        members = self._members.get(organization, ())
        return sum(not self._readings[key].entry.resource.deleting for key in members)

    def put(self, entry: Entry) -> bool:
        """False when it is what we had, or older."""
        key = entry.key
        self._moment += 1
        self._confirmed[key] = self._moment
        before = self._readings.get(key)
        if before is not None:
            if before.entry is entry or before.entry == entry or _older(entry, before.entry):
                return False
            if _same_declaration(before.entry, entry):
                self._readings[key] = Reading(
                    entry,
                    before.kind,
                    before.spec,
                    before.effective_generation,
                    before.rejection,
                    before.refs,
                )
                return True
        reading = read(entry)
        if before is not None:
            self._unlink(before)
        self._readings[key] = reading
        self._by_uid[entry.resource.uid] = key
        for ref in reading.refs:
            self._referrers.setdefault(ref, {})[key] = None
        if key.organization:
            self._members.setdefault(key.organization, {})[key] = None
        return True

    def moment(self) -> int:
        """To be taken before asking the store, and told with the answer."""
        return self._moment

    def drop(self, key: Key, asked: int) -> Reading | None:
        """There was no row when that was asked. Returns what was known of it, None also when it
        has come in since."""
        if self._confirmed.get(key, 0) > asked:
            return None
        reading = self._readings.pop(key, None)
        self._confirmed.pop(key, None)
        if reading is not None:
            self._unlink(reading)
            members = self._members.get(key.organization)
            if members is not None:
                members.pop(key, None)
                if not members:
                    del self._members[key.organization]
        return reading

    def finalized(self, uid: str) -> None:
        """That very resource is gone; its name may have a new one by now."""
        key = self._by_uid.get(uid)
        if key is not None:
            self.drop(key, self._moment)

    def replace(self, entries: Iterable[Entry], asked: int) -> tuple[list[Key], list[Reading]]:
        """Everything as it was when asked: the keys that changed, and the readings that went."""
        seen: set[Key] = set()
        changed: list[Key] = []
        for entry in entries:
            seen.add(entry.key)
            if self.put(entry):
                changed.append(entry.key)
        gone = [self.drop(key, asked) for key in self.all_keys() if key not in seen]
        return changed, [reading for reading in gone if reading is not None]

    def _unlink(self, reading: Reading) -> None:
        key = reading.entry.key
        if self._by_uid.get(reading.entry.resource.uid) == key:
            del self._by_uid[reading.entry.resource.uid]
        for ref in reading.refs:
            referrers = self._referrers.get(ref)
            if referrers is not None:
                referrers.pop(key, None)
                if not referrers:
                    del self._referrers[ref]


def _older(new: Entry, old: Entry) -> bool:
    a, b = new.resource, old.resource
    if a.uid != b.uid:
        return bool(a.created_at and b.created_at and a.created_at < b.created_at)
    if a.generation != b.generation:
        return a.generation < b.generation
    return bool(a.updated_at and b.updated_at and a.updated_at < b.updated_at)


def _same_declaration(old: Entry, new: Entry) -> bool:
    """Only status or record moved: the models stay as they are."""
    a, b = old.resource, new.resource
    return (
        a.uid == b.uid
        and a.generation == b.generation
        and a.labels == b.labels
        and a.annotations == b.annotations
        and old.record.accepted_generation == new.record.accepted_generation
    )
