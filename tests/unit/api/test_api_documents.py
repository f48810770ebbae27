"""What leaves through HTTP: in order, complete, and without what is secret."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.api import documents
from controller.core import Difference, Planned
from controller.store.base import Revision
from resources.meta import Entry, Key, Resource
from resources.plan import Plan, Wait
from resources.steps import StartContainer

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = Entry(
    Resource(Key("Secret", "acme", "token"), "u", {"data": {"k": "hush"}, "sealedData": {"k": "x"}})
)


def test_plaintext_of_a_secret_is_dropped_not_masked() -> None:
    assert documents.resource_body(SECRET).spec == {"sealedData": {"k": "x"}}


def test_plaintext_of_a_secret_is_in_no_revision() -> None:
    revisions = [
        Revision(1, {"data": {"k": "one"}}, MOMENT, None, True),
        Revision(2, {"data": {"k": "two"}}, MOMENT, None, True),
    ]
    bodies = documents.revision_bodies(SECRET, revisions)
    assert [body.spec for body in bodies] == [{}, {}]
    assert [body.changes for body in bodies] == [[], []]


def test_plaintext_of_a_secret_is_in_no_difference() -> None:
    changes = ('/spec/data/k: "one" -> "two"', "/spec/other: 1 -> 2")
    difference = Difference(SECRET.key, "configure", Plan(), changes)
    assert documents.difference_body(difference).changes == ["/spec/other: 1 -> 2"]


def test_a_plan_is_its_own_rendering() -> None:
    step = StartContainer(cause="stopped by hand", container="id", container_name="acme_web_0")
    plan = Plan((step,), Wait("it starts", 2.5))
    body = documents.plan_body(Planned(Key("Service", "acme", "web"), plan))
    assert body.text == plan.render()
    assert body.steps[0].text == "StartContainer acme_web_0 (stopped by hand)"
    assert body.wait is not None
    assert body.wait.seconds == 2.5


def test_spec_is_in_the_order_of_the_fields() -> None:
    stored = {"replicas": 1, "zzz": 0, "image": "nginx:1"}
    entry = Entry(Resource(Key("Service", "acme", "web"), "u", stored))
    assert list(documents.resource_body(entry).spec) == ["image", "replicas", "zzz"]


def test_metadata_shows_only_what_there_is() -> None:
    entry = Entry(Resource(Key("Organization", "", "acme"), "u", {}))
    shown = documents.resource_body(entry).model_dump(mode="json", by_alias=True)["metadata"]
    assert shown == {
        "name": "acme",
        "uid": "u",
        "generation": 1,
        "labels": {},
        "annotations": {},
        "source": "sql",
        "finalizers": [],
    }
