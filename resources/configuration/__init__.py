"""CaasConfiguration: how this installation runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.configuration.plan import plan
from resources.configuration.spec import CaasConfigurationSpec
from resources.configuration.status import status
from resources.meta import Entry, Key
from resources.registry import Kind
from resources.world import Scope

__all__ = ["CAAS_CONFIGURATION", "CaasConfigurationSpec"]


def _refs(_key: Key, spec: CaasConfigurationSpec | None) -> tuple[Key, ...]:
    return tuple(Key("Secret", "", name) for name in spec.secrets) if spec is not None else ()


def _scope(_entry: Entry, _spec: Any, _refs: Mapping[Key, Entry | None]) -> Scope:
    return Scope()


CAAS_CONFIGURATION = Kind(
    name="CaasConfiguration",
    plural="CaasConfigurations",
    short="caas",
    namespaced=False,
    model=CaasConfigurationSpec,
    refs=_refs,
    scope=_scope,
    plan=plan,
    status=status,
    summary="How this installation runs.",
)
