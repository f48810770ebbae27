"""What must hold at the end, whatever happened before.

``normal`` is the end state without what may differ between two ways to it: ids, uids, names that
contain them, times, generations. ``faults_of`` looks at one state and says what is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from resources.labels import (
    L_CONTROLLER,
    L_KIND,
    L_NAME,
    L_ORDINAL,
    L_ORGANIZATION,
    L_REVISION,
    L_ROLE,
    L_UID,
)
from resources.meta import Entry, Key
from resources.naming import container_name, volume_identity
from resources.observed import Container, Network
from tests.sim.harness import Simulation

IDLE_PHASES = frozenset({"Stopped", "Suspended"})
Normal = dict[str, Any]


def key_of(labels: Mapping[str, str]) -> Key:
    kind = labels.get(L_KIND, "")
    organization = "" if kind == "Organization" else labels.get(L_ORGANIZATION, "")
    return Key(kind, organization, labels.get(L_NAME, ""))


def ours(sim: Simulation) -> list[Container]:
    return [c for c in sim.engine.world.containers.values() if L_CONTROLLER in c.labels]


def our_networks(sim: Simulation) -> list[Network]:
    return [n for n in sim.engine.world.networks.values() if L_CONTROLLER in n.labels]


def normal(sim: Simulation, keys: Collection[Key] | None = None) -> Normal:
    """Rows, their status, and their objects. keys: only these."""

    def wanted(key: Key) -> bool:
        return keys is None or key in keys

    found: Normal = {}
    for key, entry in sim.database.entries.items():
        if wanted(key):
            found[str(key)] = _row(entry)
    for container in ours(sim):
        key = key_of(container.labels)
        if wanted(key) and not _kept(sim, container):
            role = container.labels.get(L_ROLE, "replica")
            name = f"{key} {role} {container.labels.get(L_ORDINAL)}"
            assert name not in found, f"two of {name}"
            found[name] = _container(sim, container)
    for network in our_networks(sim):
        key = key_of(network.labels)
        if wanted(key):
            name = f"{key} network"
            assert name not in found, f"two of {name}"
            found[name] = {"internal": network.internal}
    return found


def _kept(sim: Simulation, container: Container) -> bool:
    """A stopped service keeps the containers that it had, which is a matter of its past."""
    entry = sim.database.entries.get(key_of(container.labels))
    phase = (entry.status or {}).get("phase") if entry is not None else None
    return phase in IDLE_PHASES and container.state in ("exited", "created")


def _row(entry: Entry) -> Normal:
    status = entry.status or {}
    phase = status.get("phase")
    row = {
        "deleting": entry.resource.deleting,
        "phase": phase,
        "state": status.get("state"),
        "error": (status.get("error") or {}).get("code"),
        "conditions": {c["type"]: c["status"] for c in status.get("conditions", ())},
    }
    if entry.key.kind == "Service":
        row["replicas"] = status.get("replicas")
        row["ready"] = status.get("readyReplicas")
        row["endpoints"] = status.get("endpoints")
        if phase not in IDLE_PHASES:
            row["updated"] = status.get("updatedReplicas")
            row["rollout"] = (status.get("rollout") or {}).get("state")
    return row


def _container(sim: Simulation, container: Container) -> Normal:
    spec = sim.engine.machine.lives[container.id].spec
    return {
        "image": container.image,
        "state": container.state,
        "health": container.health,
        "limits": container.limits,
        "restart": container.restart_policy,
        "networks": sorted(_network(sim, a.network_id, a.aliases) for a in container.networks),
        "mounts": sorted((_volume(sim, m.volume), m.path, m.read_only) for m in container.mounts),
        "inside": (spec.entrypoint, spec.command, dict(spec.environment), spec.user),
        "files": dict(sim.engine.machine.lives[container.id].files),
        "check": spec.check,
    }


def _network(sim: Simulation, id_: str, aliases: tuple[str, ...] | None) -> str:
    network = sim.engine.world.networks.get(id_)
    name = str(key_of(network.labels)) if network is not None else "gone"
    return f"{name} as {', '.join(sorted(aliases or ()))}"


def _volume(sim: Simulation, name: str) -> str:
    """By the resource whose data it is."""
    for entry in sim.database.entries.values():
        if entry.key.kind == "Volume" and volume_identity(entry).engine_name == name:
            return entry.key.name
    return f"of nobody: {name}"


def difference(one: Normal, other: Normal) -> list[str]:
    lines = []
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if a != b:
            if isinstance(a, dict) and isinstance(b, dict):
                parts = [f"{k}: {a.get(k)!r} / {b.get(k)!r}" for k in a if a.get(k) != b.get(k)]
                lines.append(f"{name}: {'; '.join(parts)}")
            else:
                lines.append(f"{name}: {a!r} / {b!r}")
    return lines


# ---------------------------------------------------------------- one state by itself


def faults_of(sim: Simulation, skip: Collection[Key] = ()) -> list[str]:
    """skip: keys that may be unsettled."""
    found = [*_duplicates(sim), *_orphans(sim), *_misnamed(sim), *_lies(sim, skip)]
    for entry in sim.database.entries.values():
        if entry.key not in skip:
            found += _unsettled(entry)
    return found


def _duplicates(sim: Simulation) -> Iterator[str]:
    count = Counter(
        (key_of(c.labels), c.labels.get(L_ORDINAL), c.labels.get(L_ROLE))
        for c in ours(sim)
        if not _kept(sim, c)
    )
    for (key, ordinal, _), number in count.items():
        if number > 1 and not _updating(sim, key):
            yield f"{number} containers of {key} {ordinal}"
    nets = Counter(key_of(n.labels) for n in our_networks(sim))
    yield from (f"{number} networks of {key}" for key, number in nets.items() if number > 1)


def _updating(sim: Simulation, key: Key) -> bool:
    entry = sim.database.entries.get(key)
    rollout = entry.record.rollout if entry is not None else None
    return rollout is not None and rollout.outcome != "ready"


def _misnamed(sim: Simulation) -> Iterator[str]:
    for container in ours(sim):
        labels = container.labels
        if L_ROLE in labels or _kept(sim, container) or _updating(sim, key_of(labels)):
            continue
        key, revision = key_of(labels), labels[L_REVISION]
        name = container_name(key.organization, key.name, labels[L_ORDINAL], revision)
        if container.name != name:
            yield f"{container.name} is not called {name}"


def _orphans(sim: Simulation) -> Iterator[str]:
    uids = {entry.resource.uid for entry in sim.database.entries.values()}
    for thing in (*ours(sim), *our_networks(sim)):
        if thing.labels.get(L_UID) not in uids:
            yield f"{thing.name} has no row"
    for document in sim.ingress.documents.values() if sim.ingress is not None else ():
        if document.uid not in uids:
            yield f"{document.name} is published and has no row"


def _unsettled(entry: Entry) -> Iterator[str]:
    status = entry.status or {}
    if entry.observed_generation != entry.resource.generation:
        yield f"{entry.key}: observed {entry.observed_generation} of {entry.resource.generation}"
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    if conditions.get("Reconciling", {}).get("status") == "True":
        yield f"{entry.key}: still reconciling: {conditions['Reconciling'].get('message')}"
    if entry.resource.deleting:
        yield f"{entry.key}: still being deleted: {status.get('message')}"


def _lies(sim: Simulation, skip: Collection[Key] = ()) -> Iterator[str]:
    """Does the status say what there is?"""
    world = sim.engine.world
    for key, entry in sim.database.entries.items():
        status = entry.status or {}
        if key in skip:
            continue
        if key.kind == "Service":
            yield from _service_lies(sim, entry, status)
        elif key.kind == "Volume":
            name = volume_identity(entry).engine_name
            there = world.volume(name)
            fine = there is not None and there.labels.get(L_UID) == volume_identity(entry).uid
            if (status.get("phase") == "Ready") is not fine:
                yield f"{key} says {status.get('phase')}, the engine has {there}"
        else:
            network = status.get("network")
            if network is not None and network["id"] not in world.networks:
                yield f"{key} shows a network that is not there"
            if network is None and world.networks_of(entry.resource.uid):
                yield f"{key} does not show its network"


def _service_lies(sim: Simulation, entry: Entry, status: Mapping[str, Any]) -> Iterator[str]:
    mine = {
        c.id: c
        for c in sim.engine.world.containers_of(entry.resource.uid)
        if L_ROLE not in c.labels
    }
    shown = {c["id"]: c["state"] for c in status.get("containers", ())}
    if shown != {id_: c.state for id_, c in mine.items()}:
        yield f"{entry.key} shows {shown}, there are {[(c.name, c.state) for c in mine.values()]}"
    serving = [c for c in mine.values() if c.running and c.health in ("", "healthy")]
    if status.get("readyReplicas", 0) > len(serving):
        yield f"{entry.key} says {status['readyReplicas']} ready, {len(serving)} serve"
    if status.get("phase") == "Running" and len(serving) < status.get("replicas", 0):
        yield f"{entry.key} says Running with {len(serving)} of {status.get('replicas')}"
