"""Observe: gather the whole input of a plan, from the mirrors or authoritatively.

The mirrors (catalogue, engine index) cost nothing and may lag; they decide only that there is
nothing to do. Before anything is done, the row is read from the store and the resource's own
objects from the engine. What is another's to decide about (the organization's network, mounted
volumes) is asked of the engine only where the mirror lacks it; where the mirror is behind, the
engine refuses the step, or CheckVolumes does. What an organization that goes still holds is counted
by the store: a member that the mirror has not heard of yet would lose its network. A name is asked
about when the mirror says that it is taken; otherwise its creation is the question. Images are
known until something happens to any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from controller.clock import Clock
from controller.engine.base import Engine
from controller.reconcile.endings import Died, Endings
from controller.store.base import Store
from controller.store.catalogue import Catalogue
from controller.store.readings import Reading
from controller.together import together
from resources.context import Context, Platform, Retained
from resources.domain.container_labels import by_labels
from resources.errors import UserError
from resources.memo import Memo
from resources.meta import Entry, Key
from resources.observed import Probe
from resources.quota import Admission
from resources.routing.world import Requests
from resources.service.cycle import circle
from resources.subnets import choose, overlaps
from resources.world import Scope, World


@dataclass(frozen=True, slots=True)
class Observation:
    """identity: equal observations (but for time) have equal identities; compared cheaply since
    unchanged objects keep their identity. Of what was read it holds what the mirror had before:
    what came in meanwhile makes another identity, and is thought about."""

    reading: Reading
    context: Context
    scope: Scope
    identity: tuple[Any, ...]

    @property
    def mirrored(self) -> Any:
        """What the mirror had of the engine."""
        return self.identity[_MIRRORED]

    def differs_in_status_only(self, earlier: Observation) -> bool:
        """Is the world the same, and the row but for its status?"""
        (entry, *rest), (before, *others) = self.identity, earlier.identity
        return (
            entry.resource == before.resource and entry.record == before.record and rest == others
        )


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """What an observation is made of."""

    reading: Reading
    refs: Mapping[Key, Entry | None]
    scope: Scope
    identity: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the engine said just now, and of what. mirrored: what the mirror had before that."""

    scope: Scope
    world: World
    mirrored: Any


_MIRRORED = 2
"""Where in an identity."""


_Members = tuple[int, int | None, tuple[tuple[str, Admission], ...]]
_NONE: _Members = 0, None, ()


class Observer:
    """world: the live index. read: asks the engine. platform: asked at each pass (settings may
    change). ensure: makes the index know these image references. unreadable: what is wrong with the
    sealed values of a row. turn: may it roll out now? died: with which code a process ended
    then. tag_digest: the digest that a service's tag has at its registry. requests: to a service
    during its newest rollout."""

    def __init__(
        self,
        catalogue: Catalogue,
        world: Callable[[], World],
        engine: Engine,
        read: Callable[[Scope], Awaitable[World]],
        store: Store,
        platform: Callable[[], Platform],
        clock: Clock,
        ensure: Callable[[Iterable[str]], Awaitable[None]],
        unreadable: Callable[[Entry], Mapping[str, UserError]] = lambda _: {},
        turn: Callable[[Key], bool] = lambda _: True,
        died: Died = lambda _id, _at: None,
        tag_digest: Callable[[Key], str] = lambda _: "",
        requests: Callable[[Key], Requests | None] = lambda _: None,
    ) -> None:
        self._turn = turn
        self._requests = requests
        self._tag_digest = tag_digest
        self._catalogue = catalogue
        self._world = world
        self._engine = engine
        self._read_engine = read
        self._store = store
        self._platform = platform
        self._clock = clock
        self._ensure = ensure
        self._unreadable = unreadable
        self._endings = Endings(engine, died)
        self._scopes: Memo[Scope] = Memo()

    def identity(self, key: Key) -> tuple[Any, ...] | None:
        """Of what ``cached`` would give, at a fraction of its price."""
        glimpse = self._glimpse(key)
        return glimpse.identity if glimpse is not None else None

    def cached(self, key: Key) -> Observation | None:
        """None: there is no such row, or its kind is unknown to this build."""
        glimpse = self._glimpse(key)
        if glimpse is None:
            return None
        _, _, found, members, *_ = glimpse.identity
        return Observation(
            glimpse.reading,
            self._context(glimpse.reading, glimpse.refs, World.of(found), members),
            glimpse.scope,
            glimpse.identity,
        )

    def _glimpse(self, key: Key) -> _Glimpse | None:
        reading = self._catalogue.get(key)
        if reading is None or reading.kind is None:
            return None
        refs = self._refs(reading)
        inputs = (reading.entry, reading.spec, *refs.values())
        scope = self._scopes.get(key, inputs, partial(_scope, reading, refs))
        found = self._world().slice(scope)
        members = self._members(reading)
        others = (*refs.values(), *self._referrers(key))
        identity = (
            reading.entry,
            others,
            found,
            members,
            self._platform(),
            self._tag_digest(key),
            self._requests(key),
            self._held(key),
        )
        return _Glimpse(reading, refs, scope, identity)

    async def look(self, key: Key) -> Observation | None:
        """``cached``, with what few resources need from elsewhere before they can be planned."""
        observation = self.cached(key)
        if observation is not None and _images(observation.scope):
            await self._ensure(_images(observation.scope))
            observation = self.cached(key)
        return await self._offered(observation)

    async def authoritative(
        self,
        key: Key,
        known: Observation | None = None,
        row: Entry | None = None,
        *,
        whole: bool = False,
    ) -> Observation | None:
        """The row and its objects, read now. whole: also what is another's, like a volume, which
        is otherwise taken from the mirror. known: read a moment ago, and nothing was done to
        the engine since: its world will do, if the same is looked at. row: as the store gave it
        just now."""
        asked = self._catalogue.moment()
        seen = None
        if known is not None:
            seen = _Seen(known.scope, known.context.world, known.mirrored)
        if row is None:
            row, seen = await self._at_once(key, seen, whole)
        if row is None:
            self._catalogue.drop(key, asked)
            return None
        self._catalogue.put(row, asked)
        observation = self.cached(key)
        if observation is None:
            return None
        if seen is None or seen.scope != observation.scope:
            seen = await self._see(observation.scope, observation.mirrored, whole)
        self._add_watched(seen.world, observation.scope)
        context = await self._counted(replace(observation.context, world=seen.world))
        before, after = observation.identity[:_MIRRORED], observation.identity[_MIRRORED + 1 :]
        identity = (*before, seen.mirrored, *after)
        return await self._offered(replace(observation, context=context, identity=identity))

    async def _at_once(
        self, key: Key, seen: _Seen | None, whole: bool
    ) -> tuple[Entry | None, _Seen | None]:
        """Row and objects asked for side by side, these by what the mirror has of the row."""
        glimpse = self._glimpse(key)
        if seen is not None or glimpse is None:
            return await self._store.entry(key), seen
        entry = asyncio.ensure_future(self._store.entry(key))
        mirrored = glimpse.identity[_MIRRORED]
        found = asyncio.ensure_future(self._see(glimpse.scope, mirrored, whole))
        await together(entry, found)
        return entry.result(), found.result()

    async def _see(self, scope: Scope, mirrored: Any, whole: bool) -> _Seen:
        read = self._read_engine(scope) if whole else self._read(scope)
        return _Seen(scope, await read, mirrored)

    async def _read(self, scope: Scope) -> World:
        asked, trusted = _divided(scope, self._world())
        world = await self._read_engine(asked)
        await self._ensure(_images(scope))
        for item in self._world().slice(trusted):
            world.put(item)
        return world

    def _refs(self, reading: Reading) -> Mapping[Key, Entry | None]:
        refs = (*reading.refs, *self._carried(reading.entry.key))
        return {ref: self._catalogue.entry(ref) for ref in refs}

    def _carried(self, key: Key) -> Iterable[Key]:
        """The Secrets of a Service's Domains, where its containers carry these."""
        if key.kind != "Service" or not by_labels(self._platform().ingress):
            return ()
        domains = (self._catalogue.get(k) for k in self._catalogue.referrers(key))
        return [
            ref
            for domain in domains
            if domain is not None and domain.entry.key.kind == "Domain"
            for ref in domain.refs
            if ref.kind == "Secret"
        ]

    def _members(self, reading: Reading) -> _Members:
        """How many are in an organization, how many of them nobody asked to delete (counted only
        when it matters), and what they hold of its quota."""
        key = reading.entry.key
        if key.kind != "Organization":
            return _NONE
        undeleted = self._catalogue.undeleted(key.name) if reading.entry.resource.deleting else None
        members = self._catalogue.members(key.name)
        return members, undeleted, self._catalogue.admissions(key.name)

    def _referrers(self, key: Key) -> tuple[Entry, ...]:
        """The Domains that lead to a Service."""
        if key.kind != "Service":
            return ()
        names = (name for name in self._catalogue.referrers(key) if name.kind == "Domain")
        found = (self._catalogue.entry(name) for name in names)
        return tuple(entry for entry in found if entry is not None)

    async def _counted(self, context: Context) -> Context:
        """What a plan for an organization decides about others is counted by the store."""
        if context.key.kind != "Organization":
            return context
        if context.deleting:
            members, undeleted = await self._store.members(context.key.name)
            return replace(context, members=members, undeleted=undeleted)
        if any(admission.waiting for admission in context.admissions.values()):
            return replace(context, admissions=await self._store.admissions(context.key.name))
        return context

    def _add_watched(self, world: World, scope: Scope) -> None:
        """What the engine knows nothing of: probes, what the proxies serve, what DNS says. A world
        read earlier may still have what is gone by now."""
        live = self._world()
        for id_ in world.containers:
            probe: Probe | None = live.probes.get(id_)
            if probe is not None:
                world.probes[id_] = probe
        routes = scope.uids | scope.routes_of
        world.forget_routes(routes)
        for item in live.slice(Scope(routes_of=routes)):
            world.put(item)

    def _context(
        self,
        reading: Reading,
        refs: Mapping[Key, Entry | None],
        world: World,
        members: _Members,
    ) -> Context:
        return Context(
            entry=reading.entry,
            spec=reading.spec,
            effective_generation=reading.effective_generation,
            refs=refs,
            world=world,
            platform=self._platform(),
            now=self._clock.now(),
            rejection=reading.rejection,
            members=members[0],
            undeleted=members[1],
            unreadable=self._unreadable(reading.entry),
            circle=circle(reading.entry.key, reading.spec, self._catalogue.entry),
            turn=self._turn(reading.entry.key),
            admissions=dict(members[2]),
            referrers=self._referrers(reading.entry.key),
            tag_digest=self._tag_digest(reading.entry.key),
            rivals=self._catalogue.rivals(reading),
            requests=self._requests(reading.entry.key),
            held=self._held(reading.entry.key),
        )

    def _held(self, key: Key) -> frozenset[str]:
        return self._catalogue.held(key.organization) if key.kind == "Domain" else frozenset()

    async def _offered(self, observation: Observation | None) -> Observation | None:
        """What only a few passes need: a free subnet for an organization that has no network,
        the retained volumes for a Volume that has no data yet, how the processes of a Service
        ended."""
        if observation is None:
            return None
        context = observation.context
        if context.key.kind == "Organization":
            if not context.deleting and not context.world.networks_of(context.uid):
                context = replace(context, subnet_offer=await self._free_subnet(context))
        elif context.key.kind == "Volume" and not context.entry.record.volume_created:
            retained: Mapping[str, Retained] = {r.uid: r for r in await self._store.retained()}
            context = replace(context, retained=retained)
        elif context.key.kind == "Service":
            mine = context.world.containers_of(context.uid)
            await self._endings.learn(mine)
            context = replace(context, endings=self._endings.of(mine))
        return replace(observation, context=context)

    async def _free_subnet(self, context: Context) -> str | None:
        """None also when the reserved one is still free: then it is the one to take."""
        reserved = context.entry.record.subnet
        taken: set[str] = set(await self._engine.host_networks())
        for network in self._world().networks.values():
            taken.update(network.subnets)
        if reserved is not None and not any(overlaps(reserved, other) for other in taken):
            return None
        taken.update((await self._store.subnets()).values())
        platform = context.platform
        return choose(platform.network_pool, platform.network_prefix, taken, context.uid)


def _scope(reading: Reading, refs: Mapping[Key, Entry | None]) -> Scope:
    assert reading.kind is not None
    return reading.kind.scope(reading.entry, reading.spec, refs)


def _images(scope: Scope) -> list[str]:
    return sorted(scope.others.images) if scope.others is not None else []


def _divided(scope: Scope, live: World) -> tuple[Scope, Scope]:
    """What has to be asked of the engine, and what the mirror knows well enough."""
    others = scope.others
    if others is None:
        return scope, Scope()
    asked = Scope(
        networks_of=frozenset(uid for uid in others.networks_of if not live.networks_of(uid)),
        containers=frozenset(name for name in others.containers if _taken(name, scope, live)),
        volumes=frozenset(name for name in others.volumes if live.volume(name) is None),
    )
    return replace(scope, others=asked), Scope(
        networks_of=others.networks_of - asked.networks_of,
        volumes=others.volumes - asked.volumes,
        images=others.images,
    )


def _taken(name: str, scope: Scope, live: World) -> bool:
    """By somebody else; our own are listed anyway."""
    found = live.container_named(name)
    return found is not None and found.uid not in scope.containers_of
