"""Plans of a Volume, as text: made once, found, adopted or lost, never replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resources.conditions import find, is_true
from resources.context import Retained
from resources.labels import L_CONTROLLER, L_KIND, L_NAME, L_PHANTOM, L_UID
from resources.meta import Key
from resources.naming import volume_name
from resources.observed import Container, Mount, Volume
from tests.property.apply import INSTANCE, Stage, uid_of

ACME = Key("Organization", "", "acme")
DATA = Key("Volume", "acme", "data")
UID = uid_of(*DATA)
NAME = f"skypanel_acme_data_{UID[:8]}"
MARK = {L_CONTROLLER: INSTANCE, L_UID: UID}


def made(organization: dict[str, Any] | None = None, **spec: Any) -> Stage:
    stage = Stage()
    stage.declare(*ACME, organization or {})
    stage.declare(*DATA, spec)
    stage.settle()
    return stage


def mount(stage: Stage, name: str, service: str | None, volume: str = NAME) -> None:
    labels = {L_CONTROLLER: INSTANCE, L_UID: "s", L_KIND: "Service", L_NAME: service}
    stage.world.put_container(
        Container(
            id=f"c-{name}",
            name=name,
            labels={k: v for k, v in labels.items() if v} if service else {},
            image="i",
            image_id="sha256:i",
            state="exited",
            mounts=(Mount(volume, "/data"),),
        )
    )


def test_from_nothing() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.declare(*DATA, {"size": "1Gi"})
    plan = stage.plan(DATA)
    assert plan.render() == (
        f"Accept generation 1 (new)\nCreateVolume {NAME} (missing)\nRecordVolume {NAME} (made)"
    )
    assert plan.steps[1].size == 1 << 30  # type: ignore[attr-defined]
    stage.settle()
    assert stage.plan(DATA).converged
    found = stage.world.volume(NAME)
    assert found is not None
    assert dict(found.labels) == {
        "io.skypanel.controller": INSTANCE,
        "io.skypanel.organization": "acme",
        "io.skypanel.kind": "Volume",
        "io.skypanel.name": "data",
        "io.skypanel.uid": UID,
        "io.skypanel.generation": "1",
    }


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_killed_anywhere_it_is_made_once(steps: int) -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.settle()
    stage.declare(*DATA, {})
    stage.run(DATA, steps)
    rest = stage.settle()
    assert len([s for s in rest if s.startswith("CreateVolume")]) == (1 if steps < 2 else 0)
    assert stage.rows[DATA].record.volume_created
    assert list(stage.world.volumes) == [NAME]


def test_lost_is_an_alarm_and_never_a_fresh_one() -> None:
    stage = made()
    stage.world.drop_volume(NAME)
    assert stage.plan(DATA).render() == (
        f"drift: volume: {NAME} is no longer on the engine\n"
        f"problem: STORAGE_VOLUME_LOST: the data of volume data is lost: {NAME} is no longer on "
        "the engine"
    )
    status = stage.status(DATA)
    assert status["drift"][0]["field"] == "volume"
    assert is_true(status, "Drifted")
    assert status["phase"] == "Failed"
    assert status["error"]["suggestions"] == [
        "restore a backup",
        "delete the Volume data and create it anew to start empty",
    ]
    stalled = find(status, "Stalled")
    assert stalled is not None
    assert (stalled["status"], stalled["reason"]) == ("True", "StorageVolumeLost")
    stage.declare(*DATA, {"size": "2Gi"})
    assert stage.settle() == ["Accept generation 2 (spec changed since generation 1)"]
    assert stage.world.volumes == {}


@pytest.mark.parametrize(
    ("labels", "there"),
    [
        ({**MARK, L_PHANTOM: "1"}, "is gone; the engine made an empty one of that name"),
        ({L_CONTROLLER: INSTANCE, L_PHANTOM: "1"}, "the engine made an empty one"),
        ({}, "is gone; another volume of that name is there"),
        ({**MARK, L_UID: "other"}, "another volume of that name"),
        ({**MARK, L_CONTROLLER: "i-2"}, "another volume of that name"),
    ],
)
def test_what_stands_in_its_place_is_not_it(labels: dict[str, str], there: str) -> None:
    stage = made()
    stage.world.put_volume(Volume(NAME, labels))
    plan = stage.plan(DATA)
    assert plan.steps == ()
    assert plan.problem is not None
    assert plan.problem.code == "STORAGE_VOLUME_LOST"
    assert there in plan.problem.message


@pytest.mark.parametrize(
    ("labels", "whose"),
    [
        ({}, "is not ours"),
        ({**MARK, L_CONTROLLER: "i-2"}, "is not ours"),
        ({**MARK, L_UID: "u-2"}, "belongs to another resource (u-2)"),
        ({**MARK, L_PHANTOM: "1"}, "belongs to another resource"),
    ],
)
def test_what_is_in_the_way_stays_untouched(labels: dict[str, str], whose: str) -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    stage.declare(*DATA, {})
    stage.world.put_volume(Volume(NAME, labels))
    stage.settle()
    plan = stage.plan(DATA)
    assert plan.steps == ()
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"
    assert whose in plan.problem.message
    assert dict(stage.world.volumes[NAME].labels) == labels


def test_without_its_organization_it_is_not_accepted() -> None:
    stage = Stage()
    stage.declare(*DATA, {})
    assert stage.plan(DATA).render() == (
        "problem: RESOURCE_NOT_FOUND: Organization acme does not exist"
    )
    accepted = find(stage.status(DATA), "Accepted")
    assert accepted is not None
    assert (accepted["status"], accepted["reason"]) == ("False", "ResourceNotFound")


def test_nothing_new_in_an_organization_being_deleted() -> None:
    stage = made()
    stage.delete(ACME)
    other = stage.declare("Volume", "acme", "other", {})
    assert stage.plan(other).render() == "wait: organization acme to be deleted"


def test_deleted_by_policy_retain() -> None:
    stage = made()
    stage.delete(DATA)
    plan = stage.plan(DATA)
    assert plan.render() == f"RetainVolume {NAME} (deletion requested, deletionPolicy Retain)"
    stage.settle()
    assert DATA not in stage.rows
    assert stage.retained[UID].expires_at is None
    assert NAME in stage.world.volumes


@pytest.mark.parametrize(("organization", "days"), [({}, 7), ({"retainVolumes": "2d"}, 2)])
def test_deleted_by_policy_expire(organization: dict[str, Any], days: int) -> None:
    stage = made({"deletion": organization}, deletionPolicy="Expire")
    stage.delete(DATA)
    stage.settle()
    assert stage.retained[UID].expires_at == stage.now + timedelta(days=days)
    assert NAME in stage.world.volumes


def test_deleted_by_policy_delete() -> None:
    stage = made(deletionPolicy="Delete")
    stage.delete(DATA)
    assert stage.settle() == [
        f"RemoveVolume {NAME} (deletion requested, deletionPolicy Delete)",
        "Finalize row (deletion requested, deletionPolicy Delete)",
    ]
    assert stage.world.volumes == {}


def test_a_spec_that_cannot_be_read_keeps_the_data() -> None:
    stage = made(deletionPolicy="Delete")
    entry = stage.rows[DATA]
    record = replace(entry.record, accepted_spec={"from": "an older release"})
    stage.rows[DATA] = replace(entry, record=record)
    stage.declare(*DATA, {"nonsense": 1})
    stage.delete(DATA)
    stage.settle()
    assert UID in stage.retained


@pytest.mark.parametrize("policy", ["Retain", "Expire", "Delete"])
def test_deletion_waits_for_those_who_mount_it(policy: str) -> None:
    stage = made(deletionPolicy=policy)
    mount(stage, "stranger", None)
    mount(stage, "acme_web_0_aaaaaa", "web")
    stage.delete(DATA)
    assert stage.plan(DATA).render() == (
        "wait: acme_web_0_aaaaaa, stranger (Service/web, container/stranger) to be removed, "
        "which mounts it"
    )
    status = stage.status(DATA)
    assert status["phase"] == "Deleting"
    assert status["message"].startswith("waiting for acme_web_0_aaaaaa, stranger")
    for id_ in list(stage.world.containers):
        stage.world.drop_container(id_)
    stage.settle()
    assert DATA not in stage.rows


@pytest.mark.parametrize("policy", ["Retain", "Expire", "Delete"])
def test_deletion_of_a_lost_one_ends(policy: str) -> None:
    stage = made(deletionPolicy=policy)
    stage.world.put_volume(Volume(NAME, {"whose": "else"}))
    stage.delete(DATA)
    assert stage.settle() == ["Finalize row (deletion requested, no data is left)"]
    assert dict(stage.world.volumes[NAME].labels) == {"whose": "else"}
    assert stage.retained == {}


def test_adopted_with_its_old_name_and_labels_over_generations() -> None:
    stage = made()
    stage.delete(DATA)
    stage.settle()
    second = stage.declare("Volume", "acme", "second", {"adopt": UID})
    assert stage.plan(second).render() == (
        f"Accept generation 1 (new)\nAdoptVolume {NAME} (spec.adopt)"
    )
    del stage.retained[UID], stage.rows[second]
    stage = adopted()
    record = stage.rows[second].record
    assert (record.volume_name, record.volume_label_uid) == (NAME, UID)
    assert stage.plan(second).converged
    assert stage.status(second)["engineName"] == NAME
    stage.delete(second)
    stage.settle()
    kept = stage.retained[uid_of(*second)]
    assert (kept.engine_name, kept.label_uid) == (NAME, UID)
    third = stage.declare("Volume", "acme", "third", {"adopt": kept.uid})
    stage.settle()
    assert stage.rows[third].record.volume_label_uid == UID
    assert stage.plan(third).converged
    stage.world.drop_volume(NAME)
    problem = stage.plan(third).problem
    assert problem is not None
    assert problem.code == "STORAGE_VOLUME_LOST"


def test_a_new_one_says_where_its_namesake_s_data_is() -> None:
    stage = Stage()
    earlier, other = "00000000-0000-0000-0000-00000000abcd", "11111111-0000-0000-0000-000000000000"
    stage.retained[earlier] = Retained(earlier, volume_name("acme", "data", earlier), "acme", None)
    stage.retained[other] = Retained(other, volume_name("acme", "logs", other), "acme", None)
    stage.declare(*ACME, {})
    stage.declare(*DATA, {})
    told = stage.plan(DATA).render()
    assert (
        f"(missing; data of a deleted data is retained, spec.adopt takes it over: {earlier})"
        in told
    )
    assert other not in told


def adopted() -> Stage:
    stage = made()
    stage.delete(DATA)
    stage.settle()
    stage.declare("Volume", "acme", "second", {"adopt": UID})
    stage.settle()
    return stage


def test_deleting_an_adopted_one_removes_by_the_label_it_carries() -> None:
    stage = adopted()
    second = stage.declare("Volume", "acme", "second", {"deletionPolicy": "Delete"})
    stage.settle()
    stage.delete(second)
    stage.settle()
    assert stage.world.volumes == {}


def test_nothing_of_another_organization_can_be_adopted() -> None:
    stage = made()
    stage.delete(DATA)
    stage.settle()
    stage.declare("Organization", "", "evil", {})
    thief = stage.declare("Volume", "evil", "loot", {"adopt": UID})
    stage.settle()
    assert stage.plan(thief).render() == (
        f"problem: RESOURCE_NOT_FOUND: organization evil has no retained volume {UID}"
    )
    assert not stage.rows[thief].record.volume_created


def test_an_expired_one_cannot_be_adopted() -> None:
    stage = made(deletionPolicy="Expire")
    stage.delete(DATA)
    stage.settle()
    stage.now += timedelta(days=8)
    late = stage.declare("Volume", "acme", "late", {"adopt": UID})
    problem = stage.plan(late).problem
    assert problem is not None
    assert problem.code == "RESOURCE_NOT_FOUND"


def test_a_retained_one_that_is_gone_is_lost_not_empty() -> None:
    stage = made()
    stage.delete(DATA)
    stage.settle()
    stage.world.drop_volume(NAME)
    second = stage.declare("Volume", "acme", "second", {"adopt": UID})
    stage.settle()
    problem = stage.plan(second).problem
    assert problem is not None
    assert problem.code == "STORAGE_VOLUME_LOST"
    assert UID in stage.retained


def test_adopting_comes_too_late_when_there_is_data() -> None:
    stage = made()
    stage.declare(*DATA, {"adopt": UID})
    stage.settle()
    problem = stage.plan(DATA).problem
    assert problem is not None
    assert problem.code == "RESOURCE_CONFLICT"
    assert NAME in stage.world.volumes


def test_status_says_where_and_who() -> None:
    stage = made(size="1Gi")
    mount(stage, "acme_web_0_aaaaaa", "web")
    mount(stage, "acme_web_1_aaaaaa", "web")
    mount(stage, "stranger", None)
    status = stage.status(DATA)
    shown = {k: status[k] for k in ("phase", "state", "engineName", "sizeBytes", "mountedBy")}
    assert shown == {
        "phase": "Ready",
        "state": "active",
        "engineName": NAME,
        "sizeBytes": 1 << 30,
        "mountedBy": ["Service/web", "container/stranger"],
    }
    assert (status["enforced"], status["usedBytes"]) == (False, None)
    ready = find(status, "Ready")
    assert ready is not None
    assert ready["status"] == "True"


@pytest.mark.parametrize(
    ("backup", "asked"),
    [
        ({"enabled": True, "schedule": "@daily"}, True),
        ({"schedule": "@daily"}, True),
        ({"retention": {"keepLast": 3}}, False),
        ({}, False),
    ],
)
def test_that_nobody_makes_backups_is_said(backup: dict[str, Any], asked: bool) -> None:
    status = made(backup=backup).status(DATA)
    found = find(status, "BackedUp")
    assert (found is not None) is asked
    assert ("this version makes no backups" in status["message"]) is asked
    assert is_true(status, "Ready"), "its data is in place all the same"
    if found is not None:
        assert (found["status"], found["reason"]) == ("False", "NotAvailable")
