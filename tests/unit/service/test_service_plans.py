"""Plans of a Service, as text: first run, healing, scaling, stopping, deleting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.labels import L_CONTROLLER, L_ORDINAL, L_REVISION, L_UID
from resources.meta import Key
from resources.observed import Attachment, Limits, Mount, Volume
from tests.unit.service.theatre import Theatre


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


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


# ---------------------------------------------------------------- healing


def running(**spec: object) -> tuple[Theatre, Key]:
    stage = Theatre()
    web = stage.service(**spec)
    stage.go(web)
    assert stage.plan(web).converged
    return stage, web


HEALED = {
    "removed": (
        lambda stage, c: stage.world.drop_container(c.id),
        """
        CreateContainer acme_web_0_ea0e52 (replica 0 is missing)
        StartContainer acme_web_0_ea0e52 (replica 0 is missing)
        """,
        "missing",
    ),
    "stopped": (
        lambda stage, c: stage.exits(c, 143),
        """
        StartContainer acme_web_0_ea0e52 (not running: it ended with exit code 143)
        wait: replica 0, which ended (exit code 143)
        """,
        "state",
    ),
    "paused": (
        lambda stage, c: stage.change(c, state="paused"),
        """
        UnpauseContainer acme_web_0_ea0e52 (paused on the engine)
        wait: replica 0, which is paused
        """,
        "state",
    ),
    "dead": (
        lambda stage, c: stage.change(c, state="dead"),
        """
        RemoveContainer acme_web_0_ea0e52 (dead, as the engine says)
        CreateContainer acme_web_0_ea0e52 (dead, as the engine says)
        StartContainer acme_web_0_ea0e52 (dead, as the engine says)
        wait: replica 0, which is dead
        """,
        "state",
    ),
    "memory": (
        lambda stage, c: stage.change(c, limits=replace(c.limits, memory=1 << 30)),
        "UpdateContainer acme_web_0_ea0e52 (memory was changed on the engine: 1Gi -> 256Mi)",
        "memory",
    ),
    "swap": (
        lambda stage, c: stage.change(c, limits=replace(c.limits, memory_swap=1 << 30)),
        "UpdateContainer acme_web_0_ea0e52 "
        "(memory was changed on the engine: 768Mi swap -> no swap)",
        "memory",
    ),
    "cpu and pids": (
        lambda stage, c: stage.change(c, limits=Limits(10**9, 1 << 28, 99, 1 << 28)),
        "UpdateContainer acme_web_0_ea0e52 "
        "(cpu was changed on the engine: 1 -> 500m; pids was changed on the engine: 99 -> 256)",
        "cpu",
    ),
    "restart policy": (
        lambda stage, c: stage.change(c, restart_policy="never"),
        "UpdateContainer acme_web_0_ea0e52 (restart was changed on the engine: never -> always)",
        "restart",
    ),
    "off the network": (
        lambda stage, c: stage.change(c, networks=()),
        "ConnectNetwork acme_web_0_ea0e52 to skypanel_acme_8dc471ab "
        "(not on skypanel_acme_8dc471ab)",
        "networks",
    ),
    "alias lost": (
        lambda stage, c: stage.change(c, networks=(replace(c.networks[0], aliases=()),)),
        """
        DisconnectNetwork acme_web_0_ea0e52 from skypanel_acme_8dc471ab (does not answer to web)
        ConnectNetwork acme_web_0_ea0e52 to skypanel_acme_8dc471ab (does not answer to web)
        """,
        "networks",
    ),
    "on another network": (
        lambda stage, c: stage.change(c, networks=(*c.networks, Attachment("f" * 64, "", ()))),
        "DisconnectNetwork acme_web_0_ea0e52 from ffffffffffff (not a network of its organization)",
        "networks",
    ),
    "stopped and off the network": (
        lambda stage, c: stage.change(c, networks=(), state="exited", exit_code=0),
        """
        RemoveContainer acme_web_0_ea0e52 (networks is none, not n0001)
        CreateContainer acme_web_0_ea0e52 (networks is none, not n0001)
        StartContainer acme_web_0_ea0e52 (networks is none, not n0001)
        wait: replica 0, which ended (exit code 0)
        """,
        "networks",
    ),
    "another image": (
        lambda stage, c: stage.change(c, image="evil:1"),
        """
        StopContainer acme_web_0_ea0e52 (image is evil:1, not nginx:1.26)
        RemoveContainer acme_web_0_ea0e52 (image is evil:1, not nginx:1.26)
        CreateContainer acme_web_0_ea0e52 (image is evil:1, not nginx:1.26)
        StartContainer acme_web_0_ea0e52 (image is evil:1, not nginx:1.26)
        """,
        "image",
    ),
}


def tagged(expected: str, drift: str) -> str:
    """Every step says the field."""
    return "\n".join(
        line if line.startswith("wait: ") else f"{line} [drift: {drift}]"
        for line in lines(expected).splitlines()
    )


@pytest.mark.parametrize("name", HEALED)
def test_healed(name: str) -> None:
    disturb, expected, drift = HEALED[name]
    stage, web = running()
    disturb(stage, stage.only(web))
    plan = stage.plan(web)
    assert plan.render() == tagged(expected, drift)
    assert {step.drift for step in plan.steps} == {drift}
    stage.go(web)
    assert stage.plan(web).converged
    assert stage.only(web).running


@pytest.mark.parametrize("name", HEALED)
def test_only_reported(name: str) -> None:
    disturb, _, drift = HEALED[name]
    stage, web = running(driftPolicy="report")
    disturb(stage, stage.only(web))
    plan = stage.plan(web)
    assert not plan.steps
    assert drift in {each.field for each in plan.drift}
    assert f"drift: {drift}: " in plan.render()
    status = stage.status(web)
    (condition,) = [c for c in status["conditions"] if c["type"] == "Drifted"]
    assert condition["status"] == "True"
    assert condition["message"]


def test_under_report_a_changed_declaration_is_still_carried_out() -> None:
    stage, web = running(driftPolicy="report")
    stage.service(driftPolicy="report", resources={"memory": "512Mi"}, replicas=2)
    assert stage.pass_(web).render() == lines("""
        Accept generation 2 (spec changed since generation 1)
        BeginRollout generation 2 v1:ea0e52bb0a4a4c83 (generation 1 -> 2)
        UpdateContainer acme_web_0_ea0e52 (memory changed: 256Mi -> 512Mi)
        CreateContainer acme_web_1_ea0e52 (new replica 1)
        StartContainer acme_web_1_ea0e52 (new replica 1)
    """)
    stage.go(web)
    assert stage.plan(web).converged


def test_what_was_only_listed_is_not_compared() -> None:
    stage, web = running()
    container = stage.only(web)
    stage.world.drop_container(container.id)
    stage.put(
        container, inspected=False, limits=None, restart_policy=None, image=container.image_id
    )
    assert stage.plan(web).converged


def test_anonymous_volumes_of_the_image_are_no_drift() -> None:
    stage, web = running()
    stage.change(stage.only(web), mounts=(Mount("a" * 64, "/var/cache"),))
    assert stage.plan(web).converged


def test_the_engines_own_restart_is_not_hurried() -> None:
    stage, web = running()
    stage.change(stage.only(web), state="restarting", restarts=1, exit_code=1)
    assert not stage.plan(web).steps


@pytest.mark.parametrize(
    ("policy", "code", "started"),
    [("always", 0, True), ("onFailure", 0, False), ("onFailure", 1, True), ("never", 1, False)],
)
def test_restart_policy_decides_whether_an_ended_one_is_started(
    policy: str, code: int, started: bool
) -> None:
    stage, web = running(restart={"policy": policy})
    stage.exits(stage.only(web), code)
    assert bool(stage.plan(web).steps) is started


def test_a_replaced_network_is_joined_whatever_the_drift_policy() -> None:
    stage, web = running(driftPolicy="report")
    stage.declare("Organization", "", "acme", {"network": {"subnet": "10.77.0.0/24"}})
    stage.run(stage.organization)
    assert stage.text(web) == (
        "ConnectNetwork acme_web_0_ea0e52 to skypanel_acme_8dc471ab (not on skypanel_acme_8dc471ab)"
    )


def test_a_missing_network_is_waited_for_only_when_it_is_needed() -> None:
    stage, web = running()
    for network in list(stage.world.networks):
        stage.world.drop_network(network)
    assert stage.plan(web).converged
    stage.world.drop_container(stage.only(web).id)
    assert stage.text(web) == "wait: the organization's network"


# ---------------------------------------------------------------- too many, strange, foreign


def test_of_two_of_one_ordinal_the_better_is_kept() -> None:
    stage, web = running()
    container = stage.only(web)
    stage.put(container, id="twin", name="twin", created_at=None, state="exited", exit_code=0)
    assert stage.text(web) == (
        "RemoveContainer twin (second container of replica 0, acme_web_0_ea0e52 is kept) "
        "[drift: surplus]"
    )


@pytest.mark.parametrize(
    "labels",
    [{L_REVISION: "nonsense"}, {L_REVISION: ""}, {L_ORDINAL: "-1"}, {L_ORDINAL: "x"}],
)
def test_impostors_go(labels: dict[str, str]) -> None:
    stage, web = running()
    container = stage.only(web)
    stage.put(container, id="odd", name="odd", labels={**container.labels, **labels})
    assert stage.text(web) == lines("""
        StopContainer odd (carries our mark, but is no replica) [drift: surplus]
        RemoveContainer odd (carries our mark, but is no replica) [drift: surplus]
    """)


def test_containers_of_another_controller_are_untouchable() -> None:
    stage, web = running()
    container = stage.only(web)
    labels = {**container.labels, L_CONTROLLER: "somebody"}
    stage.put(container, id="other", name="other", labels=labels)
    stage.put(container, id="stray", name="stray", labels={**container.labels, L_UID: "u-2"})
    assert stage.plan(web).converged
    stage.service(replicas=0)
    stage.go(web)
    stage.delete(web)
    stage.go(web)
    assert {"other", "stray"} <= set(stage.world.containers)


def test_a_foreign_container_with_our_name_is_in_the_way_of_one_replica_only() -> None:
    stage = Theatre()
    web = stage.service(replicas=2)
    stage.go(stage.service("dummy"))
    foreign = stage.only(stage.service("dummy"))
    stage.put(foreign, id="f1", name="acme_web_0_ea0e52", labels={})
    plan = stage.pass_(web)
    assert "CreateContainer acme_web_1_ea0e52" in plan.render()
    assert "CreateContainer acme_web_0_ea0e52" not in plan.render()
    stage.wait(2)
    assert stage.text(web) == (
        "problem: RESOURCE_CONFLICT: container acme_web_0_ea0e52 is in the way: it is not ours"
    )
    assert stage.world.containers["f1"].labels == {}
    stage.world.drop_container("f1")
    stage.go(web)
    assert stage.plan(web).converged


def test_a_container_that_the_engine_is_removing_is_waited_for() -> None:
    stage, web = running()
    stage.change(stage.only(web), state="removing")
    assert stage.text(web) == "wait: acme_web_0_ea0e52 to be removed by the engine"


# ---------------------------------------------------------------- scaling


def test_scaling_up_makes_all_at_once() -> None:
    stage, web = running()
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
    stage, web = running(replicas=3)
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
    stage, web = running()
    stage.service(replicas=0)
    stage.go(web)
    assert not stage.containers(web)
    assert stage.plan(web).converged
    stage.service(replicas=1)
    stage.go(web)
    assert stage.only(web).running


# ---------------------------------------------------------------- stopping


def test_stopped_keeps_its_containers() -> None:
    stage, web = running()
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
    stage, web = running()
    stage.service(state="stopped")
    stage.go(web)
    stage.change(stage.only(web), state="running")
    plan = stage.plan(web)
    assert plan.render() == (
        "StopContainer acme_web_0_ea0e52 (started by hand, but state is stopped) [drift: state]"
    )
    assert plan.steps[0].drift == "state"


def test_a_suspended_organization_stops_everything_and_resumes() -> None:
    stage, web = running(driftPolicy="report")
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
    stage, web = running(replicas=2)
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
    stage, web = running()
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
    stage, web = running()
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
    stage, web = running()
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
