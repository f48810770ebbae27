"""Rows understood, by key, with their relations in both directions: waking is a lookup, never a
scan."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from resources.effective import effective, references
from resources.errors import UserError
from resources.groups import Groups
from resources.hostname_claims import held
from resources.meta import Entry, Key
from resources.quota import Admission
from resources.registry import Kind, kinds
from resources.rivalry import contested
from resources.share import in_force


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
    contested: frozenset[Hashable] = frozenset()


def read(entry: Entry) -> Reading:
    """Pure: validates what the row says."""
    resource = entry.resource
    kind = kinds().get(resource.key.kind)
    found = effective(entry)
    refs: tuple[Key, ...] = ()
    if kind is not None:
        refs = references(kind, entry, found)
    return Reading(
        entry, kind, found.spec, found.generation, found.rejection, refs, contested(entry)
    )


class Readings:
    def __init__(self) -> None:
        self._readings: dict[Key, Reading] = {}
        self._referrers: Groups[Key, Key] = Groups()
        self._contested: Groups[Hashable, Key] = Groups()
        self._members: Groups[str, Key] = Groups()

    def get(self, key: Key) -> Reading | None:
        return self._readings.get(key)

    def entry(self, key: Key) -> Entry | None:
        reading = self._readings.get(key)
        return reading.entry if reading else None

    def referrers(self, key: Key) -> tuple[Key, ...]:
        """Who refers to this key (whether or not it exists)."""
        return tuple(self._referrers.of(key))

    def rivals(self, reading: Reading) -> tuple[Entry, ...]:
        """Who else names what only one may have, and it names too."""
        if not reading.contested:
            return ()
        found = {key: None for what in reading.contested for key in self._contested.of(what)}
        found.pop(reading.entry.key, None)
        return tuple(self._readings[key].entry for key in found)

    def members(self, organization: str) -> int:
        """How many rows are in the organization."""
        return len(self._members.of(organization))

    def undeleted(self, organization: str) -> int:
        """How many of them nobody asked to delete."""
        return sum(not r.entry.resource.deleting for r in self._of(organization))

    def admissions(self, organization: str) -> tuple[tuple[str, Admission], ...]:
        """By uid, what its members hold of its quota and wait for."""
        entries = (reading.entry for reading in self._of(organization))
        return tuple((e.resource.uid, found) for e in entries if (found := in_force(e)) is not None)

    def held(self, organization: str) -> frozenset[str]:
        """Hostnames that it has proven."""
        return held(r.entry for r in self._of(organization) if r.entry.key.kind == "Domain")

    def _of(self, organization: str) -> list[Reading]:
        return [self._readings[key] for key in self._members.of(organization)]

    def _link(self, reading: Reading) -> None:
        key = reading.entry.key
        for ref in reading.refs:
            self._referrers.add(ref, key)
        for what in reading.contested:
            self._contested.add(what, key)
        if key.organization:
            self._members.add(key.organization, key)

    def _unlink(self, reading: Reading) -> None:
        """It is a member until it is dropped."""
        key = reading.entry.key
        for ref in reading.refs:
            self._referrers.discard(ref, key)
        for what in reading.contested:
            self._contested.discard(what, key)
