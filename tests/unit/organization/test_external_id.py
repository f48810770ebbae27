"""The panel's id is one Organization's: who was accepted first keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resources.meta import Key, Manifest
from resources.organization.external_id import IN_USE
from tests.property.apply import NOW, Stage
from tests.unit.site import Site, running_site

ID = {"externalId": "42"}


def organization(stage: Stage, name: str, spec: dict[str, Any]) -> Key:
    return stage.declare("Organization", "", name, spec)


def error(stage: Stage, key: Key) -> str | None:
    found = stage.status(key)["error"]
    return found["code"] if found else None


def accepted(stage: Stage, key: Key) -> str:
    (found,) = [c for c in stage.status(key)["conditions"] if c["type"] == "Accepted"]
    return str(found["status"])


def test_the_first_that_was_accepted_keeps_it() -> None:
    stage = Stage()
    first = organization(stage, "zz", ID)
    stage.settle()
    stage.now += timedelta(seconds=1)
    second = organization(stage, "aa", ID)
    stage.settle()
    assert error(stage, first) is None
    told = stage.status(second)
    assert told["error"]["code"] == IN_USE
    assert told["error"]["message"] == "spec.externalId: 42 is Organization zz's already"
    assert told["phase"] == "Failed"
    assert accepted(stage, second) == "False"
    assert stage.world.networks_of(stage.rows[second].resource.uid) == ()


@pytest.mark.parametrize("freed", ["another id", "gone"])
def test_it_is_free_when_the_first_gave_it_up(freed: str) -> None:
    stage = Stage()
    first = organization(stage, "first", ID)
    stage.settle()
    second = organization(stage, "second", ID)
    stage.settle()
    assert error(stage, second) == IN_USE
    if freed == "gone":
        stage.delete(first)
        assert "which is being deleted" in stage.status(second)["message"]
    else:
        organization(stage, "first", {"externalId": "43"})
    stage.settle()
    assert error(stage, second) is None
    assert accepted(stage, second) == "True"


def test_changing_to_anothers_is_refused_and_its_network_stays() -> None:
    stage = Stage()
    organization(stage, "first", ID)
    second = organization(stage, "second", {"externalId": "43"})
    stage.settle()
    organization(stage, "second", ID)
    assert stage.settle() == []
    assert error(stage, second) == IN_USE
    assert accepted(stage, second) == "False"
    assert stage.status(second)["network"] is not None


def test_what_an_earlier_release_accepted_twice_keeps_running() -> None:
    stage = Stage()
    first = organization(stage, "first", ID)
    second = organization(stage, "second", {"externalId": "43"})
    stage.settle()
    row = stage.rows[second]
    stage.rows[second] = replace(
        row,
        resource=replace(row.resource, spec=ID, created_at=NOW + timedelta(days=1)),
        record=replace(row.record, accepted_spec=ID),
    )
    assert stage.settle() == []
    assert (error(stage, first), error(stage, second)) == (None, IN_USE)
    assert stage.status(second)["network"] is not None


def test_who_is_refused_for_something_else_stands_in_nobodys_way() -> None:
    stage = Stage()
    organization(stage, "first", {**ID, "network": {"subnet": "no"}})
    second = organization(stage, "second", ID)
    stage.settle()
    assert error(stage, second) is None


def test_declared_together_through_the_whole_controller() -> None:
    """And the end of who holds it wakes who waits."""
    with running_site() as site:
        keys = [Key("Organization", "", name) for name in ("a", "b", "c")]
        site.apply(*(Manifest(key, ID) for key in keys))
        site.until(lambda: [code(site, key) for key in keys].count(IN_USE) == 2)
        (holder,) = [key for key in keys if site.settled(key)]
        site.call(site.store.delete(holder, source=None))
        others = [key for key in keys if key != holder]
        site.until(lambda: any(map(site.settled, others)), "the next one has it")
        assert [code(site, key) for key in others].count(IN_USE) == 1


def code(site: Site, key: Key) -> str | None:
    found = (site.database.entries[key].status or {}).get("error")
    return found["code"] if found else None
