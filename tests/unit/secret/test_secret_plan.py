"""What a Secret's plan does: seal, prove, accept; and what its status tells of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resources.conditions import find
from resources.errors import UserError
from resources.meta import Key
from resources.organization.absence import no_organization
from resources.secret import problems
from resources.secret.in_force import in_force
from tests.property.apply import Stage
from tests.unit.service.theatre import Theatre

TICKET = "inbox:3f2a9c01-58d4-4c1b-9d1e-0a7b6c5d4e3f"


def box(text: str = "a", key: str = "0123456789abcdef") -> str:
    return f"v1:{key}:{text * 64}"


def secret(stage: Stage, *, organization: str = "acme", **values: str) -> Key:
    return stage.declare("Secret", organization, "db", {"sealedData": values})


def test_it_is_accepted_and_says_which_keys_it_has() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box("a"), USER=box("b"))
    assert stage.go(db) == ["Accept generation 1 (new)"]
    status = stage.status(db)
    assert (status["phase"], status["state"]) == ("Ready", "active")
    assert status["message"] == "2 values, sealed"
    assert status["keys"] == [
        {"key": "PASSWORD", "keyId": "0123456789abcdef"},
        {"key": "USER", "keyId": "0123456789abcdef"},
    ]
    assert box("a") not in repr(status)
    assert not stage.plan(db).steps


def test_the_platforms_own_belongs_to_nobody() -> None:
    stage = Stage()
    db = secret(stage, organization="", A=box())
    assert stage.settle(db) == ["Accept generation 1 (new)"]


def test_without_its_organization_it_waits_for_somebody() -> None:
    stage = Stage()
    db = secret(stage, organization="nobody", A=box())
    plan = stage.plan(db)
    assert plan.render() == "problem: RESOURCE_NOT_FOUND: Organization nobody does not exist"


def test_what_came_by_sql_is_sealed_before_it_counts() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=TICKET, USER=box())
    assert stage.text(db) == "SealInbox PASSWORD (came by SQL in the clear)"
    status = stage.status(db)
    assert (status["phase"], status["message"]) == ("Pending", "being sealed")
    assert status["keys"][0] == {"key": "PASSWORD", "keyId": None}
    assert in_force(stage.rows[db]) is None


def test_the_earlier_values_are_in_force_until_then() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box("a"))
    stage.settle(db)
    secret(stage, PASSWORD=TICKET)
    known = in_force(stage.rows[db])
    assert known is not None
    assert known["PASSWORD"].text == box("a")


def test_what_does_not_open_never_comes_into_force() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box("a"))
    stage.settle(db)
    secret(stage, PASSWORD=box("b"), USER=box("c"))
    path = ("spec", "sealedData", "USER")
    stage.unreadable[db] = {"USER": problems.unreadable(path, "is damaged: it does not open")}
    plan = stage.plan(db)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.details == {"pointer": "/spec/sealedData/USER"}
    status = stage.status(db)
    assert (status["phase"], status["state"]) == ("Failed", "error")
    accepted = find(status, "Accepted")
    assert accepted is not None
    assert (accepted["status"], accepted["reason"]) == ("False", "SecretUnreadable")
    known = in_force(stage.rows[db])
    assert known is not None
    assert {key: value.text for key, value in known.items()} == {"PASSWORD": box("a")}


def test_a_lost_key_is_told_and_takes_nothing_back() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box("a"))
    stage.settle(db)
    missing = problems.key_missing(("spec", "sealedData", "PASSWORD"), "0123456789abcdef")
    stage.unreadable[db] = {"PASSWORD": missing}
    status = stage.status(db)
    assert status["error"]["code"] == "SECRET_KEY_MISSING"
    accepted = find(status, "Accepted")
    assert accepted is not None
    assert accepted["status"] == "True"
    assert in_force(stage.rows[db])


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"sealedData": {"A": "hush"}}, "/spec/sealedData/A"),
        ({"sealedData": ["hush"]}, "/spec/sealedData"),
        ({"password": "hush"}, "/spec/password"),
        ({"sealedData": {"A B": box()}}, "/spec/sealedData/A B"),
    ],
)
def test_a_row_that_is_wrong_is_not_quoted(spec: dict[str, Any], pointer: str) -> None:
    stage = Theatre()
    db = stage.declare("Secret", "acme", "db", spec)
    error = stage.status(db)["error"]
    assert error["details"]["errors"][0]["pointer"] == pointer
    assert "hush" not in repr(error)


def test_it_goes_at_once() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box())
    stage.settle(db)
    stage.delete(db)
    assert stage.text(db) == "Finalize row (deletion requested)"


def test_with_a_leaving_organization_nothing_new_is_accepted() -> None:
    stage = Theatre()
    db = secret(stage, PASSWORD=box())
    organization = stage.rows[stage.organization]
    leaving = replace(organization.resource, deletion_requested_at=stage.now)
    stage.rows[stage.organization] = replace(organization, resource=leaving)
    assert stage.text(db) == "wait: organization acme to be deleted"


def test_problems_have_what_to_do() -> None:
    path = ("spec", "sealedData", "A")
    found: list[UserError] = [
        problems.key_missing(path, "0123456789abcdef"),
        problems.key_lost("0123456789abcdef", "/var/lib/skyctl/sealing.key"),
        problems.file_gone("/var/lib/skyctl/sealing.key"),
        problems.no_key(),
        problems.unreadable(path, "is damaged"),
        problems.value_gone(["A"]),
        no_organization(Key("Secret", "acme", "db")),
    ]
    assert all(error.suggestions for error in found)
