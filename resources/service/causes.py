"""Why a container is replaced, in words: what changed, from what to what.

The world shows the old image and the generation that made a container; the record shows the spec
accepted before, until the new one is accepted. What neither shows is named by its generation.
Values of variables, files and arguments are never shown: they may be secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resources.labels import L_GENERATION, L_ROUTES
from resources.meta import Record
from resources.observed import Container
from resources.routing.routes_label import read
from resources.service.spec import ServiceSpec
from resources.service.wanted import Wanted
from resources.spec import Spec

_SHOWN = {
    "image": "image",
    "working_dir": "workingDir",
    "user": "user",
    "volumes": "volumes",
    "tmpfs": "tmpfs",
    "shm_size": "shmSize",
    "stop_signal": "stopSignal",
    "read_only_root_filesystem": "readOnlyRootFilesystem",
    "capabilities": "capabilities",
}
_NAMED = ("command", "args")
_LONGEST = 60


def replacement(
    container: Container,
    wanted: Wanted,
    generation: int,
    before: ServiceSpec | None,
    restarted: str | None = None,
) -> str:
    """generation: that of ``wanted``. before: the spec that made the container, if known.
    restarted: the last restart that was carried out."""
    found: list[str] = []
    if container.inspected and container.image != wanted.spec.image:
        found.append(f"image changed: {container.image} -> {wanted.spec.image}")
    if before is not None:
        found.extend(changes(before, wanted.spec, skip="image"))
    found.extend(rerouted(container, wanted))
    if found:
        return "; ".join(found)
    made_by = container.labels.get(L_GENERATION, "?")
    if made_by != str(generation):
        return f"spec changed: generation {made_by} -> {generation}"
    if wanted.restarted_at != (restarted or ""):
        return f"restart requested: {wanted.restarted_at}"
    return "what the service refers to has changed"


def rerouted(container: Container, wanted: Wanted) -> list[str]:
    """Which Domains it carries in another version than wanted, or wrongly, or not."""
    told = read(container.labels.get(L_ROUTES, ""))
    old = {each.name: each.digest for each in told}
    new = {each.name: each.digest for each in wanted.routes.carried}
    said = [_shown(name, old, new) for name in _entries(old, new)]
    return [f"labels changed: {', '.join(said)}"] if said else []


def outdated(container: Container, wanted: Wanted) -> str:
    """Why it is not kept where nothing runs, '' when it is: it would come back with the names of
    Domains that it is to carry no more."""
    told = read(container.labels.get(L_ROUTES, ""))
    left = {each.uid for each in told} - {each.uid for each in wanted.routes.carried}
    return "; ".join(rerouted(container, wanted)) if left and wanted.routes.on else ""


def _shown(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    what = f"domain {name}" if name else "the default name"
    word = " added" if name not in old else "" if name in new else " removed"
    return what + word


def begin_cause(record: Record, generation: int, wanted: Wanted) -> str:
    """Why a rollout begins."""
    before = record.rollout
    if before is None:
        return "new"
    if before.generation != generation:
        return f"generation {before.generation} -> {generation}"
    if before.revision in wanted.revision.known:
        return f"no longer: {before.reason}" if before.reason else "again"
    if wanted.restarted_at != (record.ready_restarted_at or ""):
        return "restart requested"
    return "what it refers to has changed"


def changes(before: ServiceSpec, after: ServiceSpec, skip: str = "") -> list[str]:
    """Of the fields that need another container."""
    found: list[str] = []
    for field, name in _SHOWN.items():
        old, new = getattr(before, field), getattr(after, field)
        if field != skip and old != new:
            found.append(f"{name} changed: {_text(old)} -> {_text(new)}")
    found.extend(f"{name} changed" for name in _NAMED if _differ(before, after, name))
    for name in _entries(before.environment, after.environment):
        found.append(f"environment.{name} changed")
    files = ({file.path: file for file in spec.files} for spec in (before, after))
    found.extend(f"file {path} changed" for path in _entries(*files))
    if _published(before) != _published(after):
        found.append(f"host ports changed: {_published(before)} -> {_published(after)}")
    if _exec(before) != _exec(after):
        found.append("healthCheck changed")
    return found


def _differ(before: ServiceSpec, after: ServiceSpec, field: str) -> bool:
    return bool(getattr(before, field) != getattr(after, field))


def _entries(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _published(spec: ServiceSpec) -> str:
    ports = [f"{p.host_port}/{p.protocol}" for p in spec.ports if p.host_port is not None]
    return ", ".join(ports) or "none"


def _exec(spec: ServiceSpec) -> Any:
    check = spec.health_check
    if check is None or check.exec is None:
        return None
    return check.model_copy(update={"patience": 0.0})


def _text(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        value = [v.document() if isinstance(v, Spec) else v for v in value]
    text = json.dumps(value, separators=(",", ":"))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
