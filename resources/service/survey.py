"""Everything that plan and status both look at, gathered once from the context."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from resources.conditions import timestamp
from resources.container_spec import ContainerSpec
from resources.context import Context
from resources.domain.container_labels import container_labels
from resources.errors import UserError
from resources.labels import L_REVISION
from resources.meta import ANNOTATION_PAUSED, heeded
from resources.observed import Container, Image, Network
from resources.service import container, impostor
from resources.service.declaration import ServiceDeclaration, declaration, refused
from resources.service.drift import Difference, differences, moved
from resources.service.endings import crash_looping
from resources.service.fleet import Fleet, sort
from resources.service.health import (
    UNKNOWN,
    Health,
    finished,
    health,
    missing_proof,
    serves,
)
from resources.service.quota import newly
from resources.service.references import network_of
from resources.service.setback import Setback, setback
from resources.service.spec import ServiceSpec
from resources.service.wanted import Role, Wanted, wanted
from resources.store_steps import Claim
from resources.world import World

NEW, OPEN, READY, FAILED = "new", "open", "ready", "failed"
RETURNING, RETURNED = "returning", "returned"


@dataclass(frozen=True)
class Survey:
    """A service whose declaration can run: what it wants, and what there is.

    rollout: NEW (none recorded for this generation and revision yet), OPEN, READY or FAILED; or
    RETURNING and RETURNED, when one failed and ``setback`` says what takes its place: then
    declaration, spec and wanted are of the generation that was Ready before.
    claim: to be recorded before anything else is done for it.
    """

    context: Context
    declaration: ServiceDeclaration
    spec: ServiceSpec
    wanted: Wanted
    fleet: Fleet
    network: Network | None
    rollout: str
    setback: Setback | None = None
    claim: Claim | None = None
    _differences: dict[int, tuple[Difference, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _health: dict[str, Health] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def generation(self) -> int:
        return self.declaration.generation

    @property
    def over(self) -> bool:
        """Nothing is being rolled out: what is missing or not as wanted was changed by others."""
        return self.rollout in (READY, RETURNED)

    @cached_property
    def stop_reason(self) -> str:
        """Why nothing runs, '' when it should."""
        if self.wanted.tenancy.suspended:
            return "the organization is suspended"
        return "state is stopped" if self.spec.state == "stopped" else ""

    @cached_property
    def image(self) -> Image | None:
        """What the engine has under the image's name, as far as the organization may know."""
        return self.context.image(self.spec.image)

    @cached_property
    def overtaken(self) -> str:
        """The digest that the image's registry has under its tag by now; '' while that is the one
        we have, or nobody knows. An image without any digest was never pulled; where the tag means
        nothing here (any more), what it means there is worth a pull."""
        newest = self.context.tag_digest
        if self.spec.image_pull_policy != "Always" or not self.over or not newest:
            return ""
        if self.image is None:
            return newest
        known = {digest.partition("@")[2] for digest in self.image.digests}
        return newest if known and newest not in known else ""

    def replica(self, ordinal: int) -> ContainerSpec:
        """What the replica of that ordinal should be."""
        return container.remembered(self.wanted, ordinal, self.site)

    def differences(self, ordinal: int) -> tuple[Difference, ...]:
        """Between the replica that there is and what it should be."""
        known = self._differences.get(ordinal)
        if known is None:
            found = self.fleet.current[ordinal]
            spec = self.replica(ordinal)
            known = (*differences(found, spec), *impostor.differences(found, spec, self.image))
            if self.spec.image_pull_policy == "Always" and found.image == self.spec.image:
                known = (*known, *moved(found, self.image))
            self._differences[ordinal] = known
        return known

    @cached_property
    def steady(self) -> bool:
        """The rollout is over and every replica is as it should be: nothing to do, nothing to
        wait for. Whatever a full deliberation could find must be asked here as well."""
        fleet = self.fleet
        return (
            self.rollout == READY
            and not self.stop_reason
            and self.declaration.problem is None
            and len(fleet.current) == self.spec.replicas
            and not (fleet.old or fleet.surplus or fleet.one_offs)
            and all(map(self._in_order, fleet.current.items()))
            and not self.restarted
            and not self.overtaken
        )

    def _in_order(self, replica: tuple[int, Container]) -> bool:
        ordinal, found = replica
        return self.serves(found) and self.proven(found) and not self.differences(ordinal)

    def one_off(self) -> ContainerSpec:
        return container.one_off(self.wanted, self.site)

    def health(self, found: Container) -> Health:
        known = self._health.get(found.id)
        if known is None:
            current = self.is_current(found)
            known = health(found, self.spec, self.context.world, current=current)
            self._health[found.id] = known
        return known

    def is_current(self, found: Container) -> bool:
        return found.labels.get(L_REVISION) in self.wanted.revision.known

    def serves(self, found: Container) -> bool:
        """Runs, is well, can be reached, and is not about to crash again."""
        if found.id in self.looping or not self.attached(found):
            return False
        return serves(found, self.health(found))

    def drains(self, found: Container) -> bool:
        """May it have requests under way? What nobody has looked at yet may well serve."""
        return self.serves(found) or (
            found.running and self.attached(found) and self.health(found).word == UNKNOWN
        )

    def attached(self, found: Container) -> bool:
        """Is it on the organization's network?"""
        network = self.network
        return network is not None and any(p.network_id == network.id for p in found.networks)

    @cached_property
    def restarted(self) -> tuple[Container, ...]:
        """Those that ran when the status was last written and run again, begun by somebody else:
        restarts by its policy the engine counts, and we write the status after our own."""
        shown = (self.context.entry.status or {}).get("containers", ())
        before = {e.get("id"): e.get("startedAt") for e in shown if e.get("state") == "running"}
        return tuple(
            found
            for found in self.fleet.current.values()
            if found.running
            and not found.restarts
            and found.started_at is not None
            and before.get(found.id) not in (None, timestamp(found.started_at))
        )

    @cached_property
    def looping(self) -> frozenset[str]:
        """Ids of the replicas that crash again and again: they serve nobody, running or not."""
        current = self.fleet.current.values()
        return frozenset(c.id for c in current if crash_looping(self.context, c))

    def unproven(self, found: Container) -> float | None:
        """Seconds until it counts as proven: 0 proven, None: only an event can tell."""
        return missing_proof(
            found,
            self.health(found),
            self.spec,
            self.context.now,
            rolling=not self.over,
            looping=found.id in self.looping,
        )

    def idle(self, old: Container) -> bool:
        """It did not run when this rollout began (the service was stopped, say): it has nothing to
        hand over, and is not to be started again."""
        if old.state in ("created", "dead"):
            return True
        record = self.context.entry.record.rollout
        if old.state != "exited":
            return False
        if self.rollout == NEW or record is None:
            return True
        return old.finished_at is not None and old.finished_at < record.started_at

    def proven(self, found: Container) -> bool:
        return self.unproven(found) == 0

    def finished(self, found: Container) -> bool:
        return finished(found, self.spec)

    @cached_property
    def site(self) -> container.Site:
        network = self.network.id if self.network is not None else ""
        return container.Site(network, self.context.platform.instance, self.generation)


def survey(context: Context) -> Survey | ServiceDeclaration:
    """The declaration alone when none can run. Plan and status of one pass ask about the very
    same context one after the other: the last answer is remembered."""
    known = _last[0]
    if known is None or known[0] is not context:
        known = _last[0] = (context, _survey(context))
    return known[1]


_last: list[tuple[Context, Survey | ServiceDeclaration] | None] = [None]


def _survey(context: Context) -> Survey | ServiceDeclaration:
    found = declaration(context)
    if found.spec is None:
        return found
    made = _made(context, found, found.spec)
    if found.problem is not None or context.entry.record.accepted_generation == found.generation:
        return made
    answer = newly(made)
    if isinstance(answer, UserError):
        found = refused(context, answer)
        return found if found.spec is None else _made(context, found, found.spec)
    return made if answer is None else replace(made, claim=answer)


def _made(context: Context, found: ServiceDeclaration, spec: ServiceSpec) -> Survey:
    role: Role = "earlier" if found.earlier else "newest"
    routes = container_labels(context, spec)
    want = wanted(context.entry, spec, context.refs, role=role, routes=routes)
    state = rollout_state(context, want, found.generation)
    back = setback(context, want) if state in (FAILED, RETURNED) else None
    if back is not None:
        want, state = back.wanted, RETURNING if state == FAILED else RETURNED
        found = replace(found, spec=back.spec, generation=back.generation)
    elif state == RETURNED:
        state = FAILED
    return Survey(
        context=context,
        declaration=found,
        spec=want.spec,
        wanted=want,
        fleet=sort(
            context.world.containers_of(context.uid),
            want,
            context.platform.instance,
            lambda container: _standing(container, want.spec, context.world),
        ),
        network=network_of(context),
        rollout=state,
        setback=back,
    )


def _standing(container: Container, spec: ServiceSpec, world: World) -> int:
    """Of a member of the wanted revision: 0 it serves, 1 nobody knows yet, 2 it does not."""
    condition = health(container, spec, world, current=True)
    if serves(container, condition):
        return 0
    return 1 if container.running and condition.word == UNKNOWN else 2


def rollout_state(context: Context, want: Wanted, generation: int) -> str:
    """A rollout belongs to a generation and a revision: a restart is one of its own, and one that
    was superseded (by stopping) begins anew."""
    rollout = context.entry.record.rollout
    if (
        rollout is None
        or rollout.generation != generation
        or rollout.revision not in want.revision.known
    ):
        return NEW
    return _STATES.get(rollout.outcome, NEW)


_STATES = {"": OPEN, "ready": READY, "failed": FAILED, "rolledBack": RETURNED}


def paused(context: Context) -> str | None:
    """The reason given, None when it is not paused."""
    return heeded(context.entry.resource.annotations, ANNOTATION_PAUSED)
