"""Answers of the store come in another order than that of the questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.store.catalogue import GONE_KEPT, Catalogue
from resources.meta import Entry, Key, Record, Resource

KEY = Key("Service", "acme", "web")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD = Entry(
    Resource(KEY, "uid-1", {}, created_at=NOON, updated_at=NOON),
    status={"phase": "Pending"},
    observed_generation=1,
)
LABELLED = replace(
    OLD, resource=replace(OLD.resource, labels={"a": "b"}, updated_at=NOON + timedelta(seconds=1))
)
AGAIN = Entry(replace(OLD.resource, uid="uid-2", created_at=NOON + timedelta(seconds=2)))


@pytest.mark.parametrize(
    "new",
    [
        replace(OLD, status={"phase": "Running"}),
        replace(OLD, record=Record(accepted_generation=1, accepted_spec={})),
        replace(OLD, status=None, observed_generation=None),
    ],
)
def test_a_slower_reader_restores_neither_status_nor_record(new: Entry) -> None:
    catalogue = Catalogue()
    catalogue.put(OLD)
    slow, quick = catalogue.moment(), catalogue.moment()
    assert catalogue.put(new, quick)
    assert not catalogue.put(OLD, slow)
    assert catalogue.entry(KEY) == new
    assert catalogue.replace([OLD], slow) == ([], [])
    assert catalogue.entry(KEY) == new
    assert catalogue.put(OLD, catalogue.moment()), "who asks later is heard"


def test_our_own_write_is_newer_than_what_was_asked_before() -> None:
    catalogue = Catalogue()
    catalogue.put(OLD)
    asked = catalogue.moment()
    new = replace(OLD, status={"phase": "Running"})
    catalogue.put(new)
    assert not catalogue.put(OLD, asked)
    assert catalogue.entry(KEY) == new


def test_a_newer_declaration_counts_whoever_asked() -> None:
    catalogue = Catalogue()
    slow, quick = catalogue.moment(), catalogue.moment()
    catalogue.put(OLD, quick)
    for newer in (LABELLED, AGAIN):
        assert catalogue.put(newer, slow)
        assert not catalogue.put(OLD, catalogue.moment())
        assert catalogue.entry(KEY) == newer


def test_a_late_answer_revives_no_row() -> None:
    catalogue = Catalogue()
    catalogue.put(OLD)
    slow, quick = catalogue.moment(), catalogue.moment()
    assert catalogue.drop(KEY, quick) is not None
    assert not catalogue.put(OLD, slow)
    assert catalogue.replace([OLD], slow) == ([], [])
    assert catalogue.entry(KEY) is None
    assert catalogue.put(AGAIN, catalogue.moment())
    assert catalogue.put(replace(AGAIN, status={"phase": "Running"}), catalogue.moment())


def test_a_late_answer_of_an_earlier_question_does_not_hide_that_it_went() -> None:
    catalogue = Catalogue()
    slow, quick = catalogue.moment(), catalogue.moment()
    catalogue.put(OLD, slow)
    assert catalogue.drop(KEY, quick) is not None
    assert catalogue.entry(KEY) is None


def test_finalized_by_us_it_stays_gone() -> None:
    catalogue = Catalogue()
    catalogue.put(OLD)
    asked = catalogue.moment()
    catalogue.finalized("uid-1")
    assert not catalogue.put(OLD, asked)
    assert catalogue.members("acme") == 0


def test_what_went_is_not_remembered_for_ever() -> None:
    catalogue = Catalogue()
    for number in range(GONE_KEPT + 10):
        key = Key("Service", "acme", f"s{number}")
        catalogue.put(Entry(replace(OLD.resource, key=key, uid=str(number))))
        catalogue.drop(key, catalogue.moment())
    assert len(catalogue._gone) == GONE_KEPT
    assert not catalogue._asked


def test_who_stands_for_a_hostname() -> None:
    key = Key("Domain", "acme", "shop")

    def declared(hostname: str, generation: int) -> Entry:
        spec = {"hostname": hostname, "service": "web"}
        return Entry(Resource(key, "uid-1", spec, generation=generation))

    catalogue = Catalogue()
    catalogue.put(declared("a.example.com", 1))
    assert catalogue.standing_for("a.example.com") == (key,)
    changes = catalogue.hostname_changes
    catalogue.put(replace(declared("a.example.com", 1), status={"phase": "Active"}))
    catalogue.put(OLD)
    assert catalogue.hostname_changes == changes
    catalogue.put(declared("b.example.com", 2))
    assert catalogue.standing_for("a.example.com") == ()
    assert catalogue.standing_for("b.example.com") == (key,)
    assert catalogue.hostname_changes > changes
    catalogue.drop(key, catalogue.moment())
    assert catalogue.standing_for("b.example.com") == ()
