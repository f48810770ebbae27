"""What runs once before a rollout, and holds it back."""

from __future__ import annotations

from resources.labels import L_ROLE
from tests.unit.service.rollout_stage import lines, running
from tests.unit.service.theatre import Theatre

MIGRATE = {"command": ["migrate"], "timeout": "60s"}


def test_pre_deploy_runs_before_anything_is_rolled_out() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    assert stage.pass_(web).render() == lines("""
        Accept generation 1 (new)
        BeginRollout generation 1 v1:ea0e52bb0a4a4c83 (new)
        PullImage nginx:1.26 (not on the engine)
        CreateContainer acme_web_predeploy_ea0e52 (preDeploy)
        StartContainer acme_web_predeploy_ea0e52 (preDeploy)
        wait: preDeploy to finish
    """)
    assert stage.pass_(web).render() == lines("""
        RecordPreDeploy generation 1 succeeded (exit code 0)
        RemoveContainer acme_web_predeploy_ea0e52 (preDeploy succeeded)
        CreateContainer acme_web_0_ea0e52 (new replica 0)
        StartContainer acme_web_0_ea0e52 (new replica 0)
    """)
    stage.go(web)
    assert stage.plan(web).converged


def test_pre_deploy_that_fails_stops_the_rollout_and_is_kept_for_its_logs() -> None:
    stage, web = running()
    stage.service(preDeploy=MIGRATE, image="nginx:1.27")
    stage.pass_(web)
    (once,) = [c for c in stage.containers(web) if L_ROLE in c.labels]
    stage.change(once, exit_code=3)
    assert stage.pass_(web).render() == lines("""
        RecordPreDeploy generation 2 exit code 3 (preDeploy failed)
        EndRollout generation 2 failed (preDeploy failed)
        problem: DEPLOYMENT_PREDEPLOY_FAILED: the preDeploy command failed: exit code 3; nothing \
was rolled out
    """)
    assert stage.pass_(web).render() == (
        "EndRollout generation 2 rolledBack (1 of 1 of generation 1 ready)"
    )
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "DEPLOYMENT_PREDEPLOY_FAILED"
    assert not plan.problem.retryable
    assert once.id in stage.world.containers
    stage.service(preDeploy=MIGRATE, image="nginx:1.28")
    stage.go(web)
    assert stage.only(web).image == "nginx:1.28"


def test_pre_deploy_that_takes_too_long_fails() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    once = stage.only(web)
    stage.change(once, state="running", exit_code=None)
    plan = stage.plan(web)
    assert plan.wait is not None
    assert plan.wait.seconds == 60
    stage.wait(60)
    assert (
        stage.pass_(web)
        .render()
        .startswith(
            lines("""
        StopContainer acme_web_predeploy_ea0e52 (preDeploy timed out)
        RecordPreDeploy generation 1 timed out after 1m (preDeploy failed)
    """)
        )
    )
    assert not stage.plan(web).steps


def test_pre_deploy_is_tried_again_when_a_restart_is_requested() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), exit_code=3)
    stage.pass_(web)
    stage.annotate(web, restartedAt="now")
    text = stage.pass_(web).render()
    assert "RecordPreDeploy generation 1  (tried again)" in text
    assert "RemoveContainer acme_web_predeploy_ea0e52 (preDeploy is over)" in text
    stage.go(web)
    assert stage.only(web).running


def test_pre_deploy_of_an_earlier_generation_says_nothing_about_this_one() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), exit_code=3)
    stage.pass_(web)
    stage.service(preDeploy=MIGRATE, replicas=2)
    stage.go(web)
    assert len(stage.containers(web)) == 2
    assert stage.plan(web).converged


def test_scaling_needs_no_pre_deploy() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.go(web)
    stage.service(preDeploy=MIGRATE, replicas=2)
    assert "preDeploy" not in stage.text(web)
    stage.go(web)
    for container in stage.containers(web):
        stage.world.drop_container(container.id)
    assert "preDeploy" not in stage.text(web)


def test_a_one_off_is_no_replica() -> None:
    stage = Theatre()
    stage.volume()
    stage.volume("conf")
    web = stage.service(
        preDeploy=MIGRATE,
        volumes=[
            {"volume": "data", "mountPath": "/d"},
            {"volume": "conf", "mountPath": "/c", "readOnly": True},
        ],
        ports=[{"containerPort": 80}],
    )
    plan = stage.plan(web)
    (create,) = [step for step in plan.steps if type(step).__name__ == "CreateContainer"]
    spec = create.spec  # type: ignore[attr-defined]
    assert spec.aliases == ()
    assert spec.ports == ()
    assert [mount.path for mount in spec.mounts] == ["/c"]
    assert list(spec.volume_uids) == [spec.mounts[0].volume]
    assert spec.restart == "never"
    assert spec.entrypoint == ("migrate",)


def test_a_foreign_container_in_the_way_of_pre_deploy_stays() -> None:
    stage, web = running()
    stage.put(stage.only(web), id="f1", name="acme_web_predeploy_0b5358", labels={})
    stage.service(preDeploy=MIGRATE, image="nginx:1.27")
    stage.pass_(web)
    plan = stage.plan(web)
    assert not plan.steps
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"
    assert stage.only(web).running


def test_deletion_takes_the_one_off_along() -> None:
    stage = Theatre()
    web = stage.service(preDeploy=MIGRATE)
    stage.pass_(web)
    stage.change(stage.only(web), state="running")
    stage.delete(web)
    assert "RemoveContainer acme_web_predeploy_ea0e52 (deletion requested)" in stage.text(web)
