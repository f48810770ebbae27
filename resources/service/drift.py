"""Has the world drifted? What the engine shows of a container, compared with what we rendered.

Field by field, and only fields that we set: what the engine added by itself (anonymous volumes of
the image, its own aliases, swap limits that its kernel cannot keep) is no difference. What was
only listed, not inspected, is not compared. Each difference knows its remedy; a difference that
could not be remedied would be healed for ever, so it must not be found here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from resources.container_spec import ContainerSpec
from resources.labels import L_KIND, L_NAME, L_ORDINAL, L_ORGANIZATION, L_REVISION, L_ROLE, L_ROUTES
from resources.naming import container_name
from resources.observed import Container, Image, Mount
from resources.quantity import format_cpu, format_size
from resources.routing.routes_label import PREFIX

Remedy = Literal["recreate", "rename", "update", "reconnect"]

SECURITY = "security"
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_LONGEST = 80
_NAMES = (L_KIND, L_ORGANIZATION, L_NAME)


@dataclass(frozen=True, slots=True)
class Difference:
    """field: as ``drift_total{field}`` counts it. old, new: for people; new '' when old says it."""

    field: str
    old: str
    new: str
    remedy: Remedy

    def __str__(self) -> str:
        return f"{self.field} {self.old} -> {self.new or 'as declared'}"

    @property
    def cause(self) -> str:
        """Of making it anew."""
        if self.field == SECURITY or not self.new:
            return f"not made by us: {self.old}"
        return f"{self.field} is {self.old}, not {self.new}"


def differences(container: Container, spec: ContainerSpec) -> tuple[Difference, ...]:
    """spec: what this very container should be (its own ordinal and network)."""
    if not container.inspected:
        return ()
    return tuple(found for compare in COMPARISONS for found in compare(container, spec))


def _labels(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    for label in _NAMES:
        old, new = container.labels.get(label, "none"), spec.labels[label]
        if old != new:
            yield Difference("labels", f"{label}={old}", new, "recreate")


def _routes(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    """Where routes are published by labels: of a container that has any. One that never ran is
    not started with what its image brought (``execute``), and would not be another if made anew."""
    if container.state == "created":
        return
    found = {name: text for name, text in container.labels.items() if _routing(name)}
    if L_ROUTES not in spec.labels or not (found or L_ROUTES in container.labels):
        return
    wanted = {name: text for name, text in spec.labels.items() if _routing(name)}
    names = {*found, *wanted, *spec.users}
    if wrong := sorted(n for n in names if not _right(n, found, wanted, spec)):
        shown = "".join(c if c.isprintable() else "?" for c in wrong[0][:_LONGEST])
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield Difference("labels", f"label {shown}{more}", "", "recreate")


def _routing(name: str) -> bool:
    return name.lower().startswith(PREFIX)


def _right(
    name: str, found: Mapping[str, str], wanted: Mapping[str, str], spec: ContainerSpec
) -> bool:
    if name in spec.users:
        return name in found
    return found.get(name) == wanted.get(name)


def _name(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    """An older release may have labelled, and so named, the same revision in its own way."""
    if L_ROLE in spec.labels:
        return
    name, label = spec.name, container.labels.get(L_REVISION, "")
    if label != spec.labels[L_REVISION]:
        name = container_name(
            spec.labels[L_ORGANIZATION], spec.labels[L_NAME], spec.labels[L_ORDINAL], label
        )
    if container.name != name:
        yield Difference("name", container.name, name, "rename")


def _image(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    if container.image != spec.image:
        yield Difference("image", container.image, spec.image, "recreate")


def moved(container: Container, image: Image | None) -> Iterator[Difference]:
    """The tag means another image now. image: what it means, as far as that is known."""
    if image is not None and container.image_id not in ("", image.id):
        old, new = short_digest(container.image_id), short_digest(image.id)
        yield Difference("image", f"{image.reference} as {old}", new, "recreate")


def short_digest(id_: str) -> str:
    """The first twelve digits, as people are used to."""
    return id_.partition(":")[2][:12] or id_[:12]


def _security(container: Container, _spec: ContainerSpec) -> Iterator[Difference]:
    """We never made it like this, whatever its labels say."""
    if container.powers:
        yield Difference(SECURITY, ", ".join(container.powers), "none of it", "recreate")


def _mounts(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    if spec.mounts == container.mounts:
        return
    wanted, found = set(spec.mounts), set(container.mounts)
    strange = {mount for mount in found - wanted if not _ANONYMOUS.fullmatch(mount.volume)}
    if wanted <= found and not strange:
        return
    old = {mount for mount in found if mount in wanted or mount in strange}
    yield Difference("mounts", _listed(old), _listed(wanted), "recreate")


def _networks(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    """A container that does not run cannot be moved reliably between networks: the engine would
    start it on the one it was made for. A paused one is looked at when it runs again."""
    if not spec.network or container.state == "paused":
        return
    remedy: Remedy = "reconnect" if container.running else "recreate"
    found = {place.network_id: place for place in container.networks}
    place = found.get(spec.network)
    if place is None or set(found) != {spec.network}:
        old = ", ".join(sorted(i[:12] for i in found)) or "none"
        yield Difference("networks", old, spec.network[:12], remedy)
    elif place.aliases is not None and not set(spec.aliases) <= set(place.aliases):
        old = ", ".join(sorted(place.aliases)) or "none"
        yield Difference("networks", f"aliases {old}", ", ".join(spec.aliases), remedy)


def _limits(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    old, new = container.limits, spec.limits
    if old is None:
        return
    if old.nano_cpus != new.nano_cpus:
        yield Difference("cpu", format_cpu(old.nano_cpus), format_cpu(new.nano_cpus), "update")
    if old.memory != new.memory:
        yield Difference("memory", format_size(old.memory), format_size(new.memory), "update")
    elif old.memory_swap > new.memory_swap:
        swap = format_size(old.memory_swap - old.memory)
        yield Difference("memory", f"{swap} swap", "no swap", "update")
    if old.pids != new.pids:
        yield Difference("pids", str(old.pids), str(new.pids), "update")


def _restart(container: Container, spec: ContainerSpec) -> Iterator[Difference]:
    if container.restart_policy is not None and container.restart_policy != spec.restart:
        yield Difference("restart", container.restart_policy, spec.restart, "update")


def _listed(mounts: set[Mount]) -> str:
    shown = (f"{m.volume}:{m.path}{':ro' if m.read_only else ''}" for m in mounts)
    return ", ".join(sorted(shown)) or "none"


COMPARISONS: tuple[Callable[[Container, ContainerSpec], Iterator[Difference]], ...] = (
    _labels,
    _routes,
    _name,
    _image,
    _security,
    _mounts,
    _networks,
    _limits,
    _restart,
)
