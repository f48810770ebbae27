"""Secret: values that only the containers which use them get to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.meta import Entry, Key
from resources.registry import Kind
from resources.secret.plan import plan
from resources.secret.spec import SecretSpec
from resources.secret.status import status
from resources.world import Scope

__all__ = ["SECRET", "SecretSpec"]


def _refs(key: Key, _spec: Any) -> tuple[Key, ...]:
    return (Key("Organization", "", key.organization),) if key.organization else ()


def _scope(_entry: Entry, _spec: Any, _refs: Mapping[Key, Entry | None]) -> Scope:
    return Scope()


SECRET = Kind(
    name="Secret",
    plural="Secrets",
    short="sec",
    namespaced=True,
    model=SecretSpec,
    refs=_refs,
    scope=_scope,
    plan=plan,
    status=status,
    summary="Values that only the containers which use them get to see.",
    platform=True,
)
