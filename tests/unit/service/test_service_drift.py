"""Every row of the drift matrix that a plan alone can show: named, healed, or only reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.engine.docker.powers import powers
from controller.reconcile.news import drifted, told
from resources.conditions import find, is_true
from resources.labels import L_CONTROLLER, L_REVISION, L_ROLE
from resources.making import Made, Process, digest
from resources.meta import Key
from resources.observed import Container, Image
from tests.unit.service.theatre import Theatre

NAME = "acme_web_0_ea0e52"


def running(**spec: Any) -> tuple[Theatre, Key]:
    stage = Theatre()
    web = stage.service(**spec)
    stage.go(web)
    assert stage.plan(web).converged
    return stage, web


def condition(stage: Theatre, key: Key, type_: str) -> tuple[str, str]:
    found = find(stage.status(key), type_)
    assert found is not None
    return found["status"], found["reason"]


# ---------------------------------------------------------------- names


def test_a_renamed_container_gets_its_name_back() -> None:
    stage, web = running()
    before = stage.only(web)
    stage.change(before, name="mine")
    assert stage.text(web) == (
        f"RenameContainer mine to {NAME} (renamed on the engine) [drift: name]"
    )
    stage.go(web)
    assert (stage.only(web).id, stage.only(web).name) == (before.id, NAME)


def test_a_name_that_somebody_else_took_is_told_and_left() -> None:
    stage, web = running()
    container = stage.change(stage.only(web), name="mine")
    stage.put(container, id="other", name=NAME, labels={})
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"
    assert [d.field for d in plan.drift] == ["name"]
    assert stage.status(web)["drift"] == plan.standing


@pytest.mark.parametrize("order", ["startFirst", "stopFirst"])
def test_two_that_swapped_their_names_come_right(order: str) -> None:
    stage, web = running(replicas=2, update={"order": order})
    first, second = stage.containers(web)
    stage.world.drop_container(first.id)
    stage.world.drop_container(second.id)
    stage.put(first, name=second.name)
    stage.put(second, name=first.name)
    stage.go(web)
    assert stage.plan(web).converged
    assert [c.name for c in stage.containers(web)] == [first.name, second.name]


def test_the_name_that_an_older_release_gave_is_right() -> None:
    """Its label, and so its name, is another; the revision is the same."""
    stage, web = running()
    before = stage.only(web)
    labels = {**before.labels, L_REVISION: "v0:aaaaaabbbb"}
    known = stage.context(web)
    assert known is not None
    found = replace(before, labels=labels, name="acme_web_0_aaaaaa")
    from resources.service.drift import differences
    from resources.service.survey import Survey, survey

    surveyed = survey(known)
    assert isinstance(surveyed, Survey)
    assert differences(found, surveyed.replica(0)) == ()
    assert [d.field for d in differences(before, surveyed.replica(0))] == []


# ---------------------------------------------------------------- images, impostors


def test_a_moved_tag_matters_under_always_only() -> None:
    for policy, seen in (("Always", True), ("IfNotPresent", False)):
        stage, web = running(imagePullPolicy=policy)
        stage.world.put_image(Image("sha256:" + "b" * 64, "nginx:1.26"))
        plan = stage.plan(web)
        assert {step.drift for step in plan.steps} == ({"image"} if seen else set())
        assert ("not bbbbbbbbbbbb" in plan.render()) is seen
        stage.go(web)
        assert stage.plan(web).converged


def test_what_may_do_more_than_any_of_ours_is_made_anew() -> None:
    stage, web = running()
    stage.change(stage.only(web), powers=("bind /", "privileged"))
    said = "\n".join(stage.go(web))
    assert f"RemoveContainer {NAME} (not made by us: bind /, privileged)" in said
    assert stage.only(web).powers == ()


@pytest.mark.parametrize(
    ("host", "mounts", "words"),
    [
        ({}, [], ()),
        (
            {"CapAdd": ["CAP_CHOWN", "NET_BIND_SERVICE"], "PidMode": "", "IpcMode": "private"},
            [],
            (),
        ),
        ({"NetworkMode": "a" * 64, "SecurityOpt": ["no-new-privileges"]}, [], ()),
        ({"Privileged": True}, [], ("privileged",)),
        ({"CapAdd": ["CAP_SYS_ADMIN"]}, [], ("capability SYS_ADMIN",)),
        ({"CapAdd": ["ALL"]}, [], ("capability ALL",)),
        ({"PidMode": "host"}, [], ("pid namespace of the host",)),
        ({"NetworkMode": "container:abc"}, [], ("network namespace of the container",)),
        ({"SecurityOpt": ["seccomp=unconfined"]}, [], ("seccomp=unconfined",)),
        ({"Devices": [{"PathOnHost": "/dev/sda"}]}, [], ("device /dev/sda",)),
        ({}, [{"Type": "bind", "Source": "/etc"}, {"Type": "volume", "Name": "v"}], ("bind /etc",)),
    ],
)
def test_powers(host: dict[str, Any], mounts: list[Any], words: tuple[str, ...]) -> None:
    ours = {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], **host}
    if "SecurityOpt" in host:
        ours["SecurityOpt"] = [*host["SecurityOpt"], "no-new-privileges"]
    assert powers({"HostConfig": ours, "Mounts": mounts}) == words


def test_an_impostor_that_runs_something_else_is_made_anew_and_its_values_are_not_told() -> None:
    stage, web = running()
    made = Made(Process(command=("sh",), environment={"EVIL": digest("secret")}, user="12"))
    stage.world.put_image(replace(stage.world.image("nginx:1.26"), process=Process()))  # type: ignore[type-var]
    stage.change(stage.only(web), made=made, image_id=stage.world.image("nginx:1.26").id)  # type: ignore[union-attr]
    plan = stage.plan(web)
    cause = "not made by us: other arguments; not made by us: user 12; "
    cause += "not made by us: environment EVIL"
    assert f"RemoveContainer {NAME} ({cause}) [drift: args]" in plan.render()
    stage.go(web)
    assert stage.plan(web).converged
    assert not stage.status(web)["error"]


def test_what_is_not_known_of_the_image_is_no_difference() -> None:
    stage, web = running(environment={"A": 1})
    made = Made(Process(("/entry",), ("x",), {"A": digest("1")}, "7", ("CMD", "true")))
    stage.change(stage.only(web), made=made)
    assert stage.plan(web).converged


def test_unhealthy_is_no_drift_and_is_healed_where_drift_is_only_reported() -> None:
    check = {"http": {"path": "/", "port": 80}, "patience": "5s"}
    stage, web = running(healthCheck=check, driftPolicy="report")
    stage.probe(stage.only(web), "unhealthy")
    stage.pass_(web)
    stage.wait(5)
    plan = stage.plan(web)
    assert "StopContainer" in plan.render()
    assert not plan.drift
    assert {step.drift for step in plan.steps} == {""}


def test_a_role_that_nobody_gave_does_not_hide_a_container() -> None:
    stage, web = running()
    container = stage.only(web)
    stage.put(container, id="odd", name="odd", labels={**container.labels, L_ROLE: "helper"})
    assert "RemoveContainer odd (carries our mark, but is no replica) [drift: surplus]" in (
        stage.text(web)
    )


# ---------------------------------------------------------------- what came back


def came_back(stage: Theatre, web: Key) -> Container:
    """Of the generation before, as from an old snapshot."""
    before = stage.only(web)
    stage.service(environment={"A": 1}, driftPolicy=stage.rows[web].resource.spec["driftPolicy"])
    stage.go(web)
    return stage.put(before)


def test_a_container_of_an_earlier_revision_that_came_back_is_named_and_goes() -> None:
    stage, web = running(driftPolicy="heal")
    old = came_back(stage, web)
    plan = stage.plan(web)
    assert {step.drift for step in plan.steps} == {"surplus"}
    stage.go(web)
    assert old.id not in {c.id for c in stage.containers(web)}


def test_or_is_only_reported() -> None:
    stage, web = running(driftPolicy="report")
    came_back(stage, web)
    plan = stage.plan(web)
    assert not plan.steps
    assert [d.field for d in plan.drift] == ["surplus"]
    assert stage.status(web)["phase"] == "Running"
    assert condition(stage, web, "Ready")[0] == "True"
    assert condition(stage, web, "Drifted") == ("True", "Drifted")


def test_during_a_rollout_an_old_container_is_no_drift() -> None:
    stage, web = running()
    stage.service(environment={"A": 1})
    steps = [step for _ in range(6) for step in stage.pass_(web).steps]
    assert any("RemoveContainer" in step.render() for step in steps) or stage.go(web)
    assert {step.drift for step in steps} == {""}


def test_a_replica_beyond_the_count_that_came_back_is_drift_and_scaling_is_not() -> None:
    stage, web = running(replicas=2)
    second = stage.containers(web)[1]
    stage.service(replicas=1)
    assert {step.drift for step in stage.plan(web).steps} == {""}
    stage.go(web)
    stage.put(second)
    assert {step.drift for step in stage.plan(web).steps} == {"surplus"}


# ---------------------------------------------------------------- restarted by hand


def restarted(stage: Theatre, web: Key, **fields: Any) -> Container:
    container = stage.only(web)
    stage.wait(30)
    return stage.change(container, started_at=stage.now, **fields)


def test_restarted_by_hand_is_told_once_and_nothing_is_done() -> None:
    stage, web = running()
    restarted(stage, web)
    plan = stage.plan(web)
    assert plan.converged
    assert plan.render() == f"drift: state: {NAME} was restarted by hand or with the engine"
    context = stage.context(web)
    assert drifted(context, plan, ()) == ["state"]
    (event,) = told(web, context, plan, (), None)
    assert (event.type, event.reason) == ("Warning", "Drifted")
    assert event.message == f"{NAME} was restarted by hand or with the engine [drift: state]"
    assert "drift" not in stage.status(web)
    assert stage.plan(web).render() == ""


def test_a_restart_by_the_policy_is_not_told() -> None:
    stage, web = running()
    restarted(stage, web, restarts=1)
    assert stage.plan(web).drift == ()


def test_our_own_start_is_not_taken_for_somebody_elses() -> None:
    stage, web = running()
    stage.exits(stage.only(web))
    plan = stage.plan(web)
    stage.wait(5)
    stage.run(web)
    after = stage.plan(web)
    assert [d.field for d in after.drift] == ["state"]
    assert drifted(stage.context(web), after, plan.steps) == ["state"]
    assert len(told(web, stage.context(web), after, plan.steps, None)) == len(plan.steps)


# ---------------------------------------------------------------- once, and as often as it is


def test_the_steps_that_heal_one_container_count_once() -> None:
    stage, web = running(replicas=3)
    for container in stage.containers(web)[:2]:
        stage.world.drop_container(container.id)
    plan = stage.plan(web)
    assert len(plan.steps) == 4
    assert drifted(stage.context(web), plan, plan.steps) == ["missing", "missing"]


def test_what_is_only_reported_is_told_once() -> None:
    stage, web = running(driftPolicy="report")
    stage.exits(stage.only(web))
    plan = stage.plan(web)
    assert drifted(stage.context(web), plan, ()) == ["state"]
    assert len(told(web, stage.context(web), plan, (), None)) == 1
    stage.status(web)
    plan = stage.plan(web)
    assert drifted(stage.context(web), plan, ()) == []
    assert told(web, stage.context(web), plan, (), None) == []


def test_a_replaced_container_in_the_way_is_told_with_its_field() -> None:
    stage, web = running()
    container = stage.only(web)
    stage.world.drop_container(container.id)
    stage.put(container, id="other", labels={L_CONTROLLER: "somebody"})
    plan = stage.plan(web)
    assert [d.field for d in plan.drift] == ["missing"]
    reasons = [e.reason for e in told(web, stage.context(web), plan, (), None)]
    assert reasons == ["Drifted", "ResourceConflict"]
    stage.status(web)
    assert told(web, stage.context(web), stage.plan(web), (), None) == []


# ---------------------------------------------------------------- off the network


def test_paused_and_off_its_network_does_not_say_running() -> None:
    stage, web = running()
    stage.annotate(web, paused="looking into it")
    stage.change(stage.only(web), networks=())
    status = stage.status(web)
    assert (status["phase"], status["state"]) == ("Failed", "error")
    assert status["error"]["code"] == "DEPLOYMENT_DETACHED"
    assert status["readyReplicas"] == 0
    assert not is_true(status, "Available")
    assert not is_true(status, "Ready")


def test_while_the_network_is_away_it_does_not_say_running() -> None:
    stage, web = running()
    for network in list(stage.world.networks):
        stage.world.drop_network(network)
    status = stage.status(web)
    assert status["phase"] != "Running"
    assert status["readyReplicas"] == 0


def test_what_is_left_stopped_does_not_say_starting() -> None:
    stage, web = running(driftPolicy="report")
    stage.exits(stage.only(web))
    status = stage.status(web)
    assert status["phase"] == "Failed"
    assert "ended" in status["message"]


def test_no_drift_stays_untouched() -> None:
    stage, web = running()
    container = stage.only(web)
    places = tuple(replace(p, address="10.9.9.9") for p in container.networks)
    stage.change(container, networks=places, finished_at=stage.now - timedelta(days=1))
    assert stage.plan(web).converged
    assert stage.plan(web).drift == ()
