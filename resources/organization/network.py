"""An organization's network on the engine: exactly one, of the wanted subnet.

Networks are told apart by labels and addressed by id: names need not be unique on a Docker engine.
Labels and subnets of a network never change, so one that is not as wanted is replaced: our
containers are taken off it, it is removed, a new one is made, and each service connects its
containers again by itself. A container of somebody else on it is not ours to move: then nothing
is done, and the problem says who is in the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from resources.context import Context
from resources.effective import effective
from resources.errors import UserError
from resources.labels import (
    L_CONTROLLER,
    L_GENERATION,
    L_KIND,
    L_NAME,
    L_ORGANIZATION,
    L_UID,
    is_ours,
)
from resources.meta import Entry
from resources.naming import bridge_name, network_name
from resources.observed import Container, Network
from resources.organization.spec import OrganizationSpec
from resources.plan import Drift, Plan, Wait
from resources.steps import CreateNetwork, DisconnectNetwork, EngineStep, RemoveNetwork, Step
from resources.world import World

FIELD = "network"
"""As ``drift_total{field}`` counts it."""


@dataclass(frozen=True, slots=True)
class WantedNetwork:
    name: str
    subnet: str
    internal: bool
    bridge: str

    def matches(self, network: Network) -> bool:
        """The bridge's name is what the host's firewall goes by; not every engine shows one."""
        return (
            network.subnets == (self.subnet,)
            and network.internal == self.internal
            and network.bridge in ("", self.bridge)
        )


def organization_network(entry: Entry, world: World, instance: str) -> Network | None:
    """The organization's network, when it is there as wanted; the one that everybody chooses.

    entry: of the Organization. world: showing the objects of its uid.
    """
    spec = effective(entry).spec
    subnet = spec and (spec.network.subnet or entry.record.subnet)
    if not subnet:
        return None
    return chosen(networks_of(world, entry.resource.uid, instance), wanted(entry, spec, subnet))


def wanted(entry: Entry, spec: OrganizationSpec, subnet: str) -> WantedNetwork:
    resource = entry.resource
    return WantedNetwork(
        network_name(resource.key.name, resource.uid),
        subnet,
        spec.network.internal,
        bridge_name(resource.uid),
    )


def networks_of(world: World, uid: str, instance: str) -> list[Network]:
    """Those carrying our mark and that uid, in a stable order."""
    return sorted(
        (n for n in world.networks_of(uid) if is_ours(n.labels, instance)),
        key=lambda n: n.id,
    )


def chosen(networks: Iterable[Network], want: WantedNetwork) -> Network | None:
    return next((network for network in networks if want.matches(network)), None)


def network_plan(context: Context, want: WantedNetwork) -> Plan:
    """Steps to exactly one network, as wanted."""
    mine = networks_of(context.world, context.uid, context.platform.instance)
    keep = chosen(mine, want)
    if keep is None:
        return _make(context, want, mine)
    steps: list[EngineStep] = []
    waiting = ""
    for extra in mine:
        if extra is not keep:
            more, reason = _retire(context, extra, keep)
            steps += more
            waiting = waiting or reason
    wait = Wait(waiting, 30.0) if waiting else None
    return Plan(tuple(steps), wait, drift=_namesakes(context, want.name))


def _namesakes(context: Context, name: str) -> tuple[Drift, ...]:
    """Ours is addressed by its id, so that they do no harm; people who go by names are misled."""
    return tuple(
        Drift(FIELD, f"{other.id[:12]}, which is not ours, is named {name} as well")
        for other in _foreigners(context, name)
    )


def _make(context: Context, want: WantedNetwork, mine: list[Network]) -> Plan:
    drift = FIELD if _had_it(context) else ""
    if foreigners := _foreigners(context, want.name):
        problem = _in_the_way(foreigners[0])
        left = Drift(FIELD, f"missing; {foreigners[0].id[:12]} of that name is not ours")
        return Plan(problem=problem, drift=(left,) if drift else ())
    steps: tuple[Step, ...] = ()
    for network in mine:
        cleared = clearing(context, network, _difference(network, want))
        if cleared.problem is not None:
            left = Drift(FIELD, _difference(network, want))
            return replace(cleared, drift=(left,) if drift else ())
        steps = (*steps, *cleared.steps)
    labels = {
        L_CONTROLLER: context.platform.instance,
        L_ORGANIZATION: context.key.name,
        L_KIND: context.key.kind,
        L_NAME: context.key.name,
        L_UID: context.uid,
        L_GENERATION: str(context.effective_generation),
    }
    create = CreateNetwork(
        name=want.name,
        labels=labels,
        subnet=want.subnet,
        internal=want.internal,
        bridge=want.bridge,
        cause=_difference(mine[0], want) if mine else "missing",
        drift=drift,
    )
    return Plan((*steps, create))


def clearing(context: Context, network: Network, cause: str) -> Plan:
    """Takes our containers off a network and removes it; a problem when others are on it."""
    attached = attached_to(context, network)
    strangers = [c for c in attached if not _ours(context, c)]
    if strangers:
        return Plan(problem=_occupied(network, strangers))
    leave = tuple(_disconnect(network, container, cause) for container in attached)
    return Plan((*leave, RemoveNetwork(id=network.id, name=network.name, cause=cause)))


def attached_to(context: Context, network: Network) -> list[Container]:
    return sorted(context.world.containers_on(network.id), key=lambda c: (c.name, c.id))


def _retire(context: Context, extra: Network, keep: Network) -> tuple[list[EngineStep], str]:
    """A second network of ours goes once nobody depends on it: containers leave it when they are
    on the other one already, or do not run."""
    cause = f"second network, {keep.id[:12]} is kept"
    steps: list[EngineStep] = []
    stay: list[str] = []
    for container in attached_to(context, extra):
        elsewhere = any(place.network_id == keep.id for place in container.networks)
        if _ours(context, container) and (elsewhere or not container.running):
            steps.append(_disconnect(extra, container, cause))
        else:
            stay.append(container.name)
    if stay:
        return steps, f"{', '.join(stay)} to leave the second network {extra.name}"
    drift = FIELD if _had_it(context) else ""
    steps.append(RemoveNetwork(id=extra.id, name=extra.name, cause=cause, drift=drift))
    return steps, ""


def _difference(network: Network, want: WantedNetwork) -> str:
    if network.subnets != (want.subnet,):
        return f"subnet changed: {', '.join(network.subnets) or 'none'} -> {want.subnet}"
    if network.internal == want.internal:
        return f"bridge changed: {network.bridge} -> {want.bridge}"
    return f"internal changed: {_word(network.internal)} -> {_word(want.internal)}"


def _word(value: bool) -> str:
    return "true" if value else "false"


def _had_it(context: Context) -> bool:
    """This generation had its network once: that it is missing is somebody's doing."""
    status = context.entry.status or {}
    told = any(drift.get("field") == FIELD for drift in status.get("drift", ()))
    return (bool(status.get("network")) or told) and (
        context.entry.observed_generation == context.generation or context.rejection is not None
    )


def _ours(context: Context, container: Container) -> bool:
    return is_ours(container.labels, context.platform.instance)


def _foreigners(context: Context, name: str) -> list[Network]:
    others = [n for n in context.world.networks_named(name) if not context.ours(n.labels)]
    return sorted(others, key=lambda n: n.id)


def _disconnect(network: Network, container: Container, cause: str) -> DisconnectNetwork:
    return DisconnectNetwork(
        network=network.id,
        network_name=network.name,
        container=container.id,
        container_name=container.name,
        cause=cause,
    )


def _in_the_way(network: Network) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"network {network.name} exists on the engine and is not ours",
        details={"network": network.name, "id": network.id, "subnets": list(network.subnets)},
        suggestions=[
            f"docker network inspect {network.id[:12]}: see whose it is",
            "remove it, if nobody needs it; it is left untouched meanwhile",
        ],
    )


def _occupied(network: Network, strangers: list[Container]) -> UserError:
    names = [container.name for container in strangers]
    return UserError(
        "RESOURCE_CONFLICT",
        f"network {network.name} has to go, but {', '.join(names)} on it "
        f"{'is' if len(names) == 1 else 'are'} not ours",
        details={"network": network.name, "id": network.id, "containers": names},
        suggestions=[f"docker network disconnect {network.id[:12]} {name}" for name in names[:3]],
    )
