"""What would be done, without doing it: the same observe and plan, on forecasts.

``plan`` shows the next plan of each key as it stands. ``diff`` puts the manifests into a copy of
the catalogue and plays all concerned resources forward against a copy of the world, so that it
shows everything that applying leads to, in the order in which resources depend on each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.clock import Clock
from controller.core import Difference
from controller.reconcile.observe import Observer
from controller.store.catalogue import Catalogue, Reading
from resources.context import Context, Platform
from resources.errors import UserError
from resources.forecast import advance
from resources.meta import Entry, Key, Manifest, Resource
from resources.plan import Plan
from resources.registry import kinds
from resources.steps import Step
from resources.subnets import choose
from resources.validate import validate
from resources.world import World

TURNS = 40
"""Plans played forward per resource; more would be a planner that does not converge."""


class Previewer:
    def __init__(
        self,
        observer: Observer,
        catalogue: Catalogue,
        world: Callable[[], World],
        platform: Callable[[], Platform],
        clock: Clock,
    ) -> None:
        self._observer = observer
        self._catalogue = catalogue
        self._world = world
        self._platform = platform
        self._clock = clock

    async def plan(self, keys: Sequence[Key] | None = None) -> Sequence[tuple[Key, Plan]]:
        """Named keys are read authoritatively, all keys from the mirrors. Raises UserError
        RESOURCE_NOT_FOUND for a named key that does not exist."""
        found: list[tuple[Key, Plan]] = []
        for key in self._ordered(self._catalogue.all_keys()) if keys is None else keys:
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
            found.append((key, observation.reading.kind.plan(observation.context)))
        return found

    async def diff(self, manifests: Sequence[Manifest], source: str) -> Sequence[Difference]:
        """Nothing is written. Resources that refer to a changed one are shown when they would
        do something."""
        future = _Future(self._catalogue, self._world(), self._platform(), self._clock)
        given: dict[Key, Difference] = {}
        for manifest in manifests:
            given[manifest.key] = future.declare(manifest, source)
        changed = [d.key for d in given.values() if d.action in ("create", "configure")]
        concerned = dict.fromkeys([*given, *(r for k in changed for r in future.referrers(k))])
        plans = future.play(self._ordered(k for k in concerned if not _refused(given.get(k))))
        shown: list[Difference] = []
        for key in self._ordered(concerned):
            plan = plans.get(key, Plan())
            if key in given:
                shown.append(replace(given[key], plan=plan))
            elif plan.steps:
                shown.append(Difference(key, "unchanged", plan))
        return shown

    @staticmethod
    def _ordered(keys: Iterable[Key]) -> list[Key]:
        """Kinds in the order in which they depend on each other, then by name."""
        order = {name: number for number, name in enumerate(kinds())}
        return sorted(keys, key=lambda k: (order.get(k.kind, len(order)), k.organization, k.name))


def _refused(difference: Difference | None) -> bool:
    return difference is not None and difference.action == "refused"


class _Future:
    """Copies of catalogue and world, played forward."""

    def __init__(
        self, catalogue: Catalogue, world: World, platform: Platform, clock: Clock
    ) -> None:
        self._now = clock.now()
        self._platform = platform
        self._catalogue = Catalogue()
        for key in catalogue.all_keys():
            if (entry := catalogue.entry(key)) is not None:
                self._catalogue.put(entry)
        self._world = World.of(
            (
                *world.containers.values(),
                *world.networks.values(),
                *world.volumes.values(),
                *world.images.values(),
                *world.probes.items(),
            )
        )

    def referrers(self, key: Key) -> tuple[Key, ...]:
        return self._catalogue.referrers(key)

    def declare(self, manifest: Manifest, source: str) -> Difference:
        """Puts the manifest in, as the store would."""
        before = self._catalogue.entry(manifest.key)
        try:
            validate(manifest.key.kind, manifest.spec)
            _owned(before, source)
        except UserError as error:
            return Difference(manifest.key, "refused", Plan(problem=error), error=error)
        if before is None:
            resource = Resource(
                manifest.key,
                f"new:{manifest.key}",
                manifest.spec,
                1,
                manifest.labels,
                manifest.annotations,
                source,
            )
            self._catalogue.put(Entry(resource))
            return Difference(manifest.key, "create", Plan())
        old = before.resource
        changes = differences(old.spec, manifest.spec)
        annotations = {**old.annotations, **manifest.annotations}
        if not changes and annotations == old.annotations:
            return Difference(manifest.key, "unchanged", Plan())
        resource = replace(
            old,
            spec=manifest.spec,
            generation=old.generation + bool(changes),
            annotations=annotations,
            updated_at=self._now,
        )
        self._catalogue.put(replace(before, resource=resource))
        return Difference(manifest.key, "configure", Plan(), tuple(changes))

    def play(self, keys: Sequence[Key]) -> Mapping[Key, Plan]:
        """Round after round over all keys until none has a step left, nor news for another; time
        passes when that is all that they wait for."""
        steps: dict[Key, list[Step]] = {key: [] for key in keys}
        last: dict[Key, Plan] = {}
        for _ in range(TURNS):
            moved = False
            for key in keys:
                reading = self._catalogue.get(key)
                if reading is None or reading.kind is None:
                    continue
                context = self._context(reading)
                plan = reading.kind.plan(context)
                last[key] = plan
                moved = moved or bool(plan.steps)
                steps[key].extend(plan.steps)
                entry = advance(self._world, reading.entry, plan.steps, self._now)
                status = reading.kind.status(self._context(reading), plan, None)
                moved = moved or status != reading.entry.status
                self._catalogue.put(replace(entry, status=status))
            if not moved and not self._waits(last.values()):
                break
        return {key: replace(last[key], steps=tuple(steps[key])) for key in keys if key in last}

    def _waits(self, plans: Iterable[Plan]) -> bool:
        """Lets time pass until the first of them is to be looked at again."""
        due = [plan.wait.seconds for plan in plans if plan.wait and plan.wait.seconds]
        if due:
            self._now += timedelta(seconds=min(due))
        return bool(due)

    def _context(self, reading: Reading) -> Context:
        assert reading.kind is not None
        refs = {ref: self._catalogue.entry(ref) for ref in reading.refs}
        scope = reading.kind.scope(reading.entry, reading.spec, refs)
        key = reading.entry.key
        offer = None
        if key.kind == "Organization" and reading.entry.record.subnet is None:
            taken = {s for n in self._world.networks.values() for s in n.subnets}
            platform = self._platform
            offer = choose(
                platform.network_pool, platform.network_prefix, taken, reading.entry.resource.uid
            )
        return Context(
            entry=reading.entry,
            spec=reading.spec,
            effective_generation=reading.effective_generation,
            refs=refs,
            world=World.of(self._world.slice(scope)),
            platform=self._platform,
            now=self._now,
            rejection=reading.rejection,
            members=self._catalogue.members(key.name) if key.kind == "Organization" else 0,
            undeleted=self._catalogue.undeleted(key.name) if key.kind == "Organization" else None,
            subnet_offer=offer,
        )


def _owned(before: Entry | None, source: str) -> None:
    if before is None or before.resource.source == source:
        return
    key = before.key
    raise UserError(
        "RESOURCE_OWNED_ELSEWHERE",
        f"{key.short} belongs to source '{before.resource.source}', not to '{source}'",
        details={"source": before.resource.source, "claimant": source},
        suggestions=[f"skyctl adopt {key.short} --org {key.organization} --source {source}"],
    )


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
    return "(absent)" if value is None else json.dumps(value, sort_keys=True)
