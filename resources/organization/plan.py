"""Planning an Organization: accept, reserve a subnet, keep one network; at the end, all goes.

Theory: the subnet is reserved in the store before the network is made, so two organizations never
get the same, and after any crash the same network is made again. A reservation is given up only
for one that is declared, or when something else took its place while we had no network.
"""

from __future__ import annotations

from dataclasses import replace

from resources.acceptance import acceptance
from resources.context import Context
from resources.errors import UserError
from resources.organization.external_id import taken
from resources.organization.network import clearing, network_plan, networks_of, wanted
from resources.plan import Plan, Wait
from resources.share import settling
from resources.steps import Step
from resources.store_steps import Finalize, RequestDeletion, ReserveSubnet, StoreStep

POOL_EXHAUSTED = "CONFIGURATION_NETWORK_POOL_EXHAUSTED"
REVISIT = 5.0
"""Seconds after which an organization that waits for its members looks again by itself."""


def plan(context: Context) -> Plan:
    if context.deleting:
        return _deletion(context)
    if context.spec is None:
        return Plan(problem=context.rejection)
    refused = context.rejection or taken(context)
    if refused is not None and context.entry.record.accepted_generation is None:
        return Plan(problem=refused)
    accept = acceptance(context) if refused is None else ()
    subnet, cause = _subnet(context)
    if subnet is None:
        return Plan((*accept, *settling(context)), problem=_exhausted(context))
    store: tuple[StoreStep, ...] = accept
    if subnet != context.entry.record.subnet:
        store = (*accept, ReserveSubnet(subnet=subnet, cause=cause))
    network = network_plan(context, wanted(context.entry, context.spec, subnet))
    return replace(
        network,
        steps=(*store, *settling(context), *network.steps),
        problem=network.problem or refused,
    )


def _subnet(context: Context) -> tuple[str | None, str]:
    """Which, and why that one."""
    declared = context.spec.network.subnet
    if declared is not None:
        return declared, "spec.network.subnet"
    mine = networks_of(context.world, context.uid, context.platform.instance)
    reserved = context.entry.record.subnet
    if reserved is None:
        for network in mine:
            if len(network.subnets) == 1:
                return network.subnets[0], f"of {network.name}, made earlier"
    elif mine or context.subnet_offer is None:
        return reserved, ""
    cause = f"free in {context.platform.network_pool}"
    return context.subnet_offer, f"{reserved} is in use elsewhere" if reserved else cause


def _deletion(context: Context) -> Plan:
    cause = "deletion requested"
    if context.members:
        members = f"{context.members} resource{'s' if context.members > 1 else ''}"
        asked = context.undeleted == 0
        ask = RequestDeletion(organization=context.key.name, cause=cause)
        wait = Wait(f"{members} in it to be deleted", REVISIT)
        return Plan(() if asked else (ask,), wait=wait)
    steps: tuple[Step, ...] = ()
    for network in networks_of(context.world, context.uid, context.platform.instance):
        cleared = clearing(context, network, cause)
        if cleared.problem is not None:
            return cleared
        steps = (*steps, *cleared.steps)
    return Plan((*steps, Finalize(cause=cause)))


def _exhausted(context: Context) -> UserError:
    platform = context.platform
    return UserError(
        POOL_EXHAUSTED,
        f"no /{platform.network_prefix} network is free in {platform.network_pool}",
        details={"pool": platform.network_pool, "prefix": platform.network_prefix},
        suggestions=[
            "enlarge the pool (SKYCTL_NETWORK_POOL, CaasConfiguration networkPool)",
            "give the organization a subnet of its own in spec.network.subnet",
            "delete organizations that are no longer needed",
        ],
    )
