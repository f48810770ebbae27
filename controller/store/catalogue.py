"""The mirror of the store in memory: rows by key, read into models, with their relations.

It is a cache and says so: a pass that finds something to do reads the row anew before it acts.
Readers may race, so each answer comes with the ``moment`` before its question. What a row declares
says itself which of two is newer; its status, its record and that it is there at all do not: there
who asked last is right, and who asked before that is not heard any more. Should he have been right
after all, because he was answered later, then what he saw is announced, and asked about again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.store.readings import Reading, Readings, read
from resources.groups import Groups
from resources.meta import Entry, Key

GONE_KEPT = 10_000  # keys of which it is remembered when they were found missing


class Catalogue(Readings):
    def __init__(self) -> None:
        super().__init__()
        self._by_uid: dict[str, Key] = {}
        self._by_image: Groups[str, Key] = Groups()
        self._by_hostname: Groups[str, Key] = Groups()
        self.hostname_changes = 0
        """Grows whenever a Domain came, went or was declared otherwise."""
        self._held: dict[str, frozenset[str]] = {}
        self._asked: dict[Key, int] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self._moment = 0

    def __len__(self) -> int:
        return len(self._readings)

    def all_keys(self) -> list[Key]:
        return list(self._readings)

    def any_of(self, kind: str) -> bool:
        """Is there a resource of that kind?"""
        return any(key.kind == kind for key in self._readings)

    def key_of(self, uid: str) -> Key | None:
        return self._by_uid.get(uid)

    def using(self, image: str) -> tuple[Key, ...]:
        """Whose spec names this image, in these words."""
        return tuple(self._by_image.of(image))

    def standing_for(self, hostname: str) -> tuple[Key, ...]:
        """Whose spec names this hostname."""
        return tuple(self._by_hostname.of(hostname))

    def held(self, organization: str) -> frozenset[str]:
        """The same object as long as no Domain of it changed."""
        if organization not in self._held:
            self._held[organization] = super().held(organization)
        return self._held[organization]

    def certifying(self, organization: str) -> list[Key]:
        """Its Domains that bring a certificate of their own."""
        domains = (r for r in self._of(organization) if r.entry.key.kind == "Domain")
        return [reading.entry.key for reading in domains if _certifies(reading.spec)]

    def put(self, entry: Entry, asked: int | None = None) -> bool:
        """asked: the ``moment`` before the question; None: we know that it is so now. False when
        it is what we had, or not newer."""
        key = entry.key
        asked = self.moment() if asked is None else asked
        before = self._readings.get(key)
        if before is None and asked < self._gone.get(key, 0):
            return False
        if before is not None and self._outdated(entry, before.entry, asked):
            return False
        self._asked[key] = max(asked, self._asked.get(key, 0))
        if before is not None and (before.entry is entry or before.entry == entry):
            return False
        if before is None or before.entry.record.hostnames != entry.record.hostnames:
            self._held.pop(key.organization, None)
        if before is not None and _same_declaration(before.entry, entry):
            self._readings[key] = replace(before, entry=entry)
            return True
        reading = read(entry)
        if before is not None:
            self._unlink(before)
        self._readings[key] = reading
        self._gone.pop(key, None)
        self._link(reading)
        return True

    def moment(self) -> int:
        """To be taken before asking the store, and told with the answer. No two are equal."""
        self._moment += 1
        return self._moment

    def _outdated(self, new: Entry, known: Entry, asked: int) -> bool:
        order = _order(new, known)
        return order < 0 or (order == 0 and asked < self._asked[known.key])

    def drop(self, key: Key, asked: int) -> Reading | None:
        """There was no row when that was asked. Returns what was known of it, None also when
        somebody who asked later found one."""
        if self._asked.get(key, 0) > asked:
            return None
        reading = self._readings.pop(key, None)
        self._asked.pop(key, None)
        self._gone[key] = max(asked, self._gone.pop(key, 0))
        if len(self._gone) > GONE_KEPT:
            self._gone.popitem(last=False)
        if reading is not None:
            self._unlink(reading)
            self._held.pop(key.organization, None)
            self._members.discard(key.organization, key)
        return reading

    def finalized(self, uid: str) -> None:
        """That very resource is gone; its name may have a new one by now."""
        key = self._by_uid.get(uid)
        if key is not None:
            self.drop(key, self.moment())

    def replace(self, entries: Iterable[Entry], asked: int) -> tuple[list[Key], list[Reading]]:
        """Everything as it was when asked: the keys that changed, and the readings that went."""
        seen: set[Key] = set()
        changed: list[Key] = []
        for entry in entries:
            seen.add(entry.key)
            if self.put(entry, asked):
                changed.append(entry.key)
        return changed, self.keep(seen, asked)

    def keep(self, keys: Set[Key], asked: int) -> list[Reading]:
        """These were all when asked: the readings that went."""
        gone = [self.drop(key, asked) for key in self.all_keys() if key not in keys]
        return [reading for reading in gone if reading is not None]

    def _link(self, reading: Reading) -> None:
        super()._link(reading)
        key = reading.entry.key
        self._by_uid[reading.entry.resource.uid] = key
        if image := getattr(reading.spec, "image", ""):
            self._by_image.add(image, key)
        if key.kind == "Domain":
            self.hostname_changes += 1
            self._by_hostname.add(_hostname(reading), key)

    def _unlink(self, reading: Reading) -> None:
        super()._unlink(reading)
        key = reading.entry.key
        if self._by_uid.get(reading.entry.resource.uid) == key:
            del self._by_uid[reading.entry.resource.uid]
        self._by_image.discard(getattr(reading.spec, "image", ""), key)
        if key.kind == "Domain":
            self.hostname_changes += 1
            self._by_hostname.discard(_hostname(reading), key)


def _hostname(reading: Reading) -> str:
    """'' while its declaration cannot be read."""
    return getattr(reading.spec, "hostname", "")


def _certifies(spec: Any) -> bool:
    return spec is not None and spec.tls.secret is not None


def _order(new: Entry, old: Entry) -> int:
    """Of what they declare: negative when new is the older one, 0 when that does not tell."""
    a, b = new.resource, old.resource
    if a.uid != b.uid:
        return _later(a.created_at, b.created_at)
    return a.generation - b.generation or _later(a.updated_at, b.updated_at)


def _later(a: datetime | None, b: datetime | None) -> int:
    return 0 if a is None or b is None else (a > b) - (a < b)


def _same_declaration(old: Entry, new: Entry) -> bool:
    """Only status or record moved: the models stay as they are."""
    a, b = old.resource, new.resource
    return (
        a.uid == b.uid
        and a.generation == b.generation
        and a.labels == b.labels
        and a.annotations == b.annotations
        and old.record.accepted_generation == new.record.accepted_generation
        and old.record.fallback == new.record.fallback
    )
