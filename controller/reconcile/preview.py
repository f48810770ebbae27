"""What would be done, without doing it: the same observe and plan, on forecasts.

``plan`` shows the next plan of each key as it stands. ``diff`` puts the manifests into a copy of
the catalogue and plays all concerned resources forward against a copy of the world, so that it
shows everything that applying leads to, in the order in which resources depend on each other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.clock import Clock
from controller.core import Difference, Planned
from controller.reconcile.future import Future, Rows, scope_of
from controller.reconcile.observe import Observer
from controller.reconcile.undecided import veiled
from controller.store.catalogue import Catalogue
from controller.store.readings import Reading
from resources.conditions import ACCEPTED, find
from resources.context import Context, Platform
from resources.errors import UserError
from resources.meta import ANNOTATION_PAUSED, Entry, Key, Manifest, Resource, heeded
from resources.metadata import heeded_names, merged
from resources.ownership import owned_elsewhere
from resources.plan import Plan
from resources.registry import kinds
from resources.sealed import fingerprint, is_sealed
from resources.validate import validate
from resources.world import World

UNBORN = "xxxxxxxx"
"""What stands for the uid, whole in identities and short in names, of what is not made yet."""


class Previewer:
    """ensure: makes the world know these image references."""

    def __init__(
        self,
        observer: Observer,
        catalogue: Catalogue,
        world: Callable[[], World],
        platform: Callable[[], Platform],
        clock: Clock,
        ensure: Callable[[Iterable[str]], Awaitable[None]],
        unreadable: Callable[[Entry], Mapping[str, UserError]] = lambda _: {},
    ) -> None:
        self._observer = observer
        self._catalogue = catalogue
        self._world = world
        self._platform = platform
        self._clock = clock
        self._ensure = ensure
        self._unreadable = unreadable

    async def plan(self, keys: Sequence[Key] | None = None) -> Sequence[Planned]:
        """Named keys are read authoritatively, all keys from the mirrors. Raises UserError
        RESOURCE_NOT_FOUND for a named key that does not exist."""
        found: list[Planned] = []
        for key in self._ordered(self._catalogue.all_keys()) if keys is None else keys:
            await asyncio.sleep(0)
            observation = (
                self._observer.cached(key)
                if keys is None
                else await self._observer.authoritative(key)
            )
            if observation is None or observation.reading.kind is None:
                if keys is not None:
                    raise UserError(
                        "RESOURCE_NOT_FOUND",
                        f"there is no {key.short} in {key.organization or 'the platform'}",
                        suggestions=[f"skyctl get {key.kind} -A"],
                    )
                continue
            decide, context = observation.reading.kind.plan, observation.context
            found.append(Planned(key, decide(context), _resumed(decide, context)))
        return found

    async def diff(self, manifests: Sequence[Manifest], source: str) -> Sequence[Difference]:
        """Nothing is written. Resources that refer to a changed one are shown when they would
        do something. Raises UserError when the engine cannot be asked about images."""
        rows, now = Rows(self._catalogue), self._clock.now()
        given: dict[Key, Difference] = {}
        for manifest in manifests:
            await asyncio.sleep(0)
            given[manifest.key] = _declare(rows, manifest, source, now)
        changed = [d.key for d in given.values() if d.action in ("create", "configure")]
        concerned = dict.fromkeys([*given, *(r for k in changed for r in _touched(rows, k))])
        played = self._ordered(k for k in concerned if not _refused(given.get(k)))
        await self._ensure(sorted(_unread(rows, played)))
        future = Future(rows, self._world(), self._platform(), now, self._unreadable)
        plans = await future.play(played)
        shown: list[Difference] = []
        for key in self._ordered(concerned):
            known, reading = self._catalogue.entry(key), rows.get(key)
            plan = veiled(plans.get(key, Plan()), known, reading, changed)
            if key in given:
                accepted = key not in changed or _accepted(reading)
                shown.append(replace(given[key], plan=plan, accepted=accepted))
            elif plan.steps:
                shown.append(Difference(key, "unchanged", plan))
        return shown

    @staticmethod
    def _ordered(keys: Iterable[Key]) -> list[Key]:
        """Kinds in the order in which they depend on each other, then by name."""
        order = {name: number for number, name in enumerate(kinds())}
        return sorted(keys, key=lambda k: (order.get(k.kind, len(order)), k.organization, k.name))


def _resumed(decide: Callable[[Context], Plan], context: Context) -> Plan | None:
    """What it would be without its pause; None when it has none."""
    row = context.entry.resource
    if heeded(row.annotations, ANNOTATION_PAUSED) is None:
        return None
    annotations = {k: v for k, v in row.annotations.items() if k != ANNOTATION_PAUSED}
    entry = replace(context.entry, resource=replace(row, annotations=annotations))
    return decide(replace(context, entry=entry))


def _accepted(reading: Reading | None) -> bool:
    """As its status would say in the end."""
    status = reading.entry.status if reading is not None else None
    found = find(status or {}, ACCEPTED)
    return found is None or found.get("status") != "False"


def _refused(difference: Difference | None) -> bool:
    return difference is not None and difference.action == "refused"


def _touched(rows: Rows, key: Key) -> Iterator[Key]:
    """Who refers to it; and the Services of a Domain, whose containers may have to carry it."""
    for found in (key, *rows.referrers(key)):
        if found != key:
            yield found
        reading = rows.get(found) if found.kind == "Domain" else None
        refs = reading.refs if reading is not None else ()
        yield from (ref for ref in refs if ref.kind == "Service" and rows.get(ref) is not None)


def _unread(rows: Rows, keys: Iterable[Key]) -> set[str]:
    """The images that these want: nobody may have asked the engine about them so far."""
    found: set[str] = set()
    for key in keys:
        reading = rows.get(key)
        if reading is not None and reading.kind is not None:
            others = scope_of(rows, reading).others
            found.update(others.images if others is not None else ())
    return found


def _declare(rows: Rows, manifest: Manifest, source: str, now: datetime) -> Difference:
    """Puts the manifest in, as the store would."""
    before = rows.entry(manifest.key)
    try:
        validate(manifest.key.kind, manifest.spec)
        if before is not None and not _may_change(before.resource.source, source):
            raise owned_elsewhere(manifest.key, before.resource.source, source)
    except UserError as error:
        return Difference(manifest.key, "refused", Plan(problem=error), error=error)
    if before is None:
        rows.declare(Entry(_new(manifest, source)))
        return Difference(manifest.key, "create", Plan())
    old = before.resource
    annotations = merged(old.annotations, old.applied_annotations, manifest)
    spec_changes = differences(old.spec, manifest.spec)
    changes = (
        *spec_changes,
        *differences(old.labels, manifest.labels, "/metadata/labels"),
        *differences(old.annotations, annotations, "/metadata/annotations"),
    )
    if not changes:
        return Difference(manifest.key, "unchanged", Plan())
    resource = replace(
        old,
        spec=manifest.spec,
        generation=old.generation + bool(spec_changes),
        labels=manifest.labels,
        annotations=annotations,
        applied_annotations=heeded_names(manifest.annotations),
        updated_at=now,
    )
    rows.declare(replace(before, resource=resource))
    return Difference(manifest.key, "configure", Plan(), changes)


def _may_change(owner: str, source: str) -> bool:
    """A file's resource is changed by changing the file, and that is what a diff of files is asked
    about before they are saved."""
    return owner == source or owner.startswith("manifest:")


def _new(manifest: Manifest, source: str) -> Resource:
    key, spec = manifest.key, manifest.spec
    return Resource(key, f"{UNBORN}-{key}", spec, 1, manifest.labels, manifest.annotations, source)


def differences(old: Any, new: Any, path: str = "/spec") -> list[str]:
    """``/spec/image: "nginx:1.26" -> "nginx:1.27"`` for each leaf that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            line
            for name in sorted({*old, *new})
            for line in differences(old.get(name), new.get(name), f"{path}/{name}")
        ]
    return [] if old == new else [f"{path}: {_text(old)} -> {_text(new)}"]


def _text(value: Any) -> str:
    if value is None:
        return "(absent)"
    if is_sealed(value):
        return f"(sealed {fingerprint(value)})"
    return json.dumps(value, sort_keys=True)
