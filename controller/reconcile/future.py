"""Rows and world as they will be: copies, into which manifests are put and plans played.

Copies share what they are made of: readings and objects never change, so a fleet costs as many
references. Whoever plays lets others run after each plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.store.catalogue import Catalogue
from controller.store.readings import Reading, Readings, read
from resources.context import Context, Platform
from resources.domain.container_labels import by_labels
from resources.domain.standing import stand
from resources.errors import UserError
from resources.forecast import advance
from resources.image_access import EVERYBODY, Grant
from resources.meta import Entry, Key
from resources.plan import Plan, Wait
from resources.quota import Admission, Request, shortfalls, total
from resources.routing.container_routes import carriers, domains, services
from resources.routing.world import DnsFinding
from resources.service.cycle import circle
from resources.steps import PullImage, Step
from resources.store_steps import Claim
from resources.subnets import choose
from resources.world import Scope, World

TURNS = 40
"""Plans played forward per resource; more would be a planner that does not converge."""


class Rows(Readings):
    """All rows as they are now, and some as they will be. Who referred to something before counts
    as its referrer still."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        for key in catalogue.all_keys():
            if (reading := catalogue.get(key)) is not None:
                self._put(reading)

    def declare(self, entry: Entry) -> None:
        self._put(read(entry))

    def move(self, reading: Reading, entry: Entry) -> None:
        """The same declaration with another record or status."""
        before, after = reading.entry.record, entry.record
        if (before.accepted_generation, before.fallback) != (
            after.accepted_generation,
            after.fallback,
        ):
            self.declare(entry)
        else:
            self._readings[entry.key] = replace(reading, entry=entry)

    def _put(self, reading: Reading) -> None:
        self._readings[reading.entry.key] = reading
        self._link(reading)


class Future:
    """Plays forward, on a copy of the world."""

    def __init__(
        self,
        rows: Rows,
        world: World,
        platform: Platform,
        now: datetime,
        unreadable: Callable[[Entry], Mapping[str, UserError]],
    ) -> None:
        self._rows = rows
        self._unreadable = unreadable
        self._platform = platform
        self._now = now
        self._proofs: dict[Key, Wait] = {}
        self._world = World.of(
            (
                *world.containers.values(),
                *world.networks.values(),
                *world.volumes.values(),
                *world.images.values(),
                *world.probes.items(),
                *world.published.values(),
                *world.serving.values(),
                *world.labelled.values(),
                *(found for each in world.findings.values() for found in each.values()),
                *world.certificates.values(),
            )
        )

    async def play(self, keys: Sequence[Key]) -> Mapping[Key, Plan]:
        """Round after round over all keys until none has a step left, nor news for another; time
        passes when that is all that they wait for."""
        steps: dict[Key, list[Step]] = {key: [] for key in keys}
        last: dict[Key, Plan] = {}
        for _ in range(TURNS):
            moved = False
            for key in keys:
                await asyncio.sleep(0)
                reading = self._rows.get(key)
                if reading is None or reading.kind is None:
                    continue
                plan, news = self._turn(reading)
                last[key] = plan
                steps[key].extend(plan.steps)
                moved = moved or news or bool(plan.steps) or self._supposed(reading, plan)
            if not moved and not self._waits(last.values()):
                break
        waits = {key: self._proofs.get(key, plan.wait) for key, plan in last.items()}
        return {
            key: replace(last[key], steps=tuple(steps[key]), wait=waits[key])
            for key in keys
            if key in last
        }

    def _supposed(self, reading: Reading, plan: Plan) -> bool:
        """That a name will be proven: by labels that makes containers anew, which whoever asks
        wants to know. What is waited for stays said."""
        key, world = reading.entry.key, self._world
        if key.kind != "Domain" or key in self._proofs or plan.steps or plan.wait is None:
            return False
        standing = stand(self._context(reading))
        question = standing.question if standing.by_labels and standing.declared.spec else None
        if question is None or standing.verified:
            return False
        self._proofs[key] = plan.wait
        world.put(
            DnsFinding(
                question.uid, question.hostname, (question.token,), True, question.addresses, True
            )
        )
        return True

    def _turn(self, reading: Reading) -> tuple[Plan, bool]:
        """One plan carried out, and whether the status says anything new."""
        assert reading.kind is not None
        plan = reading.kind.plan(self._context(reading))
        self._pulled(reading.entry.key, plan)
        entry = self._claimed(advance(self._world, reading.entry, plan.steps, self._now), plan)
        self._read_labels()
        status = reading.kind.status(self._context(reading), plan, None)
        self._rows.move(reading, replace(entry, status=status))
        return plan, status != reading.entry.status

    def _read_labels(self) -> None:
        """What the containers carry, where that is how routes are published."""
        if not by_labels(self._platform.ingress):
            return
        world = self._world
        for made in carriers(world, self._platform.instance):
            if not made.running:
                continue
            places = (replace(p, address=p.address or made.name) for p in made.networks)
            world.put_container(replace(made, networks=tuple(places)))
        found = carriers(world, self._platform.instance)
        world.labelled = domains(found, lambda _: True)
        world.serving = services(found, lambda _: True, world.networks, world.serving, self._now)

    def _pulled(self, key: Key, plan: Plan) -> None:
        """What is pulled may be run from then on."""
        access = self._platform.access
        for step in plan.steps:
            image = self._world.image(step.reference) if isinstance(step, PullImage) else None
            if image is not None and isinstance(step, PullImage) and access.restricted(image):
                told = step.credentials
                grant = Grant(key.organization, told.secret) if told else EVERYBODY
                access = access.granted(image.id, grant)
                self._platform = replace(self._platform, access=access)

    def _claimed(self, entry: Entry, plan: Plan) -> Entry:
        """A claim is granted only if it fits what the others hold."""
        for step in plan.steps:
            if not isinstance(step, Claim):
                continue
            others = dict(self._rows.admissions(step.terms.organization))
            before = others.get(entry.resource.uid) or Admission(0)
            used = total(admission.claims for admission in others.values())
            lacking = shortfalls(step.terms.limits, used, before.claims, step.claims)
            if lacking:
                request = Request(step.generation, step.claims, self._now, lacking)
                waiting = replace(before, waiting=request)
                entry = replace(entry, record=replace(entry.record, admission=waiting))
        return entry

    def _waits(self, plans: Iterable[Plan]) -> bool:
        """Lets time pass until the first of them is to be looked at again."""
        due = [plan.wait.seconds for plan in plans if plan.wait and plan.wait.seconds]
        if due:
            self._now += timedelta(seconds=min(due))
        return bool(due)

    def _context(self, reading: Reading) -> Context:
        key = reading.entry.key
        members, undeleted = 0, None
        refs = {ref: self._rows.entry(ref) for ref in reading.refs}
        referrers = self._domains(key)
        for domain in referrers:
            secrets = (ref for ref in domain.refs if ref.kind == "Secret")
            refs.update((ref, self._rows.entry(ref)) for ref in secrets)
        if key.kind == "Organization":
            members, undeleted = self._rows.members(key.name), self._rows.undeleted(key.name)
        return Context(
            entry=reading.entry,
            spec=reading.spec,
            effective_generation=reading.effective_generation,
            refs=refs,
            world=World.of(self._world.slice(scope_of(self._rows, reading))),
            platform=self._platform,
            now=self._now,
            rejection=reading.rejection,
            members=members,
            undeleted=undeleted,
            circle=circle(key, reading.spec, self._rows.entry),
            subnet_offer=self._offer(reading.entry),
            unreadable=self._unreadable(reading.entry),
            admissions=dict(self._rows.admissions(key.name) if key.kind == "Organization" else ()),
            rivals=self._rows.rivals(reading),
            referrers=tuple(domain.entry for domain in referrers),
            held=self._rows.held(key.organization) if key.kind == "Domain" else frozenset(),
        )

    def _domains(self, key: Key) -> list[Reading]:
        """What a Service's containers carry; its backends follow what is served."""
        if key.kind != "Service" or not by_labels(self._platform.ingress):
            return []
        keys = (ref for ref in self._rows.referrers(key) if ref.kind == "Domain")
        found = (self._rows.get(ref) for ref in keys)
        return [reading for reading in found if reading is not None and key in reading.refs]

    def _offer(self, entry: Entry) -> str | None:
        if entry.key.kind != "Organization" or entry.record.subnet is not None:
            return None
        taken = {s for n in self._world.networks.values() for s in n.subnets}
        platform = self._platform
        return choose(platform.network_pool, platform.network_prefix, taken, entry.resource.uid)


def scope_of(rows: Rows, reading: Reading) -> Scope:
    """What of the world concerns it."""
    assert reading.kind is not None
    refs = {ref: rows.entry(ref) for ref in reading.refs}
    return reading.kind.scope(reading.entry, reading.spec, refs)
