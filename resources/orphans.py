"""Objects of ours whose resource is gone from the store: what to remove. Volumes never.

An object is ours when it carries this controller's mark and a uid; what is published is ours. A
network goes only when everything on it goes too: whoever else is on it keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from resources.labels import L_KIND, L_NAME, L_ORGANIZATION, L_UID, is_ours
from resources.routing.steps import WithdrawRoutes
from resources.steps import RemoveContainer, RemoveNetwork
from resources.world import World

Removal = RemoveContainer | RemoveNetwork | WithdrawRoutes


def orphans(world: World, instance: str, known: Set[str]) -> list[Removal]:
    """known: uids of all rows. world: a complete listing. Routes first, then containers; in a
    stable order."""

    def lost(labels: Mapping[str, str]) -> bool:
        uid = labels.get(L_UID)
        return is_ours(labels, instance) and bool(uid) and uid not in known

    steps: list[Removal] = [
        WithdrawRoutes(uid=uid, name=published.name, cause="its resource is gone")
        for uid, published in sorted(world.published.items())
        if uid not in known
    ]
    going: set[str] = set()
    for container in sorted(world.containers.values(), key=lambda c: (c.name, c.id)):
        if lost(container.labels):
            going.add(container.id)
            steps.append(
                RemoveContainer(
                    container=container.id,
                    container_name=container.name,
                    cause=_cause(container.labels),
                )
            )
    for network in sorted(world.networks.values(), key=lambda n: (n.name, n.id)):
        others = any(c.id not in going for c in world.containers_on(network.id))
        if lost(network.labels) and not others:
            steps.append(
                RemoveNetwork(id=network.id, name=network.name, cause=_cause(network.labels))
            )
    return steps


def _cause(labels: Mapping[str, str]) -> str:
    kind, name = labels.get(L_KIND, "resource"), labels.get(L_NAME, "?")
    organization = labels.get(L_ORGANIZATION, "")
    where = "" if kind == "Organization" else f"{organization}/"
    return f"{kind} {where}{name} is gone"
