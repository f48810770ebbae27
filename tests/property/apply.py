"""A stage on which plans are carried out, step by step, without engine or store.

It refuses what a real engine would refuse (removing a network with containers on it, overlapping
subnets, removing a mounted volume), so that a plan in the wrong order fails here.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from resources.context import Context, Platform, Retained
from resources.effective import effective, references
from resources.errors import UserError
from resources.forecast import advance
from resources.hostname_claims import held
from resources.labels import L_UID
from resources.meta import FINALIZER, Entry, Key, Resource
from resources.observed import Network
from resources.plan import Plan
from resources.quota import Admission, Asking, Request, Terms, settle, total, union
from resources.registry import kinds
from resources.rivalry import rivals
from resources.service.cycle import circle
from resources.share import in_force
from resources.steps import (
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    RemoveNetwork,
    RemoveVolume,
    RenameContainer,
    Step,
)
from resources.store_steps import Claim, Finalize, RequestDeletion, RetainVolume, Settle
from resources.subnets import choose, overlaps
from resources.world import World

INSTANCE = "i-1"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Refused(AssertionError):
    """The engine would have refused this step."""


def uid_of(*parts: str) -> str:
    """Stable, so that golden texts are."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))


@dataclass
class Stage:
    """rows: the store. world: the engine. retained: volumes without a row."""

    platform: Platform = field(default_factory=lambda: Platform(INSTANCE))
    rows: dict[Key, Entry] = field(default_factory=dict)
    world: World = field(default_factory=World)
    retained: dict[str, Retained] = field(default_factory=dict)
    unreadable: dict[Key, dict[str, UserError]] = field(default_factory=dict)
    now: datetime = NOW
    host_routes: tuple[str, ...] = ()
    written: dict[str, datetime] = field(default_factory=dict)
    """By uid: when the newest generation was."""
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # -- what people do
    def declare(self, kind: str, organization: str, name: str, spec: Mapping[str, Any]) -> Key:
        """Inserts or updates; the generation rises when the spec differs."""
        key = Key(kind, organization, name)
        entry = self.rows.get(key)
        if entry is None:
            uid = uid_of(*key)
            self.rows[key] = Entry(Resource(key, uid, dict(spec), created_at=self.now))
        elif entry.resource.spec != spec:
            generation = entry.resource.generation + 1
            resource = replace(entry.resource, spec=dict(spec), generation=generation)
            self.rows[key] = replace(entry, resource=resource)
        else:
            return key
        tick = timedelta(microseconds=len(self.written) + 1)
        self.written[self.rows[key].resource.uid] = self.now + tick
        return key

    def delete(self, key: Key) -> None:
        entry = self.rows[key]
        if FINALIZER not in entry.resource.finalizers:
            del self.rows[key]
        elif not entry.resource.deleting:
            resource = replace(entry.resource, deletion_requested_at=self.now)
            self.rows[key] = replace(entry, resource=resource)

    # -- what the controller does
    def context(self, key: Key) -> Context:
        entry, kind = self.rows[key], kinds()[key.kind]
        found = effective(entry)
        refs = {ref: self.rows.get(ref) for ref in self._refs(entry)}
        for domain in self._referrers(key):
            secrets = (ref for ref in self._refs(domain) if ref.kind == "Secret")
            refs.update((ref, self.rows.get(ref)) for ref in secrets)
        scope = kind.scope(entry, found.spec, refs)
        members = [e.resource for k, e in self.rows.items() if k.organization == key.name]
        return Context(
            entry=entry,
            spec=found.spec,
            effective_generation=found.generation,
            refs=refs,
            world=World.of(self.world.slice(scope)),
            platform=self.platform,
            now=self.now,
            rejection=found.rejection,
            members=len(members) if kind.name == "Organization" else 0,
            undeleted=sum(not m.deleting for m in members),
            subnet_offer=self._offer(entry) if kind.name == "Organization" else None,
            retained=self.retained,
            unreadable=self.unreadable.get(key, {}),
            circle=circle(key, found.spec, self.rows.get),
            admissions=self.admissions(key.name) if kind.name == "Organization" else {},
            rivals=rivals(entry, self.rows.values()),
            referrers=self._referrers(key),
            held=held(e for k, e in self.rows.items() if k.organization == key.organization),
        )

    def _referrers(self, key: Key) -> tuple[Entry, ...]:
        if key.kind != "Service":
            return ()
        domains = (e for k, e in self.rows.items() if k.kind == "Domain")
        return tuple(entry for entry in domains if key in self._refs(entry))

    def _refs(self, entry: Entry) -> tuple[Key, ...]:
        return references(kinds()[entry.key.kind], entry, effective(entry))

    def admissions(self, organization: str) -> dict[str, Admission]:
        members = [e for k, e in self.rows.items() if k.organization == organization]
        return {e.resource.uid: found for e in members if (found := in_force(e)) is not None}

    def plan(self, key: Key) -> Plan:
        return kinds()[key.kind].plan(self.context(key))

    def status(self, key: Key, failure: UserError | None = None) -> dict[str, Any]:
        """Reports, as a pass does at its end: kept in the row, and returned."""
        context = self.context(key)
        kind = kinds()[key.kind]
        status = kind.status(context, kind.plan(context), failure)
        self.rows[key] = replace(
            self.rows[key], status=status, observed_generation=context.generation
        )
        return status

    def run(self, key: Key, steps: int | None = None) -> Plan:
        """Carries out one plan, or only its first steps (then the controller was killed)."""
        plan = self.plan(key)
        for step in plan.steps[:steps]:
            self.apply(key, step)
        return plan

    def settle(self, *keys: Key, rounds: int = 30) -> list[str]:
        """Every resource in turn until nobody has a step left; what was done, rendered."""
        done: list[str] = []
        for _ in range(rounds):
            before = len(done)
            for key in keys or tuple(self.rows):
                while key in self.rows and (plan := self.run(key)).steps:
                    done += [step.render() for step in plan.steps]
                    assert len(done) < 10_000, "it never ends:\n" + "\n".join(done[-20:])
                if key in self.rows:
                    self.status(key)
            if len(done) == before:
                return done
        raise AssertionError("it does not settle:\n" + "\n".join(done[-20:]))

    # -- what steps do
    def apply(self, key: Key, step: Step) -> None:
        self._check(step)
        match step:
            case CreateNetwork():
                self._network(step)
            case CreateVolume() if self.world.volume(step.name) is not None:
                pass
            case Finalize():
                del self.rows[key]
            case RetainVolume():
                self._retain(key, step)
            case RequestDeletion():
                for other in [k for k in self.rows if k.organization == step.organization]:
                    self.delete(other)
            case Claim():
                self._claim(key, step)
            case Settle():
                self._settle(step.terms)
            case _:
                self.rows[key] = advance(self.world, self.rows[key], [step], self.now)

    def _network(self, step: CreateNetwork) -> None:
        id_ = f"n{next(self._ids):04}"
        self.world.put_network(
            Network(id_, step.name, step.labels, (step.subnet,), step.internal, step.bridge)
        )

    def _claim(self, key: Key, step: Claim) -> None:
        entry = self.rows[key]
        request = Request(step.generation, step.claims, self.written[entry.resource.uid])
        before = entry.record.admission or Admission(0)
        admission = replace(before, waiting=request)
        self.rows[key] = replace(entry, record=replace(entry.record, admission=admission))
        self._settle(step.terms)

    def _settle(self, terms: Terms) -> None:
        """As the store decides."""
        rows = {e.resource.uid: e for k, e in self.rows.items() if k.organization}
        held = self.admissions(terms.organization)
        asking = [Asking(u, a.claims, a.waiting) for u, a in held.items() if a.waiting]
        used = total(a.claims for a in held.values())
        for uid, lacking in settle(terms.limits, used, asking).items():
            request = held[uid].waiting
            assert request is not None
            admission = replace(held[uid], waiting=replace(request, lacking=lacking))
            if not lacking:
                claims = union(held[uid].claims, request.claims)
                admission = Admission(request.generation, claims)
            entry = rows[uid]
            record = replace(entry.record, admission=admission)
            self.rows[entry.key] = replace(entry, record=record)

    def _retain(self, key: Key, step: RetainVolume) -> None:
        uid = self.rows.pop(key).resource.uid
        expires = None if step.seconds is None else self.now + timedelta(seconds=step.seconds)
        self.retained[uid] = Retained(
            uid, step.engine_name, key.organization, expires, step.label_uid
        )

    def _check(self, step: Step) -> None:
        match step:
            case CreateNetwork():
                subnets = [s for n in self.world.networks.values() for s in n.subnets]
                clash = [s for s in subnets if overlaps(s, step.subnet)]
                self._refuse(bool(clash), f"{step.subnet} overlaps {clash}")
                self._refuse(bool(self.world.networks_named(step.name)), f"{step.name} exists")
            case RemoveNetwork():
                self._refuse(step.id not in self.world.networks, f"no network {step.id}")
                self._refuse(bool(self.world.containers_on(step.id)), "has active endpoints")
            case DisconnectNetwork():
                on = [c.id for c in self.world.containers_on(step.network)]
                self._refuse(step.container not in on, f"{step.container} is not on it")
            case RemoveVolume():
                found = self.world.volume(step.name)
                self._refuse(found is None or found.labels.get(L_UID) != step.uid, "not that one")
                self._refuse(bool(self.world.containers_mounting(step.name)), "in use")
            case RenameContainer():
                named = self.world.container_named(step.name)
                self._refuse(named is not None, f"{step.name} exists")
            case CreateContainer():
                named = self.world.container_named(step.spec.name)
                self._refuse(named is not None, f"{step.spec.name} exists")

    def _refuse(self, condition: bool, reason: str) -> None:
        if condition:
            raise Refused(reason)

    def _offer(self, entry: Entry) -> str | None:
        networks = self.world.networks.values()
        taken = [*self.host_routes, *(s for n in networks for s in n.subnets)]
        taken += [e.record.subnet for e in self.rows.values() if e.record.subnet]
        reserved = entry.record.subnet
        others = [t for t in taken if t != reserved]
        if reserved is not None and not any(overlaps(t, reserved) for t in others):
            return None
        pool, prefix = self.platform.network_pool, self.platform.network_prefix
        return choose(pool, prefix, taken, entry.resource.uid)


def killed_anywhere(
    build: Callable[[], Stage], key: Key, finish: Callable[[Stage], Any]
) -> Iterable[Any]:
    """The outcomes of being killed after each step of the key's first plan; the last is that of
    an undisturbed run."""
    total = len(build().plan(key).steps)
    for steps in range(total + 1):
        stage = build()
        stage.run(key, steps)
        stage.settle()
        yield finish(stage)
