"""Plans of a Service, as text: first run, scaling, stopping, deleting, volumes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.meta import Key
from resources.observed import Mount, Volume
from tests.unit.service.rollout_stage import lines
from tests.unit.service.theatre import Theatre, settled

# ---------------------------------------------------------------- from nothing


def test_first_run() -> None:
    stage = Theatre()
    web = stage.service(replicas=2)
    assert stage.pass_(web).render() == lines("""
        Accept generation 1 (new)
        BeginRollout generation 1 v1:ea0e52bb0a4a4c83 (new)
        PullImage nginx:1.26 (not on the engine)
        CreateContainer acme_web_0_ea0e52 (new replica 0)
        StartContainer acme_web_0_ea0e52 (new replica 0)
        CreateContainer acme_web_1_ea0e52 (new replica 1)
        StartContainer acme_web_1_ea0e52 (new replica 1)
    """)
    assert stage.text(web) == "wait: replica 0, which has to run for a while"
    stage.wait(2)
    assert stage.text(web) == "EndRollout generation 1 ready (2 of 2 ready)"
    stage.pass_(web)
    assert stage.plan(web).converged


def test_files_and_volumes_come_between_make_and_start() -> None:
    stage = Theatre()
    stage.volume()
    web = stage.service(
        volumes=[{"volume": "data", "mountPath": "/data"}],
        files=[{"path": "/etc/app.conf", "content": "x"}],
    )
    assert lines("""
        CreateContainer acme_web_0_2e0a5c (new replica 0)
        PutFiles acme_web_0_2e0a5c /etc/app.conf (new replica 0)
        CheckVolumes acme_web_0_2e0a5c skypanel_acme_data_4d5b8192 (new replica 0)
        StartContainer acme_web_0_2e0a5c (new replica 0)
    """) in stage.text(web)


def test_killed_between_make_and_start_does_the_rest_again() -> None:
    stage = Theatre()
    stage.volume()
    web = stage.service(
        volumes=[{"volume": "data", "mountPath": "/data"}],
        files=[{"path": "/etc/app.conf", "content": "x"}],
    )
    stage.run(web, 4)
    assert stage.text(web) == lines("""
        PutFiles acme_web_0_2e0a5c /etc/app.conf (made, but never started)
        CheckVolumes acme_web_0_2e0a5c skypanel_acme_data_4d5b8192 (made, but never started)
        StartContainer acme_web_0_2e0a5c (made, but never started)
        wait: replica 0, which is created
    """)


def test_image_is_never_pulled_when_the_policy_forbids_it() -> None:
    stage = Theatre()
    web = stage.service(imagePullPolicy="Never")
    stage.pass_(web)
    assert stage.text(web) == (
        "wait: the rollout's deadline\n"
        "problem: IMAGE_NOT_FOUND: image nginx:1.26 is not on the engine, "
        "and imagePullPolicy is Never"
    )


def test_always_pulls_when_a_rollout_begins_and_not_later() -> None:
    stage = Theatre()
    web = stage.service(imagePullPolicy="Always")
    stage.go(web)
    stage.service(imagePullPolicy="Always", environment={"A": 1})
    assert "PullImage nginx:1.26 (imagePullPolicy is Always)" in stage.text(web)
    stage.go(web)
    stage.world.drop_container(stage.only(web).id)
    assert "PullImage" not in stage.text(web)


def test_a_missing_image_does_not_matter_while_all_replicas_run() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    stage.world.images.clear()
    assert stage.plan(web).converged


# ---------------------------------------------------------------- scaling


def test_scaling_up_makes_all_at_once() -> None:
    stage, web = settled()
    stage.service(replicas=3)
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        BeginRollout generation 2 v1:ea0e52bb0a4a4c83 (generation 1 -> 2)
        CreateContainer acme_web_1_ea0e52 (new replica 1)
        StartContainer acme_web_1_ea0e52 (new replica 1)
        CreateContainer acme_web_2_ea0e52 (new replica 2)
        StartContainer acme_web_2_ea0e52 (new replica 2)
    """)


def test_scaling_down_removes_the_highest() -> None:
    stage, web = settled(replicas=3)
    stage.service(replicas=1)
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        BeginRollout generation 2 v1:ea0e52bb0a4a4c83 (generation 1 -> 2)
        StopContainer acme_web_1_ea0e52 (scaled to 1)
        RemoveContainer acme_web_1_ea0e52 (scaled to 1)
        StopContainer acme_web_2_ea0e52 (scaled to 1)
        RemoveContainer acme_web_2_ea0e52 (scaled to 1)
        EndRollout generation 2 ready (1 of 1 ready)
    """)


def test_scaling_to_nothing_and_back() -> None:
    stage, web = settled()
    stage.service(replicas=0)
    stage.go(web)
    assert not stage.containers(web)
    assert stage.plan(web).converged
    stage.service(replicas=1)
    stage.go(web)
    assert stage.only(web).running


# ---------------------------------------------------------------- stopping


def test_stopped_keeps_its_containers() -> None:
    stage, web = settled()
    before = stage.only(web).id
    stage.service(state="stopped")
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        StopContainer acme_web_0_ea0e52 (state is stopped)
    """)
    assert stage.plan(web).converged
    stage.service()
    stage.go(web)
    assert stage.only(web).id == before
    assert stage.only(web).running


def test_stopped_from_the_beginning_makes_nothing() -> None:
    stage = Theatre()
    web = stage.service(state="stopped")
    assert stage.go(web) == ["Accept generation 1 (new)"]
    assert not stage.containers(web)


def test_started_by_hand_while_stopped() -> None:
    stage, web = settled()
    stage.service(state="stopped")
    stage.go(web)
    stage.change(stage.only(web), state="running")
    plan = stage.plan(web)
    assert plan.render() == (
        "StopContainer acme_web_0_ea0e52 (started by hand, but state is stopped) [drift: state]"
    )
    assert plan.steps[0].drift == "state"


def test_a_suspended_organization_stops_everything_and_resumes() -> None:
    stage, web = settled(driftPolicy="report")
    stage.declare("Organization", "", "acme", {"suspended": True})
    assert stage.pass_(web).render() == lines("""
        EndRollout generation 1 superseded (the organization is suspended)
        StopContainer acme_web_0_ea0e52 (the organization is suspended)
    """)
    assert stage.rows[web].status["phase"] == "Suspended"
    stage.change(stage.only(web), state="running")
    assert "StopContainer acme_web_0_ea0e52 (started by hand, but" in stage.text(web)
    stage.run(web)
    stage.declare("Organization", "", "acme", {})
    stage.go(web)
    assert stage.only(web).running
    assert stage.plan(web).converged


def test_suspension_interrupts_a_rollout_and_its_deadline_begins_anew() -> None:
    stage = Theatre()
    stage.optimistic = False
    web = stage.service(healthCheck={"exec": ["true"]})
    stage.pass_(web)
    stage.declare("Organization", "", "acme", {"suspended": True})
    stage.pass_(web)
    stage.wait(10_000)
    stage.declare("Organization", "", "acme", {})
    stage.pass_(web)
    assert "failed" not in stage.text(web)
    assert stage.rows[web].record.rollout.outcome == ""


# ---------------------------------------------------------------- deleting, pausing


def test_deletion_removes_everything_before_the_row() -> None:
    stage, web = settled(replicas=2)
    stage.delete(web)
    assert stage.run(web).render() == lines("""
        StopContainer acme_web_0_ea0e52 (deletion requested)
        RemoveContainer acme_web_0_ea0e52 (deletion requested)
        StopContainer acme_web_1_ea0e52 (deletion requested)
        RemoveContainer acme_web_1_ea0e52 (deletion requested)
        wait: 2 containers to be gone
    """)
    assert stage.text(web) == "Finalize row (deletion requested)"


def test_deletion_waits_for_what_the_engine_is_removing() -> None:
    stage, web = settled()
    stage.delete(web)
    stage.change(stage.only(web), state="removing")
    assert stage.text(web) == "wait: 1 container to be gone"


def test_a_service_that_never_validated_can_be_deleted() -> None:
    stage = Theatre()
    web = stage.service(image="Not An Image")
    assert stage.plan(web).problem is not None
    entry = stage.rows[web]
    resource = replace(entry.resource, deletion_requested_at=stage.now)
    stage.rows[web] = replace(entry, resource=resource)
    assert stage.text(web) == "Finalize row (deletion requested)"


def test_paused_by_annotation_changes_nothing_at_all() -> None:
    stage, web = settled()
    stage.annotate(web, paused="looking into it")
    stage.exits(stage.only(web))
    stage.service(replicas=3)
    waits = "wait: somebody to resume it; paused: looking into it"
    assert stage.text(web) == waits
    assert stage.status(web)["message"].endswith("; paused: looking into it")
    stage.delete(web)
    assert stage.text(web) == waits


@pytest.mark.parametrize("value", ["", "false"])
def test_an_annotation_that_says_no_pauses_nothing(value: str) -> None:
    stage, web = settled()
    stage.annotate(web, paused=value)
    stage.exits(stage.only(web))
    assert "StartContainer" in stage.text(web)


# ---------------------------------------------------------------- volumes


def with_volume() -> tuple[Theatre, Key]:
    stage = Theatre()
    stage.volume()
    web = stage.service(volumes=[{"volume": "data", "mountPath": "/data"}])
    stage.go(web)
    return stage, web


def test_a_lost_volume_stops_nothing_and_starts_nothing() -> None:
    stage, web = with_volume()
    (name,) = stage.world.volumes
    volume = stage.world.drop_volume(name)
    assert volume is not None
    lost = (
        f"problem: STORAGE_VOLUME_LOST: volume data ({name}) is gone from the engine; "
        "nothing is started on an empty one"
    )
    assert stage.text(web) == lost
    stage.exits(stage.only(web))
    assert not stage.plan(web).steps
    stage.world.drop_container(stage.only(web).id)
    assert not stage.plan(web).steps
    stage.world.put_volume(Volume(name, {}))
    assert "was replaced by another on the engine" in stage.text(web)
    stage.world.put_volume(volume)
    stage.go(web)
    assert stage.only(web).running


def test_nothing_is_started_again_on_unchecked_volumes() -> None:
    stage, web = with_volume()
    stage.exits(stage.only(web))
    verbs = [type(step).__name__ for step in stage.plan(web).steps]
    assert verbs == ["CheckVolumes", "StartContainer"]


def test_a_volume_that_is_not_made_yet_is_waited_for() -> None:
    stage = Theatre()
    stage.declare("Volume", "acme", "data", {})
    web = stage.service(volumes=[{"volume": "data", "mountPath": "/data"}])
    stage.pass_(web)
    assert stage.text(web) == "wait: volume data to be made"


def test_a_wrong_mount_is_drift() -> None:
    stage, web = with_volume()
    stage.change(stage.only(web), mounts=(Mount("other", "/data"),))
    plan = stage.plan(web)
    assert {step.drift for step in plan.steps} == {"mounts"}
    assert "mounts is other:/data, not skypanel_acme_data_4d5b8192:/data" in plan.render()


# ---------------------------------------------------------------- dependencies


def test_a_dependency_holds_back_new_containers_only() -> None:
    stage = Theatre()
    db = stage.service("db")
    web = stage.service(dependsOn=["db"])
    stage.pass_(web)
    assert stage.text(web) == "wait: service db to be ready"
    stage.go(db)
    stage.go(web)
    assert stage.plan(web).converged
    stage.service("db", state="stopped")
    stage.go(db)
    assert stage.plan(web).converged
    stage.exits(stage.only(web))
    assert "StartContainer" in stage.text(web)
    stage.world.drop_container(stage.only(web).id)
    assert stage.text(web) == "wait: service db to be ready"
