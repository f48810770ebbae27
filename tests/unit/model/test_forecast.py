"""Every step has a forecast, or is one of those that by their nature have none."""

from __future__ import annotations

import inspect
from dataclasses import fields
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from resources import steps
from resources.container_spec import ContainerSpec
from resources.forecast import advance
from resources.meta import Entry, Key, Resource
from resources.observed import Limits
from resources.steps import Step
from resources.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = ContainerSpec("c", "i", {}, "n", (), Limits(1, 1, 1))
CLASSES = [c for _, c in inspect.getmembers(steps, inspect.isclass) if issubclass(c, Step)]
LEAVES = [c for c in CLASSES if not any(o is not c and issubclass(o, c) for o in CLASSES)]


def a(step: type[Step]) -> Step:
    """Of that kind, on nothing in particular."""
    known: dict[str, Any] = {"labels": {}, "generation": 1, "spec": SPEC, "aliases": ()}
    given: dict[str, Any] = {each.name: known.get(each.name, "x") for each in fields(step)}
    return step(**given)


@pytest.mark.parametrize("step", LEAVES, ids=lambda c: str(c.__name__))
def test_every_step_is_known(step: type[Step]) -> None:
    entry = Entry(Resource(Key("Service", "acme", "web"), "u", {}))
    assert advance(World(), entry, [a(step)], NOW).key == entry.key


def test_what_is_not_known_is_said() -> None:
    entry = Entry(Resource(Key("Service", "acme", "web"), "u", {}))
    with pytest.raises(TypeError, match="SimpleNamespace"):
        advance(World(), entry, [cast(Any, SimpleNamespace())], NOW)
