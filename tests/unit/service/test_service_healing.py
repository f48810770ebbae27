"""Replicas that are not as declared are healed, as far as they are ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.labels import L_CONTROLLER, L_ORDINAL, L_REVISION, L_UID
from resources.observed import Attachment, Limits, Mount
from tests.unit.service.rollout_stage import lines
from tests.unit.service.theatre import Theatre, settled

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
    stage, web = settled()
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
    stage, web = settled(driftPolicy="report")
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
    stage, web = settled(driftPolicy="report")
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
    stage, web = settled()
    container = stage.only(web)
    stage.world.drop_container(container.id)
    stage.put(
        container, inspected=False, limits=None, restart_policy=None, image=container.image_id
    )
    assert stage.plan(web).converged


def test_anonymous_volumes_of_the_image_are_no_drift() -> None:
    stage, web = settled()
    stage.change(stage.only(web), mounts=(Mount("a" * 64, "/var/cache"),))
    assert stage.plan(web).converged


def test_the_engines_own_restart_is_not_hurried() -> None:
    stage, web = settled()
    stage.change(stage.only(web), state="restarting", restarts=1, exit_code=1)
    assert not stage.plan(web).steps


@pytest.mark.parametrize(
    ("policy", "code", "started"),
    [("always", 0, True), ("onFailure", 0, False), ("onFailure", 1, True), ("never", 1, False)],
)
def test_restart_policy_decides_whether_an_ended_one_is_started(
    policy: str, code: int, started: bool
) -> None:
    stage, web = settled(restart={"policy": policy})
    stage.exits(stage.only(web), code)
    assert bool(stage.plan(web).steps) is started


def test_a_replaced_network_is_joined_whatever_the_drift_policy() -> None:
    stage, web = settled(driftPolicy="report")
    stage.declare("Organization", "", "acme", {"network": {"subnet": "10.77.0.0/24"}})
    stage.run(stage.organization)
    assert stage.text(web) == (
        "ConnectNetwork acme_web_0_ea0e52 to skypanel_acme_8dc471ab (not on skypanel_acme_8dc471ab)"
    )


def test_a_missing_network_is_waited_for_only_when_it_is_needed() -> None:
    stage, web = settled()
    for network in list(stage.world.networks):
        stage.world.drop_network(network)
    assert stage.plan(web).converged
    stage.world.drop_container(stage.only(web).id)
    assert stage.text(web) == "wait: the organization's network"


def test_of_two_of_one_ordinal_the_better_is_kept() -> None:
    stage, web = settled()
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
    stage, web = settled()
    container = stage.only(web)
    stage.put(container, id="odd", name="odd", labels={**container.labels, **labels})
    assert stage.text(web) == lines("""
        StopContainer odd (carries our mark, but is no replica) [drift: surplus]
        RemoveContainer odd (carries our mark, but is no replica) [drift: surplus]
    """)


def test_containers_of_another_controller_are_untouchable() -> None:
    stage, web = settled()
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
    stage, web = settled()
    stage.change(stage.only(web), state="removing")
    assert stage.text(web) == "wait: acme_web_0_ea0e52 to be removed by the engine"
