"""What a preview cannot know yet, shown as such: it must not look decided and turn out otherwise.

The subnet that an organization is given from the pool depends on its uid and on the host's routes,
and a revision on the identity of volumes and on sealed boxes, which are made when it is applied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from controller.store.readings import Reading
from resources.meta import Entry, Key
from resources.plan import Plan
from resources.steps import CreateNetwork
from resources.store_steps import BeginRollout, ReserveSubnet

DIGITS = 6
"""Of a revision in a container's name."""


def veiled(
    plan: Plan, before: Entry | None, reading: Reading | None, changed: Collection[Key]
) -> Plan:
    """before: the row as it is now. reading: as it will be. changed: what is made or changed by the
    same manifests."""
    if reading is None:
        return plan
    words: dict[str, str] = {}
    if reading.entry.key.kind == "Organization" and (before is None or not before.record.subnet):
        words = _subnet(plan, reading)
    elif any(_undecided(ref, changed) for ref in reading.refs):
        words = _revision(plan)
    return cast(Plan, _replaced(plan, words)) if words else plan


def _undecided(ref: Key, changed: Collection[Key]) -> bool:
    return ref.kind in ("Volume", "Secret") and ref in changed


def _subnet(plan: Plan, reading: Reading) -> dict[str, str]:
    if getattr(reading.spec, "network", None) is None or reading.spec.network.subnet is not None:
        return {}
    given = {s.subnet for s in plan.steps if isinstance(s, CreateNetwork | ReserveSubnet)}
    return {subnet: f"x.x.x.x/{subnet.partition('/')[2]}" for subnet in given}


def _revision(plan: Plan) -> dict[str, str]:
    labels = {step.revision for step in plan.steps if isinstance(step, BeginRollout)}
    words: dict[str, str] = {}
    for label in labels:
        version, _, digest = label.partition(":")
        words[label] = f"{version}:{'x' * len(digest)}"
        words[f"_{digest[:DIGITS]}"] = f"_{'x' * DIGITS}"
    return words


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    """In all texts within, the longest first."""
    if isinstance(value, str):
        for word in sorted(words, key=len, reverse=True):
            value = value.replace(word, words[word])
        return value
    if is_dataclass(value) and not isinstance(value, type):
        init = [f.name for f in fields(value) if f.init]
        return replace(value, **{n: _replaced(getattr(value, n), words) for n in init})
    if isinstance(value, Mapping):
        return {k: _replaced(v, words) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)([_replaced(item, words) for item in value])
    return value
