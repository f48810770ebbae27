"""A port of the host is one service's: who holds it keeps it, newcomers are refused in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.context import Platform
from resources.meta import Key
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import IMAGE, Theatre

PLATFORM = Platform(instance=INSTANCE, host_ports=(18000, 18099))
IN_USE = "CONFIGURATION_PORT_IN_USE"


def port(number: int = 18000, **more: Any) -> dict[str, Any]:
    return {"ports": [{"containerPort": 80, "hostPort": number, **more}]}


def stage_with(*organizations: str) -> Theatre:
    stage = Theatre(platform=PLATFORM)
    for name in organizations:
        stage.settle(stage.declare("Organization", "", name, {}))
    return stage


def code(stage: Theatre, key: Key) -> str | None:
    stage.go(key)
    error = stage.status(key)["error"]
    return error["code"] if error else None


def accepted(stage: Theatre, key: Key) -> str:
    (found,) = [c for c in stage.status(key)["conditions"] if c["type"] == "Accepted"]
    return str(found["status"])


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (port(), port(), True),
        (port(), port(18001), False),
        (port(protocol="tcp"), port(protocol="udp"), False),
        (port(hostAddress="127.0.0.1"), port(), True),
        (port(hostAddress="127.0.0.1"), port(hostAddress="127.0.0.2"), False),
        (port(hostAddress="0.0.0.0"), port(hostAddress="127.0.0.2"), True),
    ],
)
def test_what_clashes(one: dict[str, Any], other: dict[str, Any], clash: bool) -> None:
    stage = stage_with()
    assert code(stage, stage.service("one", **one)) is None
    two = stage.service("two", **other)
    assert code(stage, two) == (IN_USE if clash else None)
    assert accepted(stage, two) == ("False" if clash else "True")


def test_the_holder_keeps_it_while_it_is_replaced_or_stopped() -> None:
    stage = stage_with()
    one = stage.service("one", **port())
    stage.go(one)
    two = stage.service("two", **port())
    assert code(stage, two) == IN_USE
    stage.service("one", **port(), environment={"A": "1"})
    stage.pass_(one)  # the old one is gone now, the new one does not run yet
    assert code(stage, two) == IN_USE
    assert code(stage, one) is None
    stage.service("one", **port(), state="stopped")
    stage.go(one)
    assert code(stage, two) == IN_USE
    stage.service("one")
    stage.go(one)
    assert code(stage, two) is None
    assert stage.plan(two).converged


def test_another_organizations_name_is_not_told() -> None:
    stage = stage_with("globex")
    stage.go(stage.service("one", **port()))
    own = stage.service("own", **port())
    other = stage.declare("Service", "globex", "other", {**IMAGE, **port()})
    assert stage.plan(own).problem.details["service"] == "one"  # type: ignore[union-attr]
    problem = stage.plan(other).problem
    assert problem is not None
    assert problem.code == IN_USE
    assert "one" not in problem.message.replace("another service", "")
    assert "acme" not in str(problem.to_dict())


def test_of_two_at_the_same_moment_the_first_has_it_and_nobody_waits_for_who_waits() -> None:
    stage = stage_with()
    late = stage.service("late", **port())
    stage.wait(1.0)
    latest = stage.service("latest", **port(18001))
    resource = stage.rows[late].resource
    assert resource.created_at is not None
    first = stage.service(
        "first", ports=[*port()["ports"], *port(18001, containerPort=81)["ports"]]
    )
    earlier = replace(stage.rows[first].resource, created_at=resource.created_at.replace(year=2020))
    stage.rows[first] = replace(stage.rows[first], resource=earlier)
    assert code(stage, late) == IN_USE, "the first is not judged yet"
    assert code(stage, first) is None
    assert code(stage, latest) == IN_USE
    third = stage.service("third", **port())
    assert code(stage, third) == IN_USE
    del stage.rows[first]
    assert code(stage, third) == IN_USE, "late waits longer"
    assert code(stage, latest) is None
    assert code(stage, late) is None


def test_two_that_hold_it_from_an_earlier_release() -> None:
    """Who was Ready keeps it, and no container is made for the other."""
    stage = stage_with()
    one, two = stage.service("one", **port()), stage.service("two", **port(18001))
    stage.go(two)
    stage.apply(one, stage.plan(one).steps[0])  # Accept, and no more
    record = stage.rows[two].record
    both = replace(record, accepted_spec=dict(stage.rows[one].resource.spec))
    stage.rows[two] = replace(stage.rows[two], record=both)
    assert code(stage, one) == IN_USE
    assert accepted(stage, one) == "False"
    assert not stage.world.containers_of(stage.rows[one].resource.uid)
